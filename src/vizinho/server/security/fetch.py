"""Fetches audio that a request names by URL, from allowed hosts only and never from this network's inside."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from vizinho.server.security.refusals import Refusal, too_large

_CHUNK_BYTES = 65_536
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What may be fetched, how much and how long. Redirects are not followed: they could lead anywhere."""

    hosts: frozenset[str]
    """Names that a URL may have, as `host` (the scheme's own port) or `host:port`."""
    max_bytes: int
    allow_private: bool = False
    """Whether a name may mean an address that is not public."""
    seconds: float = 30.0
    """For everything, from the name's lookup to the last byte."""

    def fetch(self, url: str) -> bytes:
        """The body behind a URL. Blocks; call it in a thread. Raises Refusal.

        The name is looked up once and that very address is connected to, so that a name cannot mean a public address
        while it is checked and a private one afterwards.
        """
        parts, port = self._checked(url)
        host = str(parts.hostname)
        deadline = time.monotonic() + self.seconds
        address = self._address(host, port)
        connection = _Pinned(host, port, address, parts.scheme == "https", self.seconds)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={"Accept": "*/*", "User-Agent": "vizinho"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise Refusal(400, "REMOTE_REFUSED", f"the remote server answered {answer.status}", parameter="url")
            return self._read(answer, connection, deadline)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = "took too long" if isinstance(error, TimeoutError) else "could not be reached"
            raise Refusal(400, "REMOTE_FAILED", f"the remote server {reason}", parameter="url") from error
        finally:
            connection.close()

    def _checked(self, url: str) -> tuple[SplitResult, int]:
        """The parts of an allowed URL, and its port."""
        try:
            parts = urlsplit(url)
            usual = _PORTS[parts.scheme]
            port = parts.port or usual
        except (ValueError, KeyError):
            raise Refusal(400, "BAD_PARAMETER", "not an http or https URL", parameter="url") from None
        names = {f"{parts.hostname}:{port}", *([str(parts.hostname)] if port == usual else [])}
        if not names & self.hosts or parts.username is not None:
            raise _not_allowed()
        if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
            raise Refusal(400, "BAD_PARAMETER", "percent-encode the URL", parameter="url")
        return parts, port

    def _address(self, host: str, port: int) -> str:
        """One address of a name. All of them must be public: which one answers is not ours to choose."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Refusal(400, "REMOTE_FAILED", "the host's name is not known", parameter="url") from None
        addresses = [str(entry[4][0]) for entry in found]
        if not self.allow_private and not all(map(_is_public, addresses)):
            raise _not_allowed()
        return addresses[0]

    def _read(self, answer: http.client.HTTPResponse, connection: _Pinned, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if connection.sock is not None:
                connection.sock.settimeout(left)
            chunk = answer.read1(_CHUNK_BYTES)
            if not chunk:
                return b"".join(chunks)
            size += len(chunk)
            if size > self.max_bytes:
                raise too_large(f"the remote audio is larger than {self.max_bytes} bytes")
            chunks.append(chunk)


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was looked up before; certificates are still checked for the name."""

    def __init__(self, host: str, port: int, address: str, secure: bool, seconds: float) -> None:
        super().__init__(host, port, timeout=seconds)
        self._address, self._secure = address, secure

    def connect(self) -> None:
        """Connect to the pinned address."""
        self.sock = socket.create_connection((self._address, self.port), self.timeout)
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_global and not found.is_multicast


def _not_allowed() -> Refusal:
    return Refusal(400, "REMOTE_NOT_ALLOWED", "this server does not fetch from there", parameter="url")
