"""Batches by duration: which utterances stand together, in which order, and their padded tensors.

Everything is a function of (seed, epoch, utterance), never of what ran before, so a resumed run sees the same data.
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from vizinho.audio.augment import AugmentOptions, augment_waveform, mask_features
from vizinho.audio.features import HOP_SECONDS, extract
from vizinho.audio.io import Waveform, load_audio
from vizinho.audio.logmel import at_least_minimum
from vizinho.errors import CorpusError
from vizinho.records import Utterance


@dataclass(frozen=True, slots=True)
class Example:
    """An utterance ready for training: its labels are token rows."""

    utterance: Utterance
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded tensors of B utterances.

    `features` (B, T, F), `mask` (B, T) true on real frames, `labels` flat with `label_lengths` (B,).
    """

    ids: tuple[str, ...]
    features: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    label_lengths: torch.Tensor
    audio_seconds: float


class BatchPlan:
    """The endless sequence of batches over a set of examples: batch n is always the same utterances.

    Each epoch shuffles, groups utterances of similar length and cuts groups of at most `batch_seconds` of padded audio.
    """

    def __init__(self, durations: Sequence[float], batch_seconds: float, seed: int) -> None:
        if not len(durations):
            raise CorpusError("no utterances to train on", fix="check the split and the corpus check's quarantine")
        self._durations = np.asarray(durations, dtype=np.float64)
        self._batch_seconds, self._seed = batch_seconds, seed
        self._first, self._epoch, self._batches = 0, 0, self._plan_epoch(0)

    def __call__(self, number: int) -> tuple[int, list[int]]:
        """Epoch and utterance indices of batch `number`. Cheap when called in rising order."""
        if number < self._first:
            self._first, self._epoch, self._batches = 0, 0, self._plan_epoch(0)
        while number >= self._first + len(self._batches):
            self._first += len(self._batches)
            self._epoch += 1
            self._batches = self._plan_epoch(self._epoch)
        return self._epoch, self._batches[number - self._first]

    def _plan_epoch(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng([self._seed, epoch])
        # Jitter keeps neighbours in length from always meeting in the same batch.
        jittered = self._durations * rng.uniform(0.9, 1.1, size=self._durations.size)
        batches: list[list[int]] = [[]]
        longest = 0.0
        for index in np.argsort(jittered, kind="stable"):
            longest = max(longest, self._durations[index])
            if batches[-1] and longest * (len(batches[-1]) + 1) > self._batch_seconds:
                batches.append([])
                longest = self._durations[index]
            batches[-1].append(int(index))
        return [batches[i] for i in rng.permutation(len(batches))]


class BatchData(Dataset[Batch]):
    """Batch n as tensors: audio decoded, varied and turned into features when asked for, so memory stays flat."""

    def __init__(
        self, examples: Sequence[Example], plan: BatchPlan, extractor: Any, augment: AugmentOptions, seed: int
    ) -> None:
        self._examples, self._plan, self._extractor = examples, plan, extractor
        self._augment, self._seed = augment, seed

    def __getitem__(self, number: int) -> Batch:
        epoch, indices = self._plan(number)
        chosen = [self._examples[i] for i in indices]
        generators = [_generator(self._seed, epoch, e.utterance.id) for e in chosen]
        waveforms = [self._waveform(e.utterance, rng) for e, rng in zip(chosen, generators, strict=True)]
        made = extract(self._extractor, waveforms)
        for row, rng in enumerate(generators):
            frames = int(made.mask[row].sum())
            masked = mask_features(made.features[row, :frames].numpy(), self._augment, rng)
            made.features[row, :frames] = torch.from_numpy(masked)
        return Batch(
            ids=tuple(e.utterance.id for e in chosen),
            features=made.features,
            mask=made.mask,
            labels=torch.tensor([row for e in chosen for row in e.labels], dtype=torch.long),
            label_lengths=torch.tensor([len(e.labels) for e in chosen], dtype=torch.long),
            audio_seconds=float(made.mask.sum()) * HOP_SECONDS,
        )

    def _waveform(self, utterance: Utterance, rng: np.random.Generator) -> Waveform:
        samples = augment_waveform(load_audio(utterance.audio), self._augment, rng)
        return at_least_minimum(samples)


def _generator(seed: int, epoch: int, utterance_id: str) -> np.random.Generator:
    digest = hashlib.blake2b(utterance_id.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, epoch, int.from_bytes(digest, "big")])


def stream(data: BatchData, start: int, stop: int, workers: int) -> Iterator[Batch]:
    """Batches `start` to `stop`, made ahead of time by worker processes (0: in this one)."""
    # Its own generator: otherwise making the loader would move the global one that dropout uses.
    loader: Any = DataLoader(
        data,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread,
        generator=torch.Generator(),
    )
    return iter(loader)


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
    # Ctrl-C reaches every process of the terminal; only the training loop may answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
