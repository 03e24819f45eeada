"""Recognisers and donors in memory: a network, how it hears and what it writes.

Transducers (RNN-T, TDT) are transformers' ParakeetForRNNT and ParakeetForTDT. Besides the encoder they have a
prediction network (an embedding and an LSTM over the tokens so far) and a joint network, which adds both up and gives
logits of the tokens; of TDT also of durations, in rows after the tokens'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from transformers import ParakeetForRNNT, ParakeetForTDT

from vizinho.audio.features import FrontEnd
from vizinho.model.frontends import front_end
from vizinho.model.layers import layer_of
from vizinho.text.tokens import TokenInventory, inventory_of

if TYPE_CHECKING:
    from transformers import FeatureExtractionMixin, PreTrainedModel, PreTrainedTokenizerBase

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network with what it needs to read audio and write text."""

    model: PreTrainedModel
    extractor: FeatureExtractionMixin
    tokenizer: PreTrainedTokenizerBase

    @property
    def inventory(self) -> TokenInventory:
        """Tokens in the order of the output rows, with roles."""
        blank = self.blank if is_transducer(self.model) else None
        return inventory_of(self.tokenizer, int(self.model.config.vocab_size), blank)

    @property
    def blank(self) -> int:
        """Row of the blank: of CTC the pad token's, of transducers one of its own."""
        config = self.model.config
        return int(config.blank_token_id if is_transducer(self.model) else self.tokenizer.pad_token_id)

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
    """A network to start from: what becomes a CTC network or transducer with the target's tokens, or Whisper."""

    model: PreTrainedModel
    """A network with a CTC output layer, which means nothing without tokens of the donor's, or one with a decoder."""
    extractor: FeatureExtractionMixin
    kind: str
    """What it was saved as: a class of transformers or of NeMo."""
    tokenizer: PreTrainedTokenizerBase | None = None
    """None: the donor has no output layer that could be used."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the network that its file lacks, each with the reason why that does no harm."""
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
        """The donor as a recogniser; only a donor with tokens can be one."""
        return Checkpoint(self.model, self.extractor, self.tokenizer)

    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers by the network's names, without what the file lacks."""
        usable = {name: tensor for name, tensor in weights(self.model).items() if name not in self.lacking}
        if self.tokenizer is None:
            return {name: tensor for name, tensor in usable.items() if layer_of(name) != "head"}
        return usable

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


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and saved buffer by name, detached; a view, not a copy. Tied tensors stand under one name."""
    unique: dict[str, torch.Tensor] = {}
    places: set[int] = set()
    for name, tensor in model.state_dict().items():
        place = tensor.data_ptr()
        if not (place and place in places):  # tensors without numbers have no place
            unique[name] = tensor.detach()
            places.add(place)
    return unique


EMBEDDING = "decoder.embedding.weight"
OUTPUTS = ("joint.head.weight", "joint.head.bias")
"""Parameters with a row per token; those of the outputs have the durations' rows after them."""


def is_transducer(model: Any) -> bool:
    """Whether a network is a transducer, RNN-T or TDT."""
    return isinstance(model, ParakeetForRNNT)  # ParakeetForTDT is one of them


def durations_of(model: PreTrainedModel) -> tuple[int, ...]:
    """Frames that the rows after the tokens' stand for; none for RNN-T."""
    return tuple(int(d) for d in model.config.durations) if isinstance(model, ParakeetForTDT) else ()


def frames_needed(model: PreTrainedModel) -> Callable[[Sequence[int]], int]:
    """What tells the fewest frames that the network can say labels in."""
    return partial(_frames_needed, int(model.config.max_symbols_per_step))


def _frames_needed(most_at_once: int, labels: Sequence[int]) -> int:
    return -(-len(labels) // most_at_once)


def begin_with_blank(model: PreTrainedModel) -> None:
    """Let the official `generate` begin with the blank, as every transducer does; files often leave it out."""
    config, settings = model.config, model.generation_config
    settings.decoder_start_token_id = config.blank_token_id
    settings.pad_token_id = config.pad_token_id
