"""How much one request, one client and all of them together may ask for."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from vizinho.server.security.refusals import Refusal, overloaded, too_large, too_many


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a server; the options of `vizinho serve` set the most used ones."""

    max_body_bytes: int = 100_000_000  # of one recording, however it is sent
    max_json_bytes: int = 65_536  # JSON that names a recording, and a stream's text messages
    max_form_bytes: int = 12_000_000  # what a form may have besides its file: voices of four people
    max_audio_seconds: float = 4 * 3600.0  # of one recording
    max_memory_bytes: int = 500_000_000  # bodies of all requests that wait or are worked on
    max_waiting: int = 64  # requests that wait for a worker
    max_requests_per_client: int = 32  # waiting or worked on, of one key, or of one address where there are no keys
    requests_per_minute: int = 600  # of one client; a burst of a tenth of it at once is let through
    max_streams: int = 64
    max_streams_per_client: int = 32
    late_seconds: float = 0.6  # a worker whose streams' audio waits longer takes no new stream
    max_stream_seconds: float = 4 * 3600.0  # audio of one stream
    max_message_bytes: int = 1_000_000  # one message of a stream
    max_connections: int = 512
    max_waiting_connections: int = 128  # of one address, without a request; the oldest gives way to a new one
    max_target_bytes: int = 72_000  # path and query of a request: a hundred long keyterms in percent signs are 64 kB
    max_header_bytes: int = 32_768  # all headers of a request
    max_headers: int = 100
    max_parameters: int = 1000  # in a query
    max_channels: int = 8
    header_seconds: float = 12.0  # a connection must have sent the head of a request by then
    keep_alive_seconds: float = 30.0  # longest pause between two requests of one connection
    body_idle_seconds: float = 12.0  # longest pause within a body
    body_seconds: float = 600.0  # longest time for a whole body
    send_seconds: float = 30.0  # a client must take what it is sent by then
    silent_stream_seconds: float = 12.0  # neither audio nor KeepAlive: the stream is closed (Deepgram: after 10 s)
    idle_session_seconds: float = 600.0  # a realtime session without events is closed
    job_seconds: float = 600.0  # a worker busy with one request for longer than this is killed
    settled_seconds: float = 30.0  # no worker has lived this long: recordings wait for one this long, no longer
    load_seconds: float = 180.0  # a new worker must be ready by then
    worker_bytes: int = 4_000_000_000  # a worker whose resident memory passes this is killed
    drain_seconds: float = 30.0  # after SIGTERM, requests and streams may go on for this long

    @property
    def max_head_bytes(self) -> int:
        """A head that is longer is not waited for."""
        return self.max_target_bytes + self.max_header_bytes


class InUse(Counter[str]):
    """What clients use of something that is limited: bytes in memory, streams, requests.

    Taking and giving back happen in the server's one event loop, so there is no lock.
    """

    def give_back(self, client: str, amount: int = 1) -> None:
        """Count `amount` less; clients that use nothing are forgotten."""
        self[client] -= amount
        if self[client] <= 0:
            del self[client]


@dataclass(slots=True)
class Rate:
    """Token buckets, one per client: `per_minute` requests a minute, at most `burst` at once."""

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)  # client to (tokens, when they were counted)

    @property
    def burst(self) -> float:
        """Requests that are let through at once."""
        return max(1.0, self.per_minute / 10)

    def take(self, client: str) -> None:
        """Let one request through. Raises Refusal 429 with the time after which one more is allowed."""
        now, per_second = self.clock(), self.per_minute / 60
        tokens, since = self._buckets.get(client, (self.burst, now))
        tokens = min(self.burst, tokens + (now - since) * per_second)
        if tokens < 1:
            self._buckets[client] = (tokens, now)
            wait_seconds = max(1, math.ceil((1 - tokens) / per_second))
            raise too_many(f"more than {self.per_minute} requests a minute", wait_seconds)
        self._buckets[client] = (tokens - 1, now)
        if len(self._buckets) > 10_000:
            self._forget_full(now, per_second)

    def _forget_full(self, now: float, per_second: float) -> None:
        """Clients whose bucket has filled up again are as good as new."""
        self._buckets = {
            client: (tokens, since)
            for client, (tokens, since) in self._buckets.items()
            if tokens + (now - since) * per_second < self.burst
        }


class Admission:
    """Decides who is let in: rate, requests and streams of one client and of all, bytes in memory."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic, clients: int = 1) -> None:
        """`clients` is how many there may be, where that is known.

        Half of all streams, requests and memory is kept for them in equal shares, and the other half is for whoever
        comes, so that no client can shut the others out.
        """
        self.limits, self._clients = limits, clients
        self.rate = Rate(limits.requests_per_minute, clock)
        self.requests, self.streams, self.body_bytes = InUse(), InUse(), InUse()
        self.draining = False

    def request(self, client: str) -> None:
        """One more request of a client; `requests.give_back` ends it. Raises Refusal 429 or 503."""
        self._open()
        self.rate.take(client)
        if self.requests[client] >= self.limits.max_requests_per_client:
            raise too_many(f"{self.limits.max_requests_per_client} requests of this client are being worked on", 1)
        most = self.limits.max_waiting + self.limits.max_requests_per_client
        if self.requests.total() >= most:
            raise overloaded("too many requests at once", 1)
        if self._takes_from_others(self.requests, most, client):
            raise too_many("the requests that are left are kept for other clients", 1)
        self.requests[client] += 1

    def stream(self, client: str) -> None:
        """One more stream of a client; `streams.give_back` ends it. Raises Refusal 429 or 503."""
        self._open()
        self.rate.take(client)
        if self.streams[client] >= self.limits.max_streams_per_client:
            raise too_many(f"{self.limits.max_streams_per_client} streams of this client are open", 5)
        if self.streams.total() >= self.limits.max_streams:
            raise overloaded(f"{self.limits.max_streams} streams are open", 5)
        if self._takes_from_others(self.streams, self.limits.max_streams, client):
            raise too_many("the streams that are left are kept for other clients", 5)
        self.streams[client] += 1

    def _takes_from_others(self, used: InUse, most: int, client: str, more: int = 1) -> bool:
        """Whether `more` of what there are `most` of would come out of the shares that are kept for other clients."""
        share = most // (2 * self._clients) if self._clients > 1 else 0
        if used[client] + more <= share:
            return False
        others = [count for other, count in used.items() if other != client]
        # Clients are known by number, not by name: those that use nothing are counted by what is missing.
        silent = max(0, self._clients - 1 - len(others))
        reserved = sum(max(0, share - count) for count in others) + silent * share
        return used.total() + more + reserved > most

    def body(self, client: str, already: int, more: int, limit: int | None = None) -> None:
        """`more` bytes of a body of which `already` are here; `body_bytes` counts them. Raises Refusal."""
        limit = self.limits.max_body_bytes if limit is None else limit
        if already + more > limit:
            raise too_large(f"the body is larger than {limit} bytes")
        if self.body_bytes.total() + more > self.limits.max_memory_bytes:
            raise overloaded("too much audio is waiting", 2)
        if self._takes_from_others(self.body_bytes, self.limits.max_memory_bytes, client, more):
            raise too_many("the memory that is left is kept for other clients' audio", 2)
        self.body_bytes[client] += more

    def _open(self) -> None:
        if self.draining:
            raise draining()


def draining() -> Refusal:
    """The server is about to stop; another replica, or this one in a moment, will answer."""
    return Refusal(503, "DRAINING", "the server is stopping", retry_after_seconds=5)
