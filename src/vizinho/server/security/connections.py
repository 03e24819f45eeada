"""Connections before and around requests: how many, how long for a head, how long for an answer to be taken."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import h11
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from vizinho.server.security.admission import request_id_of
from vizinho.server.security.limits import Limits
from vizinho.server.security.metrics import Metrics

_HEADERS = {
    "content-security-policy": "default-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def protocol(limits: Limits) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 protocol, but a connection that does not send the head of a request in time is closed.

    Without it, connections that send a byte now and then would hold places for good.
    """

    class PatientProtocol(H11Protocol):  # type: ignore[misc]
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            if len(self.connections) > limits.max_connections:
                transport.write(_FULL)
                transport.close()
                return
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._unwatch()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            self._unwatch()
            super().handle_websocket_upgrade(event)

        def _watch(self) -> None:
            """A deadline stands from the first byte of a head (or the connection's start) to the head's end."""
            waiting = self.conn.their_state is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
            if not waiting:
                self._unwatch()
            elif self._deadline is None and self.transport.get_protocol() is self:
                self._deadline = self.loop.call_later(limits.header_seconds, self.transport.abort)

        def _unwatch(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return PatientProtocol


class Frame:
    """Around every request: an id, headers that keep browsers careful, a limit for sending, counts and times."""

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics) -> None:
        self._app, self._limits, self._metrics = app, limits, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or stream (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0
        scope.setdefault("state", {}).pop("request_id", None)
        headers = {**_HEADERS, "dg-request-id": "", "x-request-id": ""}

        body = _Body(scope, receive)

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                await body.discard()
            if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
                status = int(message.get("status", 101))
                headers["dg-request-id"] = headers["x-request-id"] = request_id_of(HTTPConnection(scope))
                own = [(name.encode(), value.encode()) for name, value in headers.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await asyncio.wait_for(send(message), self._limits.send_seconds)

        try:
            await self._app(scope, body.receive, framed)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(route=route, status=str(status)).inc()
            if scope["type"] == "http":
                self._metrics.request_seconds.labels(route=route).observe(time.monotonic() - began)


class _Body:
    """A request's body. What is left of it when the answer is known is read and thrown away, within limits.

    A connection that is closed on unread data is reset, and the client would see that instead of the answer.
    """

    _DISCARD_BYTES, _DISCARD_SECONDS = 64_000_000, 2.0

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope.get("headers", ()))
        self._receive, self._asked = receive, False
        self._ended = not (headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers)
        self._waits = b"expect" in headers

    async def receive(self) -> Message:
        self._asked = True
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            self._ended = True
        return message

    async def discard(self) -> None:
        """Read the rest, but not what a client only sends after a 100-continue that it has not been given."""
        if self._ended or (self._waits and not self._asked):
            return
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._DISCARD_SECONDS):
                while not self._ended and size < self._DISCARD_BYTES:
                    size += len((await self.receive()).get("body", b""))


def _route(scope: Scope) -> str:
    """The route's pattern, not the path: paths are what clients make up, and each would be a counter of its own."""
    found: Any = scope.get("route")
    kind = "WS " if scope["type"] == "websocket" else ""
    return f"{kind}{found.path}" if found is not None else "none"
