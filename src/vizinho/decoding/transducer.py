"""Greedy decoding of transducers (Graves 2012, arXiv 1211.3711; TDT: Xu et al. 2023, arXiv 2304.06795).

At each encoder frame the joint network says the next token, or the blank: go on to the next frame. TDT says also how
many frames to go on. Shapes: B utterances, T frames, J channels of the joint network, V tokens, D durations, L layers
of H channels in the prediction network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vizinho.decoding.greedy import Emission

Values = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
State = tuple[Values, Values]
"""Hidden and cell state of the prediction network, each (L, B, H)."""


@dataclass(frozen=True, slots=True)
class TransducerSettings:
    """What decoding must know of a transducer."""

    blank: int
    durations: tuple[int, ...] = ()
    """Frames that each output after the V tokens stands for; none for RNN-T."""
    most_at_once: int = 10
    """Tokens that one frame may give: then decoding goes on, as a network may say tokens without end."""

    @property
    def settings(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"blank": self.blank, "durations": list(self.durations), "most_at_once": self.most_at_once}


class Predicting(Protocol):
    """Prediction and joint network at work."""

    def start(self, count: int) -> State:
        """The state before the first token of `count` utterances."""

    def predict(self, tokens: Rows, state: State) -> tuple[Values, State]:
        """The last tokens (B,) to what the joint network adds (B, J), and the state after them."""

    def join(self, frames: Values, predicted: Values) -> Values:
        """Encoder frames (B, J) and predictions (B, J) to logits (B, V + D)."""


def greedy_transducer(
    network: Predicting, frames: Values, lengths: Sequence[int], settings: TransducerSettings
) -> list[list[Emission]]:
    """Emissions of each utterance of a batch: encoder frames (B, T, J), of which `lengths` (B,) are real.

    A token lasts one frame in RNN-T, and in TDT as long as it says, at least one frame.
    """
    count, real = frames.shape[0], np.asarray(lengths, np.int64)
    emissions: list[list[Emission]] = [[] for _ in range(count)]
    place, at_once = np.zeros(count, np.int64), np.zeros(count, np.int64)
    # The blank stands before the first token.
    predicted, state = network.predict(np.full(count, settings.blank, np.int64), network.start(count))
    while (active := np.flatnonzero(place < real)).size:
        tokens, probabilities, steps = _best(network.join(frames[active, place[active]], predicted[active]), settings)
        spoken = tokens != settings.blank
        # Lists, not arrays: a few rows at a time, each of which becomes an object.
        for row, token, probability, step in zip(
            active[spoken].tolist(), tokens[spoken].tolist(), probabilities[spoken].tolist(), steps[spoken], strict=True
        ):
            start = int(place[row])
            emissions[row].append(Emission(token, start, start + max(1, int(step)), probability))
        # Counts tokens since the last step to another frame.
        at_once[active] = np.where(steps > 0, 0, at_once[active] + 1)
        full = at_once[active] >= settings.most_at_once
        at_once[active[full]] = 0
        place[active] += np.where(full, 1, steps)
        if spoken.any():
            _advance(network, active[spoken], tokens[spoken], predicted, state)
    return emissions


def _best(logits: Values, settings: TransducerSettings) -> tuple[Rows, Values, Rows]:
    """The best token of each row of logits (B, V + D), its probability, and the frames to go on."""
    durations = len(settings.durations)
    of_tokens = logits[:, : logits.shape[1] - durations]
    tokens = of_tokens.argmax(axis=1)
    best = of_tokens.max(axis=1, keepdims=True)
    # The best token's share of a softmax: its own exponential is exp(0).
    probabilities = 1.0 / np.exp(of_tokens - best).sum(axis=1)
    blank = tokens == settings.blank
    if not durations:
        return tokens, probabilities, blank.astype(np.int64)
    steps = np.asarray(settings.durations, np.int64)[logits[:, -durations:].argmax(axis=1)]
    # A blank without a duration would come back for ever.
    return tokens, probabilities, np.where(blank, np.maximum(steps, 1), steps)


def _advance(network: Predicting, rows: Rows, tokens: Rows, predicted: Values, state: State) -> None:
    """Put what follows after new tokens into the rows (of B) that have one."""
    values, after = network.predict(tokens, (state[0][:, rows], state[1][:, rows]))
    predicted[rows] = values
    for whole, part in zip(state, after, strict=True):
        whole[:, rows] = part
