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
    boundaries = np.flatnonzero(np.diff(best)) + 1
    starts = np.concatenate(([0], boundaries))
    ends = np.concatenate((boundaries, [best.size]))
    return [
        Emission(int(best[start]), int(start), int(end), float(np.exp(log_probs[start:end, best[start]]).mean()))
        for start, end in zip(starts, ends, strict=True)
        if best[start] != blank
    ]
