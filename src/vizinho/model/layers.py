"""Names the layers of a network, so that plan, recipe and movement speak of the same things; what an adapter changes.

"front" is everything before the first block, "block0", "block1", ... are the encoder's blocks, "top" is what some
networks have between the last block and the output layer (strided adapters), "head" are the output layers. Whisper has
its decoder's blocks, "decoder0", "decoder1", ..., and "tokens", its rows per token, instead of a head. A transducer has
the layers of its prediction network as "decoder0", ..., the projections that its joint network adds up as "top", and
the rows per token of both networks as "head".

Works on parameter names alone, for every encoder whose blocks are a numbered list; a norm of the encoder that is in no
block counts as part of the front, because names do not tell on which side of the blocks it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vizinho.errors import SpecError

_DECODER = re.compile(r"(?:^|\.)decoder\.layers\.(\d+)\.|^decoder\.lstm\.\w+_l(\d+)$")
_TOKENS = re.compile(r"(?:^|\.)decoder\.(?:embed_tokens|embed_positions|layer_norm)\.|(?:^|\.)proj_out\.")
_BLOCK = re.compile(r"(?:^|\.)(?:layers|layer|blocks)\.(\d+)\.")
_FRONT = re.compile(
    r"subsampling|feature_extractor|feature_projection|conv_layers|encode_positions|masked_spec_embed|pos_conv"
)
_TOP = re.compile(r"(?:^|\.)(?:adapter|intermediate_ffn|encoder_projector|decoder_projector)\.")
_HEAD = re.compile(r"(?:^|\.)(?:ctc_head|lm_head|head|phonemes)\.|^decoder\.embedding\.")


def layer_of(name: str) -> str:
    """The layer a parameter belongs to: "front", "blockN", "decoderN", "top", "tokens" or "head"."""
    if match := _DECODER.search(name):
        return f"decoder{match.group(1) or match.group(2)}"
    if _TOKENS.search(name):
        return "tokens"
    # The order matters: heads, strided adapters and feature extractors have numbered layers of their own.
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
    layers = {layer_of(name) for name in names}
    blocks = [sorted((n for n in layers if n.startswith(kind)), key=_number) for kind in ("block", "decoder")]
    return [layer for layer in ("front", *blocks[0], *blocks[1], "top", "tokens", "head") if layer in layers]


def _number(layer: str) -> int:
    return int(layer.removeprefix("block").removeprefix("decoder"))


def adapted(name: str) -> bool:
    """Whether a parameter of a network with adapters learns: the adapter's matrices and the output layer do."""
    return ".lora_" in name or layer_of(name) == "head"


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """Which matrices learn instead of the network itself (`vizinho.model.adapters`). The output layer always learns."""

    kind: str = "lora"
    """"lora", or "dora", which learns the length of the weights' columns too (Liu et al. 2024, arXiv 2402.09353)."""
    rank: int = 8
    alpha: float = 16.0
    """The adapter's product is scaled by alpha / rank."""
    dropout: float = 0.0
    where: str = "attention"
    """"attention": the projections of attention; "all": every linear map of the encoder's blocks."""

    def __post_init__(self) -> None:
        for name, known in (("kind", ("lora", "dora")), ("where", ("attention", "all"))):
            if getattr(self, name) not in known:
                raise SpecError(f"adapter {name} is {getattr(self, name)!r}", fix=f"use {' or '.join(known)}")
        if self.rank < 1 or not 0 <= self.dropout < 1:
            raise SpecError(
                f"adapter rank {self.rank}, dropout {self.dropout}", fix="use a rank of 1 or more, a dropout below 1"
            )
