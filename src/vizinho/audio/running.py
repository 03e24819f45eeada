"""Log-mel features of a stream, whose end is not known: normalised by the frames so far.

A chunk of frames is normalised by the mean and deviation of all frames up to its end. Training does so with whole
utterances (`normalize_running`), so that a network sees in a stream what it was trained on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import Waveform
from vizinho.audio.logmel import LogMel

Frames = npt.NDArray[np.float32]
"""Feature frames, shape (T, F)."""
_DEVIATION_FLOOR = 1e-5


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
