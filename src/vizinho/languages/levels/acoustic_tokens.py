"""Speech as strings of acoustic units: frames, clusters, runs of clusters, and units that recur.

The steps are those of acoustic-token distributions (San et al. 2024, arXiv 2402.02302), which takes its pseudo-language
from Wav2Seq (Wu et al. 2022). Frames are MFCC unless a recogniser's encoder supplies better ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from vizinho.audio.io import Waveform, load_audio

Array = npt.NDArray[np.floating[Any]]
Frames = Callable[[Sequence[Path]], Sequence[Array]]
"""Audio files to their frames, (T, F) each."""

RATE = 8000
"""Samples a second: telephone recordings have nothing above 4 kHz, so nothing above it may count anywhere."""
WINDOW, HOP = RATE // 40, RATE // 50
"""25 ms windows every 20 ms."""
MEL_CHANNELS, COEFFICIENTS = 40, 13
LOWEST_HZ, HIGHEST_HZ = 60.0, 3800.0
SILENCE_DB = 40.0
"""Frames at either end that lie this far below the loudest are pauses of the recording, not speech."""
_FIRST_SYMBOL = 0x4E00  # a block of 20,000 plain letters: one for each cluster


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """How frames become units."""

    clusters: int = 100
    """k of k-means; fewer where there are under FRAMES_PER_CLUSTER frames for each."""
    units: int = 2000
    """Most units learnt: single clusters and strings of them."""
    least_count: int = 2
    """How often a string must occur to become a unit."""
    seed: int = 0


FRAMES_PER_CLUSTER = 20


@dataclass(frozen=True, slots=True)
class Tokeniser:
    """Clusters and units learnt from one language's frames."""

    clusters: Any
    pieces: Any

    @property
    def names(self) -> list[str]:
        """Each unit as numbers of clusters: "17 4 4"."""
        vocabulary: dict[str, int] = self.pieces.get_vocab()
        ordered = sorted(vocabulary, key=lambda piece: vocabulary[piece])
        return [" ".join(str(ord(symbol) - _FIRST_SYMBOL) for symbol in piece) for piece in ordered]

    def runs(self, frames: Array) -> npt.NDArray[np.int64]:
        """Frames (T, F) to clusters (N,), N <= T: each run of one cluster is one token."""
        return collapse(self.clusters.predict(np.ascontiguousarray(frames, dtype=np.float32)))

    def counts(self, runs: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.float64]:
        """How often each unit occurs in each utterance, (S, K)."""
        counts = np.zeros((len(runs), self.pieces.get_vocab_size()))
        for row, encoded in enumerate(self.pieces.encode_batch([_spell(run) for run in runs])):
            np.add.at(counts[row], encoded.ids, 1)  # unlike +=, adds an id once for each time it occurs
        return counts


def learn_tokens(frames: Sequence[Array], settings: TokenSettings) -> Tokeniser:
    """Learn clusters (k-means) and units (byte-pair encoding over runs of clusters) from utterances, (T, F) each."""
    from sklearn.cluster import MiniBatchKMeans
    from tokenizers import Tokenizer, models, trainers

    pooled = np.concatenate(list(frames)).astype(np.float32)  # (all T, F)
    k = max(2, min(settings.clusters, len(pooled) // FRAMES_PER_CLUSTER))
    clusters = MiniBatchKMeans(k, random_state=settings.seed, n_init=1, batch_size=2048).fit(pooled)
    pieces = Tokenizer(models.BPE())  # each cluster is spelt as one letter, so that text tools learn the units
    trainer = trainers.BpeTrainer(
        vocab_size=max(settings.units, k),
        min_frequency=settings.least_count,
        show_progress=False,
        initial_alphabet=[chr(_FIRST_SYMBOL + i) for i in range(k)],
        special_tokens=[],
    )
    tokeniser = Tokeniser(clusters, pieces)
    pieces.train_from_iterator([_spell(tokeniser.runs(f)) for f in frames], trainer)
    return tokeniser


def collapse(tokens: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Each run of equal tokens becomes one: (T,) to (N,)."""
    row = np.asarray(tokens, dtype=np.int64)
    return row[np.flatnonzero(np.r_[True, row[1:] != row[:-1]])] if row.size else row


def shuffled_runs(runs: Sequence[npt.NDArray[np.int64]], rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
    """Each utterance's tokens in random order: what is left without any sequence of sounds."""
    return [collapse(rng.permutation(run)) for run in runs]


def mfcc_frames(paths: Sequence[Path]) -> list[Array]:
    """MFCC (energy included) and their slopes, (T, 26) for each file, 50 a second. Raises AudioError."""
    return [mfcc(load_audio(path, RATE)) for path in paths]


def mfcc(samples: Waveform) -> Array:
    """MFCC and their slopes of (N,) samples at RATE: (T, 26), silence at both ends cut off."""
    from scipy.signal import savgol_filter  # takes a second to import

    # A recording shorter than one window gets one window.
    padded = np.pad(samples, (0, max(0, WINDOW - samples.size)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # (T, 200)
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW), 256)) ** 2  # (T, 129)
    log_mel = np.log(power @ _mel_filters() + 1e-8)  # (T, 40)
    loudness = log_mel.mean(axis=1)
    # Logarithms are natural: 10 dB are ln 10.
    speech = np.flatnonzero(loudness >= loudness.max() - SILENCE_DB / 10 * np.log(10))
    cepstrum = scipy.fft.dct(log_mel[speech[0] : speech[-1] + 1], norm="ortho", axis=1)[:, :COEFFICIENTS]
    slopes = np.zeros_like(cepstrum)
    if len(cepstrum) >= 5:  # the slope of a line fitted to five frames
        slopes = savgol_filter(cepstrum, 5, 1, deriv=1, axis=0, mode="nearest")
    return np.hstack([cepstrum, slopes]).astype(np.float32)


def normalise_by_speaker(frames: Sequence[Array], speakers: Sequence[str]) -> list[Array]:
    """Each speaker's frames to mean 0 and variance 1 on every axis, so that voices and microphones count less."""
    normalised: list[Array] = [np.empty(0)] * len(frames)
    for speaker in set(speakers):
        own = [i for i, name in enumerate(speakers) if name == speaker]
        pooled = np.concatenate([frames[i] for i in own])
        mean, spread = pooled.mean(axis=0), pooled.std(axis=0) + 1e-6  # (F,)
        for i in own:
            normalised[i] = np.asarray((frames[i] - mean) / spread, dtype=np.float32)
    return normalised


@cache
def _mel_filters() -> Array:
    from transformers.audio_utils import mel_filter_bank

    filters: Array = mel_filter_bank(129, MEL_CHANNELS, LOWEST_HZ, HIGHEST_HZ, RATE, norm=None, mel_scale="htk")
    return filters


def _spell(run: npt.NDArray[np.int64]) -> str:
    return "".join(chr(_FIRST_SYMBOL + int(token)) for token in run)
