"""Greedy CTC decoding: the best token of each frame, repeats merged, blanks dropped (Graves et al. 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LogProbs = npt.NDArray[np.float32]
"""Log-probabilities of one utterance, shape (T, V)."""


@dataclass(frozen=True, slots=True)
class Emission:
    """One token that was emitted; frames are encoder frames, `end_frame` is exclusive."""

    token: int
    start_frame: int
    end_frame: int
    probability: float


def greedy(log_probs: LogProbs, blank: int) -> list[Emission]:
    """Emissions of one utterance, shape (T, V); the probability is the mean over the merged frames."""
    if log_probs.shape[0] == 0:
        return []
    best = log_probs.argmax(axis=1)
    starts = np.concatenate(([0], np.flatnonzero(best[1:] != best[:-1]) + 1))
    ends = np.append(starts[1:], best.size)
    tokens = best[starts]
    sums = np.add.reduceat(np.exp(log_probs[np.arange(best.size), best]), starts)
    spoken = tokens != blank
    rows = (tokens[spoken], starts[spoken], ends[spoken], (sums / (ends - starts))[spoken])
    return list(map(Emission, *(values.tolist() for values in rows)))
