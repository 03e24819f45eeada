"""The batches of shards on disk: reads, decodes and labels their utterances, and skips what cannot be used."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vizinho.audio.io import SAMPLE_RATE, Waveform, decode_audio, resample
from vizinho.corpora.batches import BatchAudio, Example, check_length
from vizinho.corpora.shards.index import Row, Shard, ShardIndex, read_rows
from vizinho.corpora.shards.plan import WINDOW_UTTERANCES, Places, ShardPlan
from vizinho.corpora.shards.tars import TarBytes
from vizinho.errors import CorpusError, VizinhoError
from vizinho.files import sha256
from vizinho.records import Utterance

MOST_EMPTY = 200  # batches in a row without anything usable before training stops

Prepare = Callable[[Utterance], Example | str]
"""An utterance with its labels, or why it cannot be trained on. May raise VizinhoError with the same meaning."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Recordings that must not be trained on (those of dev and of pinned test sets), by size and SHA-256."""

    by_size: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, utterances: Iterable[Utterance]) -> Withheld:
        """Raises OSError for audio that is missing."""
        hashes: dict[int, set[str]] = defaultdict(set)
        for utterance in utterances:
            hashes[utterance.audio.stat().st_size].add(sha256(utterance.audio))
        return cls({size: frozenset(of_size) for size, of_size in hashes.items()})

    def has(self, audio: bytes) -> bool:
        """Whether these are the bytes of such a recording."""
        # Hashing every recording of an epoch would cost more than decoding it, so sizes are compared first.
        return len(audio) in self.by_size and hashlib.sha256(audio).hexdigest() in self.by_size[len(audio)]


@dataclass(frozen=True, slots=True)
class ShardedExamples:
    """The examples of one or several sharded corpora, none of them in memory."""

    indexes: tuple[ShardIndex, ...]
    prepare: Prepare
    withheld: Withheld = Withheld()
    window_utterances: int = WINDOW_UTTERANCES

    def source(self, batch_seconds: float, seed: int, places: Path | None = None) -> ShardSource:
        """Batches of at most `batch_seconds` of padded audio; the file `places` makes resuming faster."""
        return ShardSource(self, batch_seconds, seed, places)


class ShardSource:
    """The batches of shards (a `batches.BatchSource`).

    What cannot be used is left out of its batch and named in it. A batch of which nothing is left borrows from the
    next ones, so that no step of a run is without audio.
    """

    def __init__(self, examples: ShardedExamples, batch_seconds: float, seed: int, places: Path | None) -> None:
        self._examples = examples
        self._shards = [(index, shard) for index in examples.indexes for shard in index.shards]
        self._bytes = TarBytes()
        self._lost: dict[int, str] = {}  # number of a shard whose tar cannot be read -> why
        self._unreported: list[tuple[str, str]] = []  # shards whose rows cannot be read, until a batch names them
        self._plan = ShardPlan(
            [shard.utterances for _, shard in self._shards],
            self._rows,
            batch_seconds,
            seed,
            window_utterances=examples.window_utterances,
            places=Places(places),
        )

    def __call__(self, number: int) -> BatchAudio:
        """Raises CorpusError when nothing can be used of many batches in a row."""
        broken: list[tuple[str, str]] = []
        epoch, rows = self._plan(number)
        for ahead in range(MOST_EMPTY):
            usable = [pair for pair in (self._take(shard, row, broken) for shard, row in rows) if pair is not None]
            if usable:
                broken += self._unreported
                self._unreported = []
                examples, samples = [e for e, _ in usable], [s for _, s in usable]
                return BatchAudio(epoch, examples, samples, tuple(dict.fromkeys(broken)))
            rows = self._plan(number + ahead + 1)[1]
        raise CorpusError(
            f"of {MOST_EMPTY} batches in a row no utterance can be trained on; {broken[0][0]}: {broken[0][1]}",
            where=self._shards[0][0].folder,
            fix="look at the shards and their texts",
        )

    def _take(self, number: int, row: Row, broken: list[tuple[str, str]]) -> tuple[Example, Waveform] | None:
        """An example with its samples (N,), or None: then `broken` names it."""
        index, shard = self._shards[number]
        if number not in self._lost:
            try:
                example = self._read(index, shard, row)
            except CorpusError as error:  # the tar itself: all of the shard is lost, which one line says
                self._lost[number] = f"{error.what}: its {shard.utterances} utterances are left out"
            except VizinhoError as error:
                example = error.what
        if number in self._lost:
            broken.append((_name(index, shard), self._lost[number]))
            return None
        if isinstance(example, str):
            broken.append((row.id, example))
            return None
        return example

    def _read(self, index: ShardIndex, shard: Shard, row: Row) -> tuple[Example, Waveform] | str:
        audio = self._bytes(index.tar(shard), row)
        if self._examples.withheld.has(audio):
            return "a recording of dev or of the pinned test set"
        utterance = index.utterance(shard, row)
        samples = resample(*decode_audio(audio, row.id), SAMPLE_RATE)
        seconds = samples.size / SAMPLE_RATE
        check_length(utterance, seconds)
        example = self._examples.prepare(replace(utterance, duration_seconds=seconds))
        return example if isinstance(example, str) else (example, samples)

    def _rows(self, number: int) -> Sequence[Row]:
        index, shard = self._shards[number]
        try:
            return read_rows(index.folder / shard.rows, shard.rows_sha256)
        except CorpusError as error:
            why = f"{error.what}: its {shard.utterances} utterances are left out"
            self._unreported.append((_name(index, shard), why))
            return ()


def _name(index: ShardIndex, shard: Shard) -> str:
    return str(index.folder / shard.rows)
