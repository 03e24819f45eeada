"""Fetches audio from a URL and posts answers to one: allowed hosts only, and never this network's inside."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

import h11

from vizinho.server.security.refusals import Refusal, too_large

_CHUNK_BYTES = 16_384
_FRAMING_BYTES = 262_144
"""Of heads and chunks' lengths, besides as much as there is content: parsing them is what costs."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What may be asked for over HTTP, how much and how long. Redirects are not followed: they could lead anywhere."""

    hosts: frozenset[str]  # names that a URL may have, as `host` (the scheme's own port) or `host:port`
    max_bytes: int
    allow_private: bool = False  # whether a name may mean an address that is not public
    seconds: float = 30.0  # for everything, from the name's lookup to the last byte

    async def fetch(self, url: str, count: Callable[[int], None] = lambda _bytes: None) -> bytes:
        """The whole body behind a URL. Raises Refusal, also for a body that ends before its announced length.

        `count` is told of bytes as they come, and may refuse them.
        The name is looked up once and that very address is connected to, so that a name cannot mean a public address
        while it is checked and a private one afterwards.
        """
        return await self._asked(url, "GET", b"", {}, count)

    async def send(self, url: str, method: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a body to a URL, which must answer with 200 to 299. Raises Refusal."""
        await self._asked(url, method, body, headers, lambda _bytes: None)

    def check(self, url: str) -> None:
        """Raises Refusal for a URL that is none, or whose host is not allowed."""
        self._checked(url)

    async def _asked(
        self, url: str, method: str, body: bytes, headers: Mapping[str, str], count: Callable[[int], None]
    ) -> bytes:
        parts, port = self._checked(url)
        try:
            async with asyncio.timeout(self.seconds):
                address = await self._address(str(parts.hostname), port)
                return await self._body(parts, port, address, count, method, body, headers)
        except TimeoutError:
            raise _failed(f"took longer than {self.seconds:g} s") from None
        except h11.RemoteProtocolError as error:
            raise _failed("broke off, or does not speak HTTP") from error
        except (OSError, ValueError) as error:
            raise _failed("could not be reached") from error

    def _checked(self, url: str) -> tuple[SplitResult, int]:
        """The parts of an allowed URL, and its port."""
        try:
            parts = urlsplit(url)
            usual_port = _PORTS[parts.scheme]
            port = parts.port or usual_port
        except (ValueError, KeyError):
            raise Refusal(400, "BAD_PARAMETER", "not an http or https URL", parameter="url") from None
        names = {f"{parts.hostname}:{port}", *([str(parts.hostname)] if port == usual_port else [])}
        if not names & self.hosts or parts.username is not None:
            raise _not_allowed()
        if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
            # Line breaks would end the request line, and begin headers or a second request.
            raise Refusal(400, "BAD_PARAMETER", "percent-encode the URL", parameter="url")
        return parts, port

    async def _address(self, host: str, port: int) -> str:
        """One address of a name. All of them must be public: which one answers is not ours to choose."""
        try:
            entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Refusal(400, "REMOTE_FAILED", "the host's name is not known", parameter="url") from None
        addresses = [str(entry[4][0]) for entry in entries]
        if not self.allow_private and not all(map(_is_public, addresses)):
            raise _not_allowed()
        return addresses[0]

    async def _body(
        self,
        parts: SplitResult,
        port: int,
        address: str,
        count: Callable[[int], None],
        method: str,
        body: bytes,
        more_headers: Mapping[str, str],
    ) -> bytes:
        host = str(parts.hostname)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = [("Host", parts.netloc), ("Accept", "*/*"), ("User-Agent", "vizinho"), ("Connection", "close")]
        headers += [*more_headers.items(), *([("Content-Length", str(len(body)))] if body else [])]
        chunks: list[bytes] = []
        size = 0
        async with _connected(address, port, host if parts.scheme == "https" else None) as (reader, writer):
            connection = h11.Connection(h11.CLIENT)
            writer.write(connection.send(h11.Request(method=method, target=target, headers=headers)) or b"")
            if body:
                writer.write(connection.send(h11.Data(data=body)) or b"")
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            await writer.drain()
            async for event in _events(connection, reader):
                if isinstance(event, h11.Response) and not 200 <= event.status_code < (300 if body else 201):
                    message = f"the remote server answered {event.status_code}"
                    raise Refusal(400, "REMOTE_REFUSED", message, parameter="url")
                if isinstance(event, h11.Data):
                    chunks.append(bytes(event.data))
                    size += len(event.data)
                    if size > self.max_bytes:
                        raise too_large(f"the remote audio is larger than {self.max_bytes} bytes")
                    count(len(event.data))
        return b"".join(chunks)


@contextlib.asynccontextmanager
async def _connected(
    address: str, port: int, tls_name: str | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to an address that was looked up before; a certificate is checked for the name."""
    tls = ssl.create_default_context() if tls_name else None
    reader, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=tls_name)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()  # close() would wait for a peer that no longer matters


async def _events(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncIterator[Any]:
    """Events up to the end of the message.

    Raises h11.RemoteProtocolError for a peer that closes before the announced end, or sends heads without end.
    """
    came = content = 0
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if event is not h11.NEED_DATA:
            content += len(event.data) if isinstance(event, h11.Data) else 0
            yield event
            continue
        if came - content > _FRAMING_BYTES + content:
            raise h11.RemoteProtocolError("more framing than content")
        await asyncio.sleep(0)  # what has come already is read without a wait: others would get no turn
        data = await reader.read(_CHUNK_BYTES)
        came += len(data)
        connection.receive_data(data)


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(parsed, "ipv4_mapped", None)  # ::ffff:10.0.0.1 is as private as 10.0.0.1
    return (mapped or parsed).is_global and not parsed.is_multicast


def _failed(reason: str) -> Refusal:
    return Refusal(400, "REMOTE_FAILED", f"the remote server {reason}", parameter="url")


def _not_allowed() -> Refusal:
    return Refusal(400, "REMOTE_NOT_ALLOWED", "this server does not connect to there", parameter="url")
