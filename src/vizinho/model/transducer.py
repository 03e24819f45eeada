"""Transducers on a FastConformer (RNN-T, TDT) as transformers' ParakeetForRNNT and ParakeetForTDT.

Besides the encoder they have a prediction network (an embedding and an LSTM over the tokens so far) and a joint
network, which adds both up and gives logits of the tokens; of TDT also of durations, in rows after the tokens'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from transformers import ParakeetForRNNT, ParakeetForTDT

if TYPE_CHECKING:
    from transformers import PreTrainedModel

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
