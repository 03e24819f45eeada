"""Around every request: an id, limits for head and answer, headers that keep browsers careful, counts and times."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vizinho.server.security.limits import Limits
from vizinho.server.security.metrics import Metrics
from vizinho.server.security.refusals import Refusal

_HEADERS = {
    "content-security-policy": "default-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STARTS = ("http.response.start", "websocket.http.response.start", "websocket.accept")


def request_id_of(connection: HTTPConnection) -> str:
    """The id of a request, which its answer and the log name."""
    request_id: str = connection.scope.setdefault("state", {}).setdefault("request_id", str(uuid.uuid4()))
    return request_id


class Frame:
    """The outermost middleware. `refused` makes the answer to a refusal in the shape that the client reads."""

    def __init__(
        self, app: ASGIApp, limits: Limits, metrics: Metrics, refused: Callable[[HTTPConnection, Refusal], Response]
    ) -> None:
        self._app, self._limits, self._metrics, self._refused = app, limits, metrics, refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or stream (ASGI)."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0
        scope.setdefault("state", {}).pop("request_id", None)
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}  # the server leaves out the body itself
        connection = scope["state"].get("connection")
        body = _Body(scope, receive)

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] in _STARTS:
                status = int(message.get("status", 101))
                if status >= 400 and connection is not None:  # what is left is to be gone
                    connection.may_give_way()
                headers = dict(_HEADERS)
                if message["type"] == "http.response.start" and not body.ended:
                    headers["connection"] = "close"  # what is left of it is read and thrown away without a parser
                headers["dg-request-id"] = headers["x-request-id"] = request_id_of(HTTPConnection(scope))
                own = [(name.encode(), value.encode()) for name, value in headers.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                serving.close()  # before the client has the answer: what it sends next is the head of another request
            await asyncio.wait_for(send(message), self._limits.send_seconds)  # a client that reads nothing is dropped

        try:
            with contextlib.ExitStack() as serving:
                if connection is not None:
                    serving.enter_context(connection.request())
                refusal = self._head_refusal(scope)
                app = self._app if refusal is None else self._refused(HTTPConnection(scope), refusal)
                await app(scope, body.receive, framed)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(route=route, status=str(status)).inc()
            if scope["type"] == "http":
                self._metrics.request_seconds.labels(route=route).observe(time.monotonic() - began)

    def _head_refusal(self, scope: Scope) -> Refusal | None:
        """What is wrong with the size of a head that has come as a whole."""
        limits, headers = self._limits, scope["headers"]
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > limits.max_target_bytes:
            return Refusal(414, "URL_TOO_LONG", f"path and query are longer than {limits.max_target_bytes} bytes")
        if scope["query_string"].count(b"&") >= limits.max_parameters:
            return Refusal(400, "TOO_MANY_PARAMETERS", f"a query may have {limits.max_parameters} parameters")
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > limits.max_headers or size > limits.max_header_bytes:
            most = f"more than {limits.max_headers} headers, or than {limits.max_header_bytes} bytes of them"
            return Refusal(431, "HEADERS_TOO_LARGE", most)
        return None


class _Body:
    """A request's body, and whether it has come to its end, so that another request may follow."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self._receive = receive
        self.ended = not (headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            self.ended = True
        return message


def _route(scope: Scope) -> str:
    """The route's pattern, not the path: paths are what clients make up, and each would be a counter of its own."""
    route = scope.get("route")
    kind = "WS " if scope["type"] == "websocket" else ""
    return f"{kind}{route.path}" if route is not None else "none"
