"""Answers that are posted to an address of the client's when they are ready, again and again until it takes them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from vizinho.server.security.fetch import Fetcher
from vizinho.server.security.metrics import Metrics
from vizinho.server.security.refusals import Refusal, overloaded

SIGNATURE = "vizinho-signature"
log = logging.getLogger("vizinho.server")


@dataclass(slots=True)
class Callbacks:
    """Work whose answers go to an address; it outlives its request."""

    sender: Fetcher  # knows the hosts that may be called
    metrics: Metrics
    waits_seconds: Sequence[float] = (0.0, 1.0, 5.0, 30.0, 120.0)  # before each attempt
    most: int = 256  # answers that are worked on or wait to be taken
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def idle(self) -> bool:
        """Whether every answer has been taken or given up."""
        return not self._tasks

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do work after its request has been answered. Raises Refusal 503 where there is too much of it."""
        if len(self._tasks) >= self.most:
            work.close()
            raise overloaded("too many answers wait to be taken", 30)
        # The loop itself refers to its tasks weakly.
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def deliver(self, url: str, method: str, body: bytes, signature: str | None) -> None:
        """Send an answer until it is taken, with growing pauses; then it is given up, which the log says."""
        headers = {"Content-Type": "application/json"} | ({SIGNATURE: f"sha256={signature}"} if signature else {})
        for number, wait in enumerate(self.waits_seconds, start=1):
            await asyncio.sleep(wait)
            try:
                await self.sender.send(url, method, body, headers)
            except Refusal as refusal:
                self.metrics.refusals.labels(code="CALLBACK_FAILED").inc()
                log.warning("callback, attempt %d of %d: %s", number, len(self.waits_seconds), refusal.message)
            else:
                return
        log.error("a callback was given up after %d attempts", len(self.waits_seconds))
