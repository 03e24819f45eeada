"""A bounded queue that is fair between clients: each waits behind its own requests only."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from vizinho.server.security.refusals import overloaded

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items by client, taken client by client: one client's hundred files do not hold up another's first."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._by_client: dict[str, deque[T]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_client.values()))

    def put(self, client: str, item: T, *, retry_after_seconds: int = 1) -> None:
        """Wait in line. Raises Refusal 503 when `limit` items wait already, and no fewer of this client's than of all
        on average: those of a few clients must not keep the next one out.
        """
        own, others = self._by_client.get(client, ()), self._by_client.keys() - {client}
        if len(self) >= self.limit and len(own) >= self.limit // (len(others) + 1):
            raise overloaded(f"{self.limit} requests are waiting", retry_after_seconds)
        self._by_client.setdefault(client, deque()).append(item)

    def put_back(self, client: str, item: T) -> None:
        """Wait at the head of the client's line again; items that were accepted once are never refused."""
        self._by_client.setdefault(client, deque()).appendleft(item)

    def take(self) -> T | None:
        """The next item, or None; its client goes to the end of the round."""
        if not self._by_client:
            return None
        client = next(iter(self._by_client))
        items = self._by_client.pop(client)
        item = items.popleft()
        if items:
            self._by_client[client] = items
        return item

    def remove(self, client: str, item: T) -> bool:
        """Leave the line (the client went away); whether the item was still waiting."""
        items = self._by_client.get(client)
        if items is None or item not in items:
            return False
        items.remove(item)
        if not items:
            del self._by_client[client]
        return True
