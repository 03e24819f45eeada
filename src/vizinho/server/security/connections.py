"""Connections below the requests: how many there may be, and how long each may take for the head of a request.

uvicorn leaves this to whoever runs it. Nothing limits the time for a head, one limit serves all addresses, and an
upgrade that the `websockets` library refuses (it parses the head a second time) is neither answered nor closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from vizinho.server.security.limits import Limits
from vizinho.server.security.metrics import Metrics

_NOBODY = asyncio.Protocol()  # takes every call and does nothing
# A refused client may still be sending; closing on unread bytes would reset the connection, and lose the answer.
_LINGER_SECONDS = 2.0
_NEW_SECONDS = 0.5
"""For so long a connection whose first bytes have not been read is no sign of a client that only holds it."""
_READ_BYTES = 16_384
"""At once: bytes that are dear to parse, such as a body in chunks of one byte, stop the loop for milliseconds."""
_REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    414: "URI Too Long",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class Connections:
    """All connections of a server. Those that wait for a request give way, the oldest first, when there are too many.

    So a client that holds connections open takes places from itself, or from others who only hold them too.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits, self._metrics = limits, metrics
        self._open: set[_Guard] = set()
        self._waiting: dict[str, dict[_Guard, None]] = {}  # by address; dictionaries, because sets forget the order
        self._heads: dict[str, deque[Callable[[], None]]] = {}  # that have come and are not read yet, by address
        self._reading = False  # whether one has been read in this turn of the loop
        metrics.connections.set_function(lambda: len(self._open))

    def protocol(self) -> Callable[..., asyncio.BaseProtocol]:
        """What uvicorn's option `http` takes."""
        return partial(_Guard, self)

    def add(self, connection: _Guard) -> bool:
        """Take a new connection in; False where every place is taken by a request that is being answered."""
        crowd = self._waiting.get(connection.address, {})
        if len(crowd) < self.limits.max_waiting_connections:
            full = len(self._open) >= self.limits.max_connections
            crowd = max(self._waiting.values(), key=len, default={}) if full else {}
            if full and not crowd:
                return False
        if crowd:
            # The oldest; one whose request waits to be read, or that has hardly come, only where there is no other.
            next((c for c in crowd if not c.unread and not c.new), next(iter(crowd))).give_way()
        self._open.add(connection)
        self.wait(connection)
        return True

    def wait(self, connection: _Guard) -> None:
        """No request is being answered on a connection."""
        if connection in self._open:
            self._waiting.setdefault(connection.address, {})[connection] = None

    def serve(self, connection: _Guard) -> None:
        """A request that was let in is being answered on a connection, so it no longer gives way."""
        crowd = self._waiting.get(connection.address, {})
        crowd.pop(connection, None)
        if not crowd:
            self._waiting.pop(connection.address, None)

    def remove(self, connection: _Guard) -> None:
        """A connection has ended."""
        self.serve(connection)
        self._open.discard(connection)

    def may_read(self, connection: _Guard, later: Callable[[], None]) -> bool:
        """Whether a head that comes is read at once; otherwise `later` is called when it is the connection's turn.

        One is read in a turn of the event loop, address by address: work that was begun goes on in between, and a crowd
        of connections makes nobody wait but itself.
        """
        if self._reading:
            self._heads.setdefault(connection.address, deque()).append(later)
            return False
        self._reading = True
        asyncio.get_running_loop().call_soon(self._next_head)
        return True

    def _next_head(self) -> None:
        self._reading = bool(self._heads)
        if self._reading:
            address = next(iter(self._heads))
            heads = self._heads.pop(address)
            read = heads.popleft()
            if heads:
                self._heads[address] = heads  # behind all other addresses
            asyncio.get_running_loop().call_soon(self._next_head)
            read()

    def count(self, code: str) -> None:
        """Count a refusal."""
        self._metrics.refusals.labels(code=code).inc()


class _Guard(asyncio.BufferedProtocol):
    """Stands between a transport and uvicorn's protocols, and watches whether bytes become requests.

    It knows of requests from the middleware, which finds it in the ASGI scope's state and enters `request()`. Such a
    request gives way as before until it `holds_its_place`: a client without a key can make as many as it likes.
    """

    _buffer = memoryview(bytearray(_READ_BYTES))  # of all: what is read into it is copied before the next read

    def __init__(
        self,
        connections: Connections,
        *,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._connections, self._limits = connections, connections.limits
        self._loop = _loop or asyncio.get_running_loop()
        state = {**app_state, "connection": self}
        # _NOBODY once it has been told that the connection is lost.
        self._protocol: Any = H11Protocol(config=config, server_state=server_state, app_state=state, _loop=self._loop)
        self._requests = 0  # two for a moment, where a client sends the next before it has the answer
        self._head_bytes = 0  # of a head that has not become a request yet
        self._head_lines = 0  # of it, that have come whole
        self.unread = False  # whether its bytes wait for their turn
        self._came = self._loop.time()
        self._upgraded = self._streamed = False  # a WebSocket protocol has taken over; it has brought a request
        self.closing = False  # the last answer is written
        self._send_until = 0.0  # a client that takes its time for that answer has time until then
        self._timer: asyncio.TimerHandle | None = None
        self.address = ""

    @property
    def new(self) -> bool:
        """Whether it has hardly come: its first bytes may be here, and the loop has not got to them."""
        return self._loop.time() - self._came < _NEW_SECONDS and not self.closing

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """While a request, or a stream, is being answered."""
        self._requests += 1
        self._head_bytes, self._head_lines, self._streamed = 0, 0, self._upgraded
        self._set_timer(None)
        try:
            yield
        finally:
            self._requests -= 1
            if not self._requests and not self.closing and not self._transport.is_closing():
                self._connections.wait(self)
                self._set_timer(self._limits.keep_alive_seconds)

    def holds_its_place(self) -> None:
        """The request that is being answered has been let in: it is counted, and limited, as its client's."""
        self._connections.serve(self)

    def may_give_way(self) -> None:
        """The request that is being answered has been refused: it needs no place of its own."""
        self._connections.wait(self)

    def give_way(self) -> None:
        """End a connection that waits, because others need its place."""
        self._connections.remove(self)
        if self._head_bytes and not self.closing and self._protocol is not _NOBODY:  # else idle, or it has its answer
            self._write(503, "OVERLOADED")
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self.address = _network(transport.get_extra_info("peername"))
        if not self._connections.add(self):
            self._protocol = _NOBODY
            self._write(503, "OVERLOADED")
            self._transport.close()
            return
        self._set_timer(self._limits.header_seconds)
        self._protocol.connection_made(_ForProtocols(transport, self))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go (asyncio)."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass bytes on, and see in the loop's next turn what has become of them (asyncio)."""
        if self._protocol is not _NOBODY and not self.closing:
            self._received(bytes(self._buffer[:nbytes]))

    def _received(self, data: bytes) -> None:
        begins = not self._requests and not self._head_bytes
        if not self._requests:
            if begins:
                self._set_timer(self._limits.header_seconds)
            self._head_bytes += len(data)
            self._head_lines += data.count(b"\n")
        if not begins or self._connections.may_read(self, partial(self._read_late, data)):
            self._pass_on(data)
        else:
            self.unread = True
            self._transport.pause_reading()  # what follows must not come before these bytes

    def _read_late(self, data: bytes) -> None:
        self.unread = False
        if self._protocol is not _NOBODY and not self.closing:
            self._transport.resume_reading()
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        self._protocol.data_received(data)
        if not self._requests:
            # uvicorn has made the request's task by now, and the loop runs that first.
            self._loop.call_soon(self._check_head)

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_timer(None)
        self._connections.remove(self)
        self._detach(exc)

    def take_over(self, protocol: asyncio.BaseProtocol) -> None:
        """A WebSocket protocol goes on instead of the HTTP protocol."""
        self._protocol, self._upgraded = protocol, True

    def _check_head(self) -> None:
        if self._requests or self._streamed or self._protocol is _NOBODY or self.closing:
            return
        if self._transport.is_closing():
            return
        if self._upgraded:  # the library has thrown the request away
            self._refuse(400, "BAD_UPGRADE")
        elif self._head_bytes > self._limits.max_head_bytes or self._head_lines > 2 * self._limits.max_headers:
            self._refuse(*((431, "HEADERS_TOO_LARGE") if self._head_lines else (414, "URL_TOO_LONG")))

    def _out_of_time(self) -> None:
        if self.closing and self._transport.get_write_buffer_size() and self._loop.time() < self._send_until:
            self._set_timer(_LINGER_SECONDS)
        elif self._head_bytes and not self.closing and not self._streamed and self._protocol is not _NOBODY:
            self._refuse(408, "TOO_SLOW")
        else:
            self._transport.abort()

    def _refuse(self, status: int, code: str) -> None:
        """Answer without uvicorn."""
        self._write(status, code)
        self._linger()
        self._detach(ConnectionAbortedError(code))

    def close(self) -> None:
        """The answer is written, and it is the last of this connection."""
        if self._upgraded:
            self._transport.close()  # WebSockets say goodbye in frames
        elif not self.closing:
            self.closing = True
            self._linger()

    def _linger(self) -> None:
        """Stop sending, and throw away unparsed what still comes until the client ends or time is up."""
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # the client has gone, and the transport does not know it yet
                self._transport.write_eof()
        self._transport.resume_reading()
        self._connections.wait(self)
        self._send_until = self._loop.time() + self._limits.send_seconds
        self._set_timer(_LINGER_SECONDS)

    def _write(self, status: int, code: str) -> None:
        self._connections.count(code)
        body = f'{{"err_code":"{code}","err_msg":"{_REASONS[status]}"}}'
        retry = "retry-after: 2\r\n" if status == 503 else ""
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n{retry}"
        self._transport.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode())

    def _detach(self, exc: Exception | None) -> None:
        protocol, self._protocol = self._protocol, _NOBODY
        protocol.connection_lost(exc)

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._out_of_time) if seconds is not None else None


class _ForProtocols:
    """A transport as uvicorn's protocols see it: whichever takes over does so behind the guard."""

    def __init__(self, transport: asyncio.BaseTransport, guard: _Guard) -> None:
        self._transport, self._guard = transport, guard

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._guard.take_over(protocol)

    def close(self) -> None:
        self._guard.close()

    def is_closing(self) -> bool:
        return self._guard.closing or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _network(peer: Any) -> str:
    """Whom a connection counts for: an IPv4 address, or the /64 of an IPv6 address, which one client has as a whole."""
    try:
        address = ipaddress.ip_address(peer[0].partition("%")[0])
    except (TypeError, ValueError, IndexError):
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
