"""The log-mel features of Hugging Face's ParakeetFeatureExtractor without torch: equal numbers, faster.

Only real frames are computed: the original makes one more, which its mask then hides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from vizinho.audio.io import SAMPLE_RATE, Waveform

Features = npt.NDArray[np.float32]
"""Log-mel features of one utterance, shape (F, T): channels first, as exported networks take them."""

MIN_SAMPLES = SAMPLE_RATE // 25  # shorter audio (40 ms) has too few frames to normalise by its own mean and deviation
_CHUNK_FRAMES = 128  # spectra of this many frames stay in the processor's cache
_LOG_FLOOR = 2.0**-24
_DEVIATION_FLOOR = 1e-5


def at_least_minimum(samples: Waveform) -> Waveform:
    """Samples (N,), with silence after them where they are fewer than MIN_SAMPLES."""
    return np.pad(samples, (0, max(0, MIN_SAMPLES - samples.size)))


@dataclass(frozen=True)
class LogMel:
    """Settings under the names of the extractor's own configuration; window and filters are computed from them once."""

    feature_size: int = 80
    sampling_rate: int = 16_000
    hop_length: int = 160
    n_fft: int = 512
    win_length: int = 400
    preemphasis: float = 0.97

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> LogMel:
        """From an extractor's configuration (processor_config.json); other keys are ignored."""
        names = ("feature_size", "sampling_rate", "hop_length", "n_fft", "win_length", "preemphasis")
        return cls(**{name: settings[name] for name in names if name in settings})

    def frames(self, samples: int) -> int:
        """Feature frames of a number of samples."""
        return samples // self.hop_length

    def __call__(self, samples: Waveform) -> Features:
        """(N,) to (F, N // hop_length): spectra, mel bands, logarithm, and each band normalised over the utterance.

        There must be at least MIN_SAMPLES samples.
        """
        count = self.frames(samples.size)
        padded = np.zeros((count - 1) * self.hop_length + self.win_length, np.float32)
        end = min(samples.size, padded.size - self.reach)
        padded[self.reach : self.reach + end] = samples[:end]
        padded[self.reach + 1 : self.reach + end] -= np.float32(self.preemphasis) * samples[: end - 1]  # y = x - .97 x'
        return self._normalized(self.bands(padded))

    @property
    def reach(self) -> int:
        """Samples before and after its own that a frame is made of: the window is centred on the frame."""
        return self.win_length // 2

    def bands(self, emphasised: Waveform) -> Features:
        """Log-mel bands (F, T) before normalisation, of pre-emphasised samples that start `reach` before frame 0.

        T frames need (T - 1) * hop_length + win_length samples.
        """
        count = (emphasised.size - self.win_length) // self.hop_length + 1
        windows = np.lib.stride_tricks.sliding_window_view(emphasised, self.win_length)[:: self.hop_length]
        bands = np.empty((self.feature_size, count), np.float32)
        for first in range(0, count, _CHUNK_FRAMES):
            part = windows[first : first + _CHUNK_FRAMES] * self._window
            spectrum = scipy.fft.rfft(part, self.n_fft, axis=1)
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            bands[:, first : first + _CHUNK_FRAMES] = self._filters @ power.T
        bands += np.float32(_LOG_FLOOR)  # silence must not become minus infinity
        np.log(bands, out=bands)
        return bands

    @staticmethod
    def _normalized(bands: Features) -> Features:
        count = bands.shape[1]
        bands -= bands.mean(axis=1, keepdims=True)
        # The sample deviation (T - 1), as the original has it; einsum needs no second array of squares.
        deviation = np.sqrt(np.einsum("ft,ft->f", bands, bands) / np.float32(count - 1))
        bands /= deviation[:, None] + np.float32(_DEVIATION_FLOOR)
        return bands

    @cached_property
    def _window(self) -> npt.NDArray[np.float32]:
        return np.hanning(self.win_length).astype(np.float32)

    @cached_property
    def _filters(self) -> npt.NDArray[np.float32]:
        return mel_filters(self.feature_size, self.n_fft, self.sampling_rate)


def mel_filters(bands: int, n_fft: int, sampling_rate: int = SAMPLE_RATE) -> npt.NDArray[np.float32]:
    """(F, n_fft / 2 + 1) triangles on Slaney's mel scale, each of unit area (as in librosa)."""
    top = sampling_rate / 2
    edges = _hertz(np.linspace(_mel(0.0), _mel(top), bands + 2))
    bins = np.linspace(0.0, top, n_fft // 2 + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return triangles.astype(np.float32)


def _mel(hertz: float) -> float:
    """Slaney's scale: linear up to 1 kHz (15 mels), then 27 steps for each factor of 6.4."""
    return hertz * 3.0 / 200.0 if hertz < 1000.0 else 15.0 + 27.0 * float(np.log(hertz / 1000.0) / np.log(6.4))


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mels < 15.0, mels * 200.0 / 3.0, 1000.0 * 6.4 ** ((mels - 15.0) / 27.0))
