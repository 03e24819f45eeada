"""The log-mel features of Hugging Face's ParakeetFeatureExtractor without torch: equal numbers, faster.

Only real frames are computed: the original makes one more, which its mask then hides.

Of a stream the end is not known: a chunk of its frames is normalised by the mean and deviation of all frames up to its
end. Training does so with whole utterances (`normalize_running`), so that a network sees in a stream what it learnt.
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
Frames = npt.NDArray[np.float32]
"""Features of a stream, shape (T, F)."""

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


class RunningStatistics:
    """Mean and deviation of each channel over all frames so far."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: npt.NDArray[np.float64] | float = 0.0
        self._squares: npt.NDArray[np.float64] | float = 0.0

    def normalize(self, frames: Frames) -> Frames:
        """Add the next chunk (T, F) to the statistics and normalise it."""
        exact = frames.astype(np.float64)  # sums of squares over minutes of frames lose digits in float32
        self._count += len(exact)
        self._sum = self._sum + exact.sum(axis=0)
        self._squares = self._squares + np.square(exact).sum(axis=0)
        mean = self._sum / max(1, self._count)
        variance = (self._squares - self._count * np.square(mean)) / max(1, self._count - 1)
        deviation = np.sqrt(np.maximum(variance, 0.0))
        return np.asarray((exact - mean) / (deviation + _DEVIATION_FLOOR), dtype=np.float32)


def normalize_running(frames: Frames, chunk_features: int) -> Frames:
    """Normalise a whole utterance (T, F) in chunks of `chunk_features` frames, as a stream would be. Shape kept.

    Bands that are normalised over the utterance give the same result as raw ones: normalising a channel undoes any
    affine map of it.
    """
    statistics = RunningStatistics()
    parts = [
        statistics.normalize(frames[first : first + chunk_features]) for first in range(0, len(frames), chunk_features)
    ]
    return np.concatenate(parts) if parts else frames


class RunningFeatures:
    """Samples in, whole chunks of normalised frames out; the last chunk, at the end, may be shorter."""

    def __init__(self, features: LogMel, chunk_features: int) -> None:
        self._features, self._chunk = features, chunk_features
        self._statistics = RunningStatistics()
        self._emphasised = np.zeros(features.reach, np.float32)  # pre-emphasised, from `reach` before the next frame on
        self._last = np.zeros(0, np.float32)  # the last sample, which pre-emphasis of the next one needs
        self._samples = 0
        self._made = 0  # frames made so far
        self._waiting = np.zeros((0, features.feature_size), np.float32)  # bands (T, F) of the chunk that is not full

    def feed(self, samples: Waveform) -> list[Frames]:
        """The chunks (T, F) that the next 16 kHz samples (N,) complete."""
        if samples.size:
            before = np.concatenate([self._last, samples[:-1]])
            emphasised = samples.astype(np.float32)
            emphasised[samples.size - before.size :] -= np.float32(self._features.preemphasis) * before
            self._emphasised = np.concatenate([self._emphasised, emphasised])
            self._last = samples[-1:]
            self._samples += samples.size
        self._take((self._emphasised.size - self._features.win_length) // self._features.hop_length + 1)
        full = len(self._waiting) // self._chunk * self._chunk
        chunks, self._waiting = self._waiting[:full], self._waiting[full:]
        return [self._statistics.normalize(part) for part in np.split(chunks, full // self._chunk)] if full else []

    @property
    def samples_for_chunk(self) -> int:
        """How many samples in all complete the next chunk."""
        frames = (self._made // self._chunk + 1) * self._chunk
        return (frames - 1) * self._features.hop_length + self._features.win_length - self._features.reach

    def finish(self) -> list[Frames]:
        """The remaining chunks at the end of the stream."""
        left = self._features.frames(self._samples) - self._made
        self._emphasised = np.pad(self._emphasised, (0, self._features.win_length))
        self._take(left)
        chunks = [self._waiting[first : first + self._chunk] for first in range(0, len(self._waiting), self._chunk)]
        self._waiting = self._waiting[:0]
        return [self._statistics.normalize(chunk) for chunk in chunks]

    def _take(self, count: int) -> None:
        """Make the next frames, and drop the samples that no later frame needs."""
        if count <= 0:
            return
        needed = (count - 1) * self._features.hop_length + self._features.win_length
        bands = self._features.bands(self._emphasised[:needed]).T
        self._waiting = np.concatenate([self._waiting, bands])
        self._emphasised = self._emphasised[count * self._features.hop_length :]
        self._made += count
