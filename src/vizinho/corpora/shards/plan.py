"""The endless sequence of batches over shards: a function of (seed, number) that holds one window of rows in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vizinho.corpora.batches import cut_batches
from vizinho.corpora.shards.index import Row
from vizinho.errors import CorpusError

WINDOW_UTTERANCES = 8192  # rows that are shuffled together: whole shards are added up to about this number
_REMEMBERED = 4  # places kept in memory, so that going back a little is as cheap as going on

Rows = Callable[[int], Sequence[Row]]
"""Rows of a shard by its number; none where the shard is lost."""


@dataclass(frozen=True, slots=True)
class Place:
    """Batch `first` is the first batch of a window of an epoch."""

    first: int = 0
    epoch: int = 0
    window: int = 0


class Places:
    """Where windows begin, in a file beside a run's checkpoints, so that a resumed run need not count from batch 0.

    The file only saves time: without it a place is found by counting. Any number of processes may write to it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = self.before(2**62)

    def before(self, number: int) -> Place:
        """The last known place whose batch is not after `number`."""
        return max((p for p in self._read() if p.first <= number), key=lambda p: p.first, default=Place())

    def note(self, place: Place) -> None:
        """Write down a place that is farther than any before."""
        if self._path is None or place.first <= self._last.first:
            return
        self._last = place
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(place)) + "\n")

    def _read(self) -> Iterator[Place]:
        if self._path is None or not self._path.is_file():
            return
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                try:
                    yield Place(**json.loads(line))
                except (ValueError, TypeError):  # a line that a kill cut off
                    continue


class ShardPlan:
    """Batch n is always the same rows.

    Each epoch shuffles the shards and cuts their order into windows of about `window_utterances`; the rows of a window
    are shuffled and cut into batches as `BatchPlan` cuts a whole corpus. Every row is in one batch of every epoch.
    """

    def __init__(
        self,
        counts: Sequence[int],
        rows: Rows,
        batch_seconds: float,
        seed: int,
        *,
        window_utterances: int = WINDOW_UTTERANCES,
        places: Places | None = None,
    ) -> None:
        if not sum(counts):
            raise CorpusError("no utterances to train on", fix="check the shards")
        self._counts, self._rows = counts, rows
        self._batch_seconds, self._seed, self._window_utterances = batch_seconds, seed, window_utterances
        self._places = places or Places(None)
        self._known = [Place()]
        self._place: Place | None = None
        self._windows: tuple[int, list[list[int]]] = (-1, [])
        self._pairs: list[tuple[int, Row]] = []  # (number of a shard, row) of the window that is open
        self._batches: list[list[int]] = []  # its batches, as positions in `_pairs`

    def __call__(self, number: int) -> tuple[int, list[tuple[int, Row]]]:
        """Epoch of batch `number`, and its rows, each with the number of its shard. Cheap when called in rising order.

        Raises CorpusError when no shard can be read.
        """
        if self._place is None or number < self._place.first:
            known = [*self._known, self._places.before(number)]
            self._enter(max((p for p in known if p.first <= number), key=lambda p: p.first))
        place = self._place
        assert place is not None
        empty = 0  # windows in a row of which every shard is lost
        while number >= place.first + len(self._batches):
            empty = 0 if self._batches else empty + 1
            if empty > len(self._counts):
                raise CorpusError("no shard can be read any more", where="shards", fix="bring the shards back")
            place = self._enter(self._after(place))
        return place.epoch, [self._pairs[i] for i in self._batches[number - place.first]]

    def _after(self, place: Place) -> Place:
        first = place.first + len(self._batches)
        last = place.window + 1 == len(self._windows_of(place.epoch))
        return Place(first, place.epoch + 1, 0) if last else Place(first, place.epoch, place.window + 1)

    def _enter(self, place: Place) -> Place:
        shards = self._windows_of(place.epoch)[place.window]
        self._pairs = [(shard, row) for shard in shards for row in self._rows(shard)]
        durations = np.asarray([row.duration for _, row in self._pairs], dtype=np.float64)
        # The last number only keeps this stream apart from that of `_windows_of`.
        rng = np.random.default_rng([self._seed, place.epoch, place.window, 11])
        self._batches = cut_batches(durations, self._batch_seconds, rng) if self._pairs else []
        self._place = place
        self._known = [Place(), *(p for p in self._known[1 - _REMEMBERED :] if p != Place()), place]
        self._places.note(place)
        return place

    def _windows_of(self, epoch: int) -> list[list[int]]:
        """Numbers of the shards of each window of an epoch."""
        if self._windows[0] != epoch:
            rng = np.random.default_rng([self._seed, epoch, 7])
            windows: list[list[int]] = [[]]
            utterances = 0  # in the last window
            for shard in rng.permutation(len(self._counts)).tolist():
                if windows[-1] and utterances + self._counts[shard] > self._window_utterances:
                    windows.append([])
                    utterances = 0
                windows[-1].append(shard)
                utterances += self._counts[shard]
            self._windows = (epoch, windows)
        return self._windows[1]
