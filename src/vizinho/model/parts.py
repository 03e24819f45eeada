"""The parts of a recogniser in memory, and what a donor gives beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from vizinho.audio.features import FrontEnd
from vizinho.model.frontends import front_end
from vizinho.model.layers import layer_of
from vizinho.text.tokens import TokenInventory, inventory_of

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network with what it needs to read audio and write text."""

    model: Any
    extractor: Any
    tokenizer: Any

    @property
    def inventory(self) -> TokenInventory:
        """Tokens in the order of the output rows, with roles."""
        return inventory_of(self.tokenizer, int(self.model.config.vocab_size))

    @property
    def front(self) -> FrontEnd:
        """How the network wants its audio."""
        return front_end(self.model.config, self.extractor)

    @property
    def subsampling(self) -> int:
        """Input steps (feature frames, samples) per output frame."""
        return self.front.subsampling


@dataclass(frozen=True, slots=True)
class Donor:
    """A network to start from: anything that becomes a CTC network with the target's tokens."""

    model: Any
    """A network with a CTC output layer; without tokens of the donor's own that layer is meaningless."""
    extractor: Any
    kind: str
    """What it was saved as: a class of transformers or of NeMo."""
    tokenizer: Any | None = None
    """None: the donor has no output layer that could be used."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the network that its file has not, each with the reason why that does no harm."""
    unused: Mapping[str, tuple[Shape, str]] = field(default_factory=dict)
    """What its file has and a CTC network has no place for: shape and reason by name."""
    notes: tuple[str, ...] = ()
    """What a user should know about how it was read."""

    @property
    def inventory(self) -> TokenInventory:
        """Tokens of the output layer; none without one."""
        return self.recogniser.inventory if self.tokenizer is not None else TokenInventory((), ())

    @property
    def recogniser(self) -> Checkpoint:
        """The donor at work; only those with tokens can be."""
        return Checkpoint(self.model, self.extractor, self.tokenizer)

    def weights(self) -> dict[str, torch.Tensor]:
        """What it gives: parameters and buffers by the network's names, without what it lacks."""
        given = weights(self.model)
        if self.tokenizer is None:
            given = {name: tensor for name, tensor in given.items() if layer_of(name) != "head"}
        return {name: tensor for name, tensor in given.items() if name not in self.lacking}

    def describe(self) -> dict[str, Any]:
        """Facts for people and JSON: kind, size, and tokens by role."""
        inventory = self.inventory
        roles: dict[str, list[str]] = {}
        for token, role in zip(inventory.tokens, inventory.roles, strict=True):
            roles.setdefault(role, []).append(token)
        front = front_end(self.model.config, self.extractor)
        return {
            "kind": self.kind,
            "parameters": sum(tensor.numel() for tensor in self.weights().values()),
            "hears": "waveforms" if front.waveform else f"log-mel features every {front.step_seconds * 1000:g} ms",
            "frame_ms": round(front.frame_seconds * 1000, 3),
            "padding_masked": front.masked,
            "tokens": len(inventory.tokens),
            "roles": roles,
            "notes": list(self.notes),
        }


def weights(model: Any) -> dict[str, torch.Tensor]:
    """Every parameter and saved buffer by name, detached; a view, not a copy."""
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}
