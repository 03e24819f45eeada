"""Names the layers of a network, so that plan, recipe and movement speak of the same things.

"front" is what stands before the first block, "block0", "block1", ... are the encoder's blocks, "head" is what
stands after them. Works on parameter names alone, for every encoder whose blocks are a numbered list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BLOCK = re.compile(r"(?:^|\.)(?:layers|layer|blocks)\.(\d+)\.")
_FRONT = re.compile(
    r"subsampling|feature_extractor|feature_projection|conv_layers|encode_positions|masked_spec_embed|pos_conv"
)
_HEAD = re.compile(r"(?:^|\.)(?:ctc_head|lm_head|head)\.")


def layer_of(name: str) -> str:
    """The layer a parameter belongs to: "front", "blockN" or "head"."""
    if _HEAD.search(name):
        return "head"
    if _FRONT.search(name):
        return "front"
    match = _BLOCK.search(name)
    return f"block{match.group(1)}" if match else "front"


def layer_order(names: Iterable[str]) -> list[str]:
    """Distinct layers from the input to the output."""
    found = {layer_of(name) for name in names}
    blocks = sorted((layer for layer in found if layer.startswith("block")), key=lambda b: int(b.removeprefix("block")))
    return [*(["front"] if "front" in found else []), *blocks, *(["head"] if "head" in found else [])]
