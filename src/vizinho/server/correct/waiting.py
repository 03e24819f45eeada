"""Utterances that wait for somebody, in two orders; asking for the next one does not look at all of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

Order = Literal["least sure", "random"]
ORDERS: tuple[Order, ...] = get_args(Order)
Rank = tuple[float, ...]


class Waiting:
    """Sorted by rank for each order; an utterance that changes is moved, and nothing else is looked at."""

    def __init__(self, ranked: Iterable[tuple[str, dict[Order, Rank]]]) -> None:
        self._ranks = dict(ranked)
        self._sorted = {order: sorted((ranks[order], id_) for id_, ranks in self._ranks.items()) for order in ORDERS}

    def __len__(self) -> int:
        return len(self._ranks)

    def put(self, id_: str, ranks: dict[Order, Rank]) -> None:
        """Add an utterance, or move it to another rank."""
        if self._ranks.get(id_) == ranks:
            return
        self.remove(id_)
        self._ranks[id_] = ranks
        for order in ORDERS:
            insort(self._sorted[order], (ranks[order], id_))

    def remove(self, id_: str) -> None:
        """Take an utterance out, if it waits."""
        ranks = self._ranks.pop(id_, None)
        if ranks is None:
            return
        for order in ORDERS:
            ranked = self._sorted[order]
            del ranked[bisect_left(ranked, (ranks[order], id_))]

    def by(self, order: Order) -> Iterator[str]:
        """Ids in an order; stop before anything is put or removed."""
        return (id_ for _, id_ in self._sorted[order])
