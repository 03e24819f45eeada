"""Whisper's log-mel features without torch: the numbers of Hugging Face's WhisperFeatureExtractor.

Frames of padding are not computed: their value is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.audio.logmel import Features, mel_filters

HOP = 160
"""Samples from one frame to the next."""
FRAMES_PER_SECOND = SAMPLE_RATE // HOP
_WINDOW = 400  # samples of one frame, which is centred on its first sample of its hop
_POWER_FLOOR = 1e-10
_RANGE = 8.0  # powers of ten below the loudest band that still count
_CHUNK_FRAMES = 128  # spectra of this many frames stay in the processor's cache


@dataclass(frozen=True)
class WhisperMel:
    """The features of a model with so many bands: 80, or 128 since large-v3."""

    bands: int = 80

    def __call__(self, samples: Waveform, window_seconds: float = 30.0) -> Features:
        """(N,) to (F, window_seconds * 100), as if silence followed up to the window's end; N must fit into it.

        Values are log10 of power, no more than 8 below the loudest, shifted by 4 and divided by 4.
        """
        count = round(window_seconds * FRAMES_PER_SECOND)
        features = np.full((self.bands, count), np.log10(_POWER_FLOOR), np.float32)
        spoken = self._spoken(samples, count)
        features[:, : spoken.shape[1]] = spoken
        np.maximum(features, features.max() - np.float32(_RANGE), out=features)
        return (features + np.float32(4.0)) / np.float32(4.0)

    def _spoken(self, samples: Waveform, count: int) -> Features:
        """Log-mel bands of the frames that see a sample, at most `count`."""
        half = _WINDOW // 2
        frames = min(count, -(-(samples.size + half) // HOP))  # frame t begins at t * HOP - half
        padded = np.zeros(max(frames * HOP, samples.size) + _WINDOW + half, np.float32)
        padded[half : half + samples.size] = samples
        padded[:half] = padded[half + 1 : 2 * half + 1][::-1]  # the original mirrors the beginning
        if samples.size + half > count * HOP:  # and the end, which only an utterance as long as its window reaches
            end = half + count * HOP
            padded[end : end + half] = padded[end - half - 1 : end - 1][::-1]
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP][:frames]
        bands = np.empty((self.bands, frames), np.float32)
        for first in range(0, frames, _CHUNK_FRAMES):
            spectrum = scipy.fft.rfft(windows[first : first + _CHUNK_FRAMES] * self._taper, axis=1)
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            bands[:, first : first + _CHUNK_FRAMES] = self._filters @ power.T
        np.maximum(bands, np.float32(_POWER_FLOOR), out=bands)
        return np.log10(bands, out=bands)

    @cached_property
    def _taper(self) -> npt.NDArray[np.float32]:
        return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)  # periodic, unlike Parakeet's

    @cached_property
    def _filters(self) -> npt.NDArray[np.float32]:
        return mel_filters(self.bands, _WINDOW)
