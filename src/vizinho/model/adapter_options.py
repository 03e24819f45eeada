"""What an adapter is to be: options alone, so that reading a recipe loads no network library."""

from __future__ import annotations

from dataclasses import dataclass

from vizinho.errors import SpecError

KINDS = ("lora", "dora")
PLACES = ("attention", "all")


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """Which matrices learn instead of the network itself. The output layer learns as ever."""

    kind: str = "lora"
    """"lora", or "dora", which learns the length of the weights' columns too (Liu et al. 2024, arXiv 2402.09353)."""
    rank: int = 8
    alpha: float = 16.0
    """The adapter's product is scaled by alpha / rank."""
    dropout: float = 0.0
    where: str = "attention"
    """"attention": the projections of attention; "all": every linear map of the encoder's blocks."""

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("where", PLACES)):
            if getattr(self, name) not in known:
                raise SpecError(f"adapter {name} is {getattr(self, name)!r}", fix=f"use {' or '.join(known)}")
        if self.rank < 1 or not 0 <= self.dropout < 1:
            raise SpecError(f"adapter rank {self.rank}, dropout {self.dropout}", fix="use a rank of 1 or more")
