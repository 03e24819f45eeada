"""Batches by duration: which utterances stand together, in which order, and their padded tensors.

Everything is a function of (seed, epoch, utterance), never of what ran before, so a resumed run sees the same data.
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from vizinho.audio.augment import AugmentOptions, augment_waveform
from vizinho.audio.features import FrontEnd
from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.audio.logmel import at_least_minimum
from vizinho.audio.running import normalize_running
from vizinho.errors import AudioError, CorpusError, ModelError
from vizinho.records import Utterance


@dataclass(frozen=True, slots=True)
class Example:
    """An utterance ready for training: its labels are token rows."""

    utterance: Utterance
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded tensors of B utterances.

    `features` (B, T, F) or waveforms (B, T), `mask` (B, T) true on real input steps, `frames` (B,) the network's output
    frames, `labels` flat with `label_lengths` (B,).
    """

    ids: tuple[str, ...]
    features: torch.Tensor
    mask: torch.Tensor
    frames: torch.Tensor
    labels: torch.Tensor
    label_lengths: torch.Tensor
    audio_seconds: float
    chunk: tuple[int, int] | None = None
    """(Output frames of a chunk, chunks before it that are heard) where the batch is to be computed as a stream."""
    broken: tuple[tuple[str, str], ...] = ()
    """(Utterance id, reason) of what belongs into the batch and cannot be trained on; found on the way."""


class BatchPlan:
    """The endless sequence of batches over a set of examples: batch n is always the same utterances.

    Each epoch shuffles, groups utterances of similar length and cuts groups of at most `batch_seconds` of padded audio.
    Lengths in another unit do as well (sentences in pieces), if the limit is in it too.
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
        return cut_batches(self._durations, self._batch_seconds, np.random.default_rng([self._seed, epoch]))


def cut_batches(durations: npt.NDArray[np.float64], batch_seconds: float, rng: np.random.Generator) -> list[list[int]]:
    """Indices of `durations` (N,) in groups of similar length and at most `batch_seconds` of padded audio, shuffled.

    An utterance that is longer stands alone.
    """
    # Jitter keeps neighbours in length from always meeting in the same batch.
    jittered = durations * rng.uniform(0.9, 1.1, size=durations.size)
    batches: list[list[int]] = [[]]
    longest = 0.0
    for index in np.argsort(jittered, kind="stable"):
        longest = max(longest, durations[index])
        if batches[-1] and longest * (len(batches[-1]) + 1) > batch_seconds:
            batches.append([])
            longest = durations[index]
        batches[-1].append(int(index))
    return [batches[i] for i in rng.permutation(len(batches))]


LENGTH_SECONDS, LENGTH_SHARE = 0.2, 0.1
"""How far a recording's length may be from the manifest's: codecs pad, and manifests round."""

DECODED_BYTES = 512 * 2**20
"""Decoded audio that one process keeps between epochs: about two and a quarter hours."""


class DecodedAudio:
    """Recordings decoded once and kept while there is room; beyond it they are decoded anew each time.

    What came first stays: epochs come in random order, so that making room for the newest would lose all of it before
    its turn comes again.
    """

    def __init__(self, limit_bytes: int = DECODED_BYTES) -> None:
        self._room_bytes = limit_bytes
        self._kept: dict[Path, Waveform] = {}

    def __call__(self, path: Path) -> Waveform:
        """The samples of a file, (N,), not to be written to. Raises AudioError as `load_audio` does."""
        kept = self._kept.get(path)
        if kept is not None:
            return kept
        samples = load_audio(path)
        samples.setflags(write=False)
        if samples.nbytes <= self._room_bytes:
            self._room_bytes -= samples.nbytes
            self._kept[path] = samples
        return samples


def _whole(_number: int) -> None:
    """Every batch is computed from whole utterances."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What stands in a batch before it is varied: examples, their samples (N,) each, and what cannot be used."""

    epoch: int
    examples: Sequence[Example]
    samples: Sequence[Waveform]
    broken: tuple[tuple[str, str], ...] = ()


Gather = Callable[[int], Gathered]
"""Batch number to its contents: a function of the number alone, cheap in rising order."""


class Listed:
    """Gathers batches of examples that are all in memory."""

    def __init__(self, examples: Sequence[Example], batch_seconds: float, seed: int) -> None:
        self._examples = examples
        self._plan = BatchPlan([e.utterance.duration_seconds for e in examples], batch_seconds, seed)
        self._load = DecodedAudio()

    def __call__(self, number: int) -> Gathered:
        """What cannot be read, or is not what the manifest says, is left out and named: it must not cost the run."""
        epoch, indices = self._plan(number)
        chosen, samples, broken = [], [], []
        for example in (self._examples[i] for i in indices):
            try:
                heard = self._load(example.utterance.audio)
                check_length(example.utterance, heard.size / SAMPLE_RATE)
            except AudioError as error:
                broken.append((example.utterance.id, str(error)))
                continue
            chosen.append(example)
            samples.append(heard)
        return Gathered(epoch, chosen, samples, tuple(broken))


class BatchData(Dataset[Batch]):
    """Batch n as tensors: audio is varied and turned into features when asked for, so memory stays flat."""

    def __init__(
        self,
        gather: Gather,
        front: FrontEnd,
        augment: AugmentOptions,
        seed: int,
        chunking: Callable[[int], tuple[int, int] | None] = _whole,
    ) -> None:
        self._gather, self._front = gather, front
        self._augment, self._seed, self._chunking = augment, seed, chunking

    def __getitem__(self, number: int) -> Batch:
        gathered = self._gather(number)
        chosen = gathered.examples
        if not chosen:
            return _nothing(gathered.broken)
        generators = [_generator(self._seed, gathered.epoch, e.utterance.id) for e in chosen]
        waveforms = [self._varied(s, rng) for s, rng in zip(gathered.samples, generators, strict=True)]
        made = self._front.extract(waveforms)
        steps = made.mask.sum(dim=1).tolist()
        chunk = self._chunking(number)
        for row, rng in enumerate(generators):
            inputs = made.features[row, : steps[row]]
            if chunk:
                inputs = torch.from_numpy(normalize_running(inputs.numpy(), chunk[0] * self._front.subsampling))
            made.features[row, : steps[row]] = self._front.mask_inputs(inputs, self._augment, rng)
        return Batch(
            ids=tuple(e.utterance.id for e in chosen),
            features=made.features,
            mask=made.mask,
            frames=torch.tensor([self._front.output_frames(n) for n in steps], dtype=torch.long),
            labels=torch.tensor([row for e in chosen for row in e.labels], dtype=torch.long),
            label_lengths=torch.tensor([len(e.labels) for e in chosen], dtype=torch.long),
            audio_seconds=sum(steps) * self._front.step_seconds,
            chunk=chunk,
            broken=gathered.broken,
        )

    def _varied(self, samples: Waveform, rng: np.random.Generator) -> Waveform:
        samples = augment_waveform(samples, self._augment, rng)
        return at_least_minimum(self._front.masked_waveform(samples, self._augment, rng))


def check_length(utterance: Utterance, seconds: float) -> None:
    """Raises AudioError for a recording that was cut off or replaced: its text would be learnt from other sounds."""
    if abs(seconds - utterance.duration_seconds) > max(LENGTH_SECONDS, LENGTH_SHARE * utterance.duration_seconds):
        raise AudioError(
            f"the audio has {seconds:.2f} s, the manifest says {utterance.duration_seconds:.2f} s",
            where=utterance.audio,
            fix="bring the recording back, or run `vizinho corpus check` and use its clean manifest",
        )


def _nothing(broken: tuple[tuple[str, str], ...]) -> Batch:
    """A batch none of whose recordings can be read."""
    none = torch.zeros(0, dtype=torch.long)
    return Batch((), torch.zeros(0, 0, 0), torch.zeros(0, 0, dtype=torch.bool), none, none, none, 0.0, broken=broken)


def _generator(seed: int, epoch: int, utterance_id: str) -> np.random.Generator:
    digest = hashlib.blake2b(utterance_id.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, epoch, int.from_bytes(digest, "big")])


def stream(data: BatchData, numbers: range, workers: int) -> Iterator[Batch]:
    """The batches of these numbers, made ahead of time by worker processes (0: in this one)."""
    # Its own generator: otherwise making the loader would move the global one that dropout uses.
    loader: Any = DataLoader(
        data,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=_one_thread,
        generator=torch.Generator(),
    )
    return iter(loader)


def tells_of_a_death(error: Exception) -> bool:
    """Whether an error is torch's word that a process preparing batches died; its signal may come amid anything."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


@contextmanager
def deaths_named() -> Iterator[None]:
    """Raises ModelError when a process that prepares batches was killed; torch says so at any moment of the loop."""
    try:
        yield
    except RuntimeError as error:
        if not tells_of_a_death(error):
            raise
        raise _death() from error
    except (ConnectionError, EOFError) as error:  # it was killed while it handed a batch over
        raise _death() from error
    except FileNotFoundError as error:
        if error.filename is not None:  # a socket has no name here, a file has
            raise
        raise _death() from error


def _death() -> ModelError:
    return ModelError(
        "a process that prepares batches was killed",
        where="training",
        fix="give the machine more memory, or set workers = 0; the same command goes on from the last checkpoint",
    )


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
    # Ctrl-C reaches every process of the terminal; only the training loop may answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
