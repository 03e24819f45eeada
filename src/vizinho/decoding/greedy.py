"""Greedy CTC decoding: the best token of each frame, repeats merged, blanks dropped (Graves et al. 2006)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

LogProbs = npt.NDArray[np.float32]
"""Log-probabilities of one utterance, shape (T, V)."""
Path = npt.NDArray[np.int64]
"""One token a frame, shape (T,)."""


@dataclass(frozen=True, slots=True)
class Emission:
    """One token that was emitted; frames are encoder frames, `end_frame` is exclusive."""

    token: int
    start_frame: int
    end_frame: int
    probability: float


class Decoder(Protocol):
    """Turns the log-probabilities (T, V) of one utterance into what was said."""

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        """Emissions in the order of time."""
        ...


def greedy(log_probs: LogProbs, blank: int) -> list[Emission]:
    """Emissions of one utterance, shape (T, V); the probability is the mean over the merged frames."""
    return emissions_along(log_probs.argmax(axis=1), log_probs, blank) if log_probs.shape[0] else []


def emissions_along(path: Path, log_probs: LogProbs, blank: int) -> list[Emission]:
    """Emissions of a path of one token a frame, shape (T,), through log-probabilities (T, V); T is at least 1."""
    starts = np.concatenate(([0], np.flatnonzero(path[1:] != path[:-1]) + 1))
    ends = np.append(starts[1:], path.size)
    tokens = path[starts]
    sums = np.add.reduceat(np.exp(log_probs[np.arange(path.size), path]), starts)
    spoken = tokens != blank
    rows = (tokens[spoken], starts[spoken], ends[spoken], (sums / (ends - starts))[spoken])
    return list(map(Emission, *(values.tolist() for values in rows)))
