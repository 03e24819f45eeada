"""One request from its admission to its answer: who asks, what it has in memory, how its body is read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from starlette.requests import ClientDisconnect, HTTPConnection

from vizinho.server.catalog import Catalog
from vizinho.server.security.callbacks import Callbacks
from vizinho.server.security.fetch import Fetcher
from vizinho.server.security.frame import request_id_of
from vizinho.server.security.keys import Keys, key_of, same_origin
from vizinho.server.security.limits import Admission, Limits
from vizinho.server.security.metrics import Metrics
from vizinho.server.security.refusals import Refusal, too_large
from vizinho.server.workers.pool import Pool
from vizinho.store.store import Store

if TYPE_CHECKING:
    from vizinho.server.correct.desk import Desk
    from vizinho.text_models.punctuation import Punctuation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that requests share."""

    keys: Keys
    limits: Limits
    catalog: Catalog
    pool: Pool
    metrics: Metrics
    admission: Admission
    fetcher: Fetcher | None = None  # fetches {"url": ...} bodies; None where that is off
    store: Store = field(default_factory=Store)
    desk: Desk | None = None  # the corpus that people correct; None where that is off
    profane: frozenset[str] | None = None  # words that profanity_filter masks; None where there is no list
    wyoming: int | None = None  # port of the Wyoming protocol; None where that is off
    callbacks: Callbacks | None = None  # answers that are sent to addresses of clients; None where that is off
    punctuation: Mapping[str, Punctuation] = field(default_factory=dict)  # taggers of text by language
    finish_streams: asyncio.Event = field(default_factory=asyncio.Event)  # set when open streams must come to their end


@dataclass(slots=True)
class AdmittedRequest:
    """A request that was let in."""

    service: Service
    client: str
    request_id: str
    body_bytes: int = 0

    def take_bytes(self, more: int, limit: int | None = None) -> None:
        """Count bytes of this request's body. Raises Refusal 413 beyond `limit`, 503 where all bodies are too many."""
        self.service.admission.body(self.client, self.body_bytes, more, limit)
        self.body_bytes += more

    def end(self) -> None:
        """Give back what was taken."""
        self.service.admission.body_bytes.give_back(self.client, self.body_bytes)
        self.service.admission.requests.give_back(self.client)


def service_of(connection: HTTPConnection) -> Service:
    """The service of the app that a request came to."""
    service: Service = connection.app.state.service
    return service


def authenticate(connection: HTTPConnection) -> str:
    """The client's name. Raises Refusal 401, or 403 for another site's page that uses a server without keys."""
    service, headers = service_of(connection), connection.headers
    # A browser cannot set headers on a WebSocket, so its key comes as a subprotocol.
    subprotocols = [p.strip() for p in headers.get("sec-websocket-protocol", "").split(",") if p.strip()]
    if not service.keys.required and not same_origin(headers.get("origin"), headers.get("host")):
        raise Refusal(403, "FOREIGN_PAGE", "a server without keys answers programs and pages of this machine only")
    client = service.keys.client(key_of(headers.get("authorization"), subprotocols))
    if service.keys.required:
        return client
    return connection.client.host if connection.client else client


def hold_place(connection: HTTPConnection) -> None:
    """The connection of a request or stream that was let in, and counted, gives way to no other."""
    if (guard := connection.scope["state"].get("connection")) is not None:
        guard.holds_its_place()


_SCHEME = APIKeyHeader(name="Authorization", description="`Token KEY` or `Bearer KEY`", auto_error=False)


async def known_client(request: Request, _: Annotated[str | None, Security(_SCHEME)] = None) -> str:
    """Dependency: a client with a key. Raises Refusal."""
    return authenticate(request)


async def admit(request: Request, client: Annotated[str, Depends(known_client)]) -> AsyncIterator[AdmittedRequest]:
    """Dependency: a client with a key and within its limits; everything taken is given back after the answer."""
    service = service_of(request)
    service.admission.request(client)
    hold_place(request)
    admitted = AdmittedRequest(service, client, request_id_of(request))
    try:
        yield admitted
    finally:
        admitted.end()


Client = Annotated[str, Depends(known_client)]
Admitted = Annotated[AdmittedRequest, Depends(admit)]


async def read_body(request: Request, admitted: AdmittedRequest, limit: int | None = None) -> bytes:
    """The whole body, of at most `limit` bytes where its kind is smaller than recordings.

    Raises Refusal for one that is too large (413), too slow (408) or incomplete (400).
    """
    limits = admitted.service.limits
    limit = limits.max_body_bytes if limit is None else limit
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise too_large(f"the body is larger than {limit} bytes")
    chunks: list[bytes] = []
    stream = request.stream()
    try:
        async with asyncio.timeout(limits.body_seconds):
            while chunk := await asyncio.wait_for(_next(stream), limits.body_idle_seconds):
                admitted.take_bytes(len(chunk), limit)
                chunks.append(chunk)
    except TimeoutError:
        raise Refusal(408, "TOO_SLOW", "the body came too slowly") from None  # pauses or as a whole
    except ClientDisconnect:
        raise Refusal(400, "INCOMPLETE", "the body ended early") from None
    return b"".join(chunks)


async def _next(stream: AsyncIterator[bytes]) -> bytes:
    async for chunk in stream:
        if chunk:
            return chunk
    return b""


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of work on a request whose body has been read; the work is dropped when the client goes away."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refusal(499, "CLIENT_GONE", "the client went away")  # nginx's number; nobody reads the answer
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
