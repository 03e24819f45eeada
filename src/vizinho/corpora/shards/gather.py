"""Gathers batches from shards: reads, decodes and labels their utterances, and sets aside what cannot be used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vizinho.audio.io import SAMPLE_RATE, Waveform, decode_audio, resample
from vizinho.corpora.batches import Example, Gathered, check_length
from vizinho.corpora.shards.index import Row, Shard, ShardIndex, read_rows
from vizinho.corpora.shards.plan import WINDOW_UTTERANCES, Picked, Places, ShardPlan
from vizinho.corpora.shards.tars import TarBytes
from vizinho.errors import CorpusError, VizinhoError
from vizinho.files import sha256
from vizinho.records import Utterance

MOST_EMPTY = 200
"""Batches in a row of which nothing can be used before training is given up."""

Prepare = Callable[[Utterance], Example | str]
"""An utterance with its labels, or why it cannot be trained on. May raise VizinhoError for the same."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Recordings that must not be trained on (those of dev and of pinned test sets), by size and SHA-256."""

    by_size: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, utterances: Iterable[Utterance]) -> Withheld:
        """Raises OSError for audio that is not there."""
        found: dict[int, set[str]] = {}
        for utterance in utterances:
            found.setdefault(utterance.audio.stat().st_size, set()).add(sha256(utterance.audio))
        return cls({size: frozenset(hashes) for size, hashes in found.items()})

    def has(self, audio: bytes) -> bool:
        """Whether these are the bytes of such a recording; only those of equal size are hashed."""
        return len(audio) in self.by_size and hashlib.sha256(audio).hexdigest() in self.by_size[len(audio)]


@dataclass(frozen=True, slots=True)
class ShardedExamples:
    """The examples of one or several sharded corpora, none of them in memory."""

    indexes: tuple[ShardIndex, ...]
    prepare: Prepare
    withheld: Withheld = Withheld()
    window_utterances: int = WINDOW_UTTERANCES

    def gather(self, batch_seconds: float, seed: int, places: Path | None = None) -> GatherShards:
        """Batches of at most `batch_seconds` of padded audio; `places` is a file that saves time when going on."""
        return GatherShards(self, batch_seconds, seed, places)


class GatherShards:
    """A function from batch numbers to their contents (see `batches.Gather`), over shards on disk.

    What cannot be used drops out of its batch and is named in it. A batch of which nothing is left borrows from the
    next ones, so that no step of a run is without audio.
    """

    def __init__(self, examples: ShardedExamples, batch_seconds: float, seed: int, places: Path | None) -> None:
        self._examples = examples
        self._shards = [(index, shard) for index in examples.indexes for shard in index.shards]
        self._bytes = TarBytes()
        self._lost: dict[int, str] = {}
        self._plan = ShardPlan(
            [shard.utterances for _, shard in self._shards],
            self._rows,
            batch_seconds,
            seed,
            window_utterances=examples.window_utterances,
            places=Places(places),
        )
        self._unsaid: list[tuple[str, str]] = []

    def __call__(self, number: int) -> Gathered:
        """Raises CorpusError when nothing can be used of many batches in a row."""
        broken: list[tuple[str, str]] = []
        epoch, picked = self._plan(number)
        for ahead in range(MOST_EMPTY):
            taken = [t for t in (self._take(p, broken) for p in picked) if t is not None]
            if taken:
                broken += self._unsaid
                self._unsaid = []
                return Gathered(epoch, [e for e, _ in taken], [s for _, s in taken], tuple(dict.fromkeys(broken)))
            picked = self._plan(number + ahead + 1)[1]
        raise CorpusError(
            f"of {MOST_EMPTY} batches in a row no utterance can be trained on; {broken[0][0]}: {broken[0][1]}",
            where=self._shards[0][0].folder,
            fix="look at the shards and their texts",
        )

    def _take(self, picked: Picked, broken: list[tuple[str, str]]) -> tuple[Example, Waveform] | None:
        number, row = picked
        index, shard = self._shards[number]
        if number in self._lost:
            broken.append((_name(index, shard), self._lost[number]))
            return None
        try:
            made = self._read(index, shard, row)
        except CorpusError as error:
            self._lost[number] = f"{error.what}: its {shard.utterances} utterances are left out"
            return self._take(picked, broken)
        except VizinhoError as error:
            made = error.what
        if isinstance(made, str):
            broken.append((row.id, made))
            return None
        return made

    def _read(self, index: ShardIndex, shard: Shard, row: Row) -> tuple[Example, Waveform] | str:
        audio = self._bytes(index.tar(shard), row)
        if self._examples.withheld.has(audio):
            return "a recording of dev or of the pinned test set"
        utterance = index.utterance(shard, row)
        samples = resample(*decode_audio(audio, row.id), SAMPLE_RATE)
        seconds = samples.size / SAMPLE_RATE
        check_length(utterance, seconds)
        made = self._examples.prepare(replace(utterance, duration_seconds=seconds))
        return made if isinstance(made, str) else (made, samples)

    def _rows(self, number: int) -> Sequence[Row]:
        index, shard = self._shards[number]
        try:
            return read_rows(index.folder / shard.rows, shard.rows_sha256)
        except CorpusError as error:
            self._unsaid.append((_name(index, shard), f"{error.what}: its {shard.utterances} utterances are left out"))
            return ()


def _name(index: ShardIndex, shard: Shard) -> str:
    return str(index.folder / shard.rows)
