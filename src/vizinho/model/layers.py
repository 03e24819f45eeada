"""Names the layers of a network, so that plan, recipe and movement speak of the same things.

"front" is what stands before the first block, "block0", "block1", ... are the encoder's blocks, "top" is what some
networks have between the last block and the output layer (strided adapters), "head" are the output layers. Works on
parameter names alone, for every encoder whose blocks are a numbered list; a norm of the encoder that is in no block
counts to the front, because names do not say on which side of the blocks it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BLOCK = re.compile(r"(?:^|\.)(?:layers|layer|blocks)\.(\d+)\.")
_FRONT = re.compile(
    r"subsampling|feature_extractor|feature_projection|conv_layers|encode_positions|masked_spec_embed|pos_conv"
)
_TOP = re.compile(r"(?:^|\.)(?:adapter|intermediate_ffn)\.")
_HEAD = re.compile(r"(?:^|\.)(?:ctc_head|lm_head|head|phonemes)\.")


def layer_of(name: str) -> str:
    """The layer a parameter belongs to: "front", "blockN", "top" or "head"."""
    if _HEAD.search(name):
        return "head"
    if _TOP.search(name):
        return "top"
    if _FRONT.search(name):
        return "front"
    match = _BLOCK.search(name)
    return f"block{match.group(1)}" if match else "front"


def layer_order(names: Iterable[str]) -> list[str]:
    """Distinct layers from the input to the output."""
    found = {layer_of(name) for name in names}
    blocks = sorted((layer for layer in found if layer.startswith("block")), key=lambda b: int(b.removeprefix("block")))
    return [layer for layer in ("front", *blocks, "top", "head") if layer in found]
