"""Log-mel features through the Hugging Face extractor that is saved with every model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import ParakeetFeatureExtractor

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.audio.logmel import MIN_SAMPLES
from vizinho.errors import AudioError

HOP_SECONDS = 0.010
"""Time between two feature frames before subsampling."""
MEL_CHANNELS = 80


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Padded features. `features` is (B, T, F) float32, `mask` is (B, T) bool, true on real frames."""

    features: torch.Tensor
    mask: torch.Tensor


def make_extractor() -> Any:
    """The extractor every preset uses: 80 mel channels, 25 ms windows every 10 ms, normalised per utterance."""
    return ParakeetFeatureExtractor(feature_size=MEL_CHANNELS, sampling_rate=SAMPLE_RATE)


def extract(extractor: Any, waveforms: Sequence[Waveform]) -> FeatureBatch:
    """Features of several waveforms, each (N,), padded to the longest. Raises AudioError under 40 ms."""
    for position, samples in enumerate(waveforms):
        if samples.size < MIN_SAMPLES:
            raise AudioError(
                f"{samples.size / SAMPLE_RATE:.3f} s of audio is too short to recognise",
                where=f"waveform {position}",
                fix=f"give at least {MIN_SAMPLES / SAMPLE_RATE:.2f} s",
            )
    made = extractor(list(waveforms), sampling_rate=SAMPLE_RATE, return_tensors="pt")
    return FeatureBatch(made["input_features"], made["attention_mask"].bool())
