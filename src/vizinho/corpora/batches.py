"""Batches by duration: which utterances form a batch, in which order, and their padded tensors.

Everything is a function of (seed, epoch, utterance), never of what ran before, so a resumed run sees the same data.
"""

from __future__ import annotations

import hashlib
import signal
import threading
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
from vizinho.audio.logmel import at_least_minimum, normalize_running
from vizinho.errors import AudioError, CorpusError, ModelError
from vizinho.parallel import begin_process
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
    """(Output frames of a chunk, earlier chunks that it sees) where the batch is computed as a stream."""
    broken: tuple[tuple[str, str], ...] = ()
    """(Utterance id, reason) of what belongs to the batch and cannot be trained on."""


class BatchPlan:
    """The endless sequence of batches over a set of examples: batch n is always the same utterances.

    Each epoch shuffles, groups utterances of similar length and cuts groups of at most `batch_seconds` of padded audio.
    Lengths may have another unit (sentences in subword pieces), if the limit has it too.
    """

    def __init__(self, durations: Sequence[float], batch_seconds: float, seed: int) -> None:
        if not len(durations):
            raise CorpusError("no utterances to train on", fix="check the split and the corpus check's quarantine")
        self._durations = np.asarray(durations, dtype=np.float64)
        self._batch_seconds, self._seed = batch_seconds, seed
        self._first, self._epoch, self._batches = 0, 0, self._plan_epoch(0)

    def __call__(self, number: int) -> tuple[int, list[int]]:
        """Epoch and utterance indices of batch `number`. Cheap when called in rising order."""
        # An epoch's number of batches is known only once it is cut, so going back means counting from the start.
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

    An utterance that is longer is a batch of its own.
    """
    # Without jitter utterances of equal length would meet in the same batch in every epoch.
    jittered = durations * rng.uniform(0.9, 1.1, size=durations.size)
    batches: list[list[int]] = [[]]
    longest = 0.0
    for index in np.argsort(jittered, kind="stable"):
        longest = max(longest, durations[index])
        if batches[-1] and longest * (len(batches[-1]) + 1) > batch_seconds:
            batches.append([])
            longest = durations[index]
        batches[-1].append(int(index))
    # Sorted by length, the batches would teach short utterances first: they are shuffled too.
    return [batches[i] for i in rng.permutation(len(batches))]


def batch_statistics(durations: Sequence[float], batch_seconds: float, seed: int) -> str:
    """The batches of a `BatchPlan`'s first epoch in words: how many, how long, and how much of them is padding."""
    seconds = np.asarray(durations, dtype=np.float64)
    batches = cut_batches(seconds, batch_seconds, np.random.default_rng([seed, 0]))
    padded = sum(float(seconds[batch].max()) * len(batch) for batch in batches)
    many = "1 batch" if len(batches) == 1 else f"{len(batches)} batches"
    share = 1 - float(seconds.sum()) / padded
    return f"{many} an epoch, of {padded / len(batches):.1f} s on average, {share:.0%} of it padding"


LENGTH_SECONDS, LENGTH_SHARE = 0.2, 0.1
"""How far a recording's length may be from the manifest's: codecs pad, and manifests round."""

DECODED_BYTES = 512 * 2**20  # decoded audio that one process caches between epochs: about two and a quarter hours


class DecodedAudio:
    """Caches decoded recordings while there is room; beyond it they are decoded in every epoch."""

    def __init__(self, limit_bytes: int = DECODED_BYTES) -> None:
        self._room_bytes = limit_bytes
        self._cache: dict[Path, Waveform] = {}

    def __call__(self, path: Path) -> Waveform:
        """The samples of a file, (N,), not to be written to. Raises AudioError as `load_audio` does."""
        if path in self._cache:
            return self._cache[path]
        samples = load_audio(path)
        samples.setflags(write=False)
        # Nothing is evicted: epochs come in random order, so the newest would push out what is needed before it.
        if samples.nbytes <= self._room_bytes:
            self._room_bytes -= samples.nbytes
            self._cache[path] = samples
        return samples


@dataclass(frozen=True, slots=True)
class BatchAudio:
    """A batch before augmentation: examples, samples (N,) of each, and (id, reason) of what cannot be used."""

    epoch: int
    examples: Sequence[Example]
    samples: Sequence[Waveform]
    broken: tuple[tuple[str, str], ...] = ()


BatchSource = Callable[[int], BatchAudio]
"""Batch number to its contents: a function of the number alone, cheap in rising order."""


class ListedSource:
    """The batches of examples that are all in memory."""

    def __init__(self, examples: Sequence[Example], batch_seconds: float, seed: int) -> None:
        self._examples = examples
        self._plan = BatchPlan([e.utterance.duration_seconds for e in examples], batch_seconds, seed)
        self._load = DecodedAudio()

    def __call__(self, number: int) -> BatchAudio:
        """Contents of a batch. A recording that cannot be read, or has another length, is skipped and named."""
        epoch, indices = self._plan(number)
        chosen, samples, broken = [], [], []
        for example in (self._examples[i] for i in indices):
            try:
                waveform = self._load(example.utterance.audio)
                check_length(example.utterance, waveform.size / SAMPLE_RATE)
            except AudioError as error:
                broken.append((example.utterance.id, str(error)))
                continue
            chosen.append(example)
            samples.append(waveform)
        return BatchAudio(epoch, chosen, samples, tuple(broken))


class BatchData(Dataset[Batch]):
    """Batch n as tensors: audio is augmented and turned into features when asked for, so memory stays flat.

    `chunking` says of each batch number in which chunks it is computed, if as a stream (see `Batch.chunk`).
    """

    def __init__(
        self,
        source: BatchSource,
        front: FrontEnd,
        augment: AugmentOptions,
        seed: int,
        chunking: Callable[[int], tuple[int, int] | None] | None = None,
    ) -> None:
        self._source, self._front = source, front
        self._augment, self._seed, self._chunking = augment, seed, chunking

    def __getitem__(self, number: int) -> Batch:
        audio = self._source(number)
        examples = audio.examples
        if not examples:
            return _empty(audio.broken)
        # Seeded by utterance, not drawn in turn: a recording that cannot be read leaves the others' augmentation alone.
        generators = [_generator(self._seed, audio.epoch, e.utterance.id) for e in examples]
        inputs = self._front.extract([self._augmented(s, g) for s, g in zip(audio.samples, generators, strict=True)])
        steps = inputs.mask.sum(dim=1).tolist()
        chunk = self._chunking(number) if self._chunking else None
        for row, rng in enumerate(generators):
            real = inputs.features[row, : steps[row]]  # without padding, which SpecAugment must not count as speech
            if chunk:
                real = torch.from_numpy(normalize_running(real.numpy(), chunk[0] * self._front.subsampling))
            inputs.features[row, : steps[row]] = self._front.mask_inputs(real, self._augment, rng)
        return Batch(
            ids=tuple(e.utterance.id for e in examples),
            features=inputs.features,
            mask=inputs.mask,
            frames=torch.tensor([self._front.output_frames(n) for n in steps], dtype=torch.long),
            labels=torch.tensor([row for e in examples for row in e.labels], dtype=torch.long),
            label_lengths=torch.tensor([len(e.labels) for e in examples], dtype=torch.long),
            audio_seconds=sum(steps) * self._front.step_seconds,
            chunk=chunk,
            broken=audio.broken,
        )

    def _augmented(self, samples: Waveform, rng: np.random.Generator) -> Waveform:
        samples = augment_waveform(samples, self._augment, rng)
        return at_least_minimum(self._front.masked_waveform(samples, self._augment, rng))


def check_length(utterance: Utterance, seconds: float) -> None:
    """Raise AudioError for a recording that was cut off or replaced: its text would be learnt from other sounds."""
    if abs(seconds - utterance.duration_seconds) > max(LENGTH_SECONDS, LENGTH_SHARE * utterance.duration_seconds):
        raise AudioError(
            f"the audio has {seconds:.2f} s, the manifest says {utterance.duration_seconds:.2f} s",
            where=utterance.audio,
            fix="bring the recording back, or run `vizinho corpus check` and use its clean manifest",
        )


def _empty(broken: tuple[tuple[str, str], ...]) -> Batch:
    """A batch of which no recording can be read."""
    none = torch.zeros(0, dtype=torch.long)
    return Batch((), torch.zeros(0, 0, 0), torch.zeros(0, 0, dtype=torch.bool), none, none, none, 0.0, broken=broken)


def _generator(seed: int, epoch: int, utterance_id: str) -> np.random.Generator:
    # Python's own hash() of a string differs from process to process.
    digest = hashlib.blake2b(utterance_id.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, epoch, int.from_bytes(digest, "big")])


def stream(data: BatchData, numbers: range, workers: int) -> Iterator[Batch]:
    """The batches of these numbers, made ahead of time by worker processes (0: in this one).

    Raises ModelError when one of these processes was killed.
    """
    # Its own generator: otherwise making the loader would move the global one that dropout uses.
    loader: Any = DataLoader(
        data,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=4 if workers else None,  # batches that each worker prepares ahead
        worker_init_fn=_begin_worker,
        generator=torch.Generator(),
    )
    with _no_new_handler(signal.SIGCHLD):
        batches = iter(loader)
    return _deaths_named(batches)


@contextmanager
def _no_new_handler(number: signal.Signals) -> Iterator[None]:
    """What answers this signal afterwards is what answered it before.

    Torch's handler raises the death of a process wherever the main thread happens to be: in the middle of a checkpoint,
    or of the bar's last line. Without it the loader sees the death itself when the next batch is asked for.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread has handlers
        yield
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before)


def _deaths_named(batches: Iterator[Batch]) -> Iterator[Batch]:
    try:
        yield from batches
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        killed_while_sending = isinstance(error, ConnectionError | EOFError)
        socket_is_gone = isinstance(error, FileNotFoundError) and error.filename is None  # a file would have a name
        noticed = isinstance(error, RuntimeError) and "DataLoader worker" in str(error)
        if killed_while_sending or socket_is_gone or noticed:
            raise _death() from error
        raise


def _death() -> ModelError:
    return ModelError(
        "a process that prepares batches was killed",
        where="training",
        fix="give the machine more memory, or set workers = 0; the same command goes on from the last checkpoint",
    )


def _begin_worker(_worker: int) -> None:
    begin_process()
    # Ctrl-C reaches every process of the terminal; only the training loop may answer it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
