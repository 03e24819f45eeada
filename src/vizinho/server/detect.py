"""Which language is spoken: the one whose model hears the beginning most clearly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vizinho.audio.io import Waveform
from vizinho.runtime.transcriber import Transcriber
from vizinho.server.work import ModelPlace

DETECT_SECONDS = 12.0
"""Audio that every candidate listens to."""


def clarity(transcriber: Transcriber, samples: Waveform) -> float:
    """Mean log-probability of the best token over the frames that are not blank; samples (N,) at 16 kHz.

    A model of another language spreads its probability over several letters where it hears sounds that it does not
    know. Frames that are blank say nothing: every model is sure of silence.
    """
    if samples.size == 0:
        return -np.inf
    engine = transcriber.engine
    log_probs = engine.log_probs([samples])[0]
    best = log_probs.argmax(axis=1)
    spoken = best != engine.blank
    return float(log_probs.max(axis=1)[spoken].mean()) if spoken.any() else -np.inf


def choose(candidates: Sequence[ModelPlace], clarities: Sequence[float]) -> tuple[ModelPlace, float]:
    """The candidate with the highest clarity, and its share (0 to 1) of all candidates' likelihoods per frame."""
    values = np.asarray(clarities)
    if not np.isfinite(values).any():
        return candidates[0], 1 / len(candidates)
    best = int(values.argmax())
    return candidates[best], float(np.exp(values[best]) / np.exp(values).sum())
