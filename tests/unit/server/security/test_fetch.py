import asyncio
import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vizinho.server.security.fetch import Fetcher, _is_public
from vizinho.server.security.refusals import Refusal


class Remote(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/secret")
            self.end_headers()
            return
        kind, _, number = self.path.partition("?")
        self.send_response(200 if kind.startswith("/audio") else 404)
        size = int(number or 5)
        if kind == "/audio_cut":
            self.send_header("Content-Length", str(size + 1))
        if kind == "/audio_cut_chunk":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n" % size if kind == "/audio_cut_chunk" else b"")
        self.wfile.write(b"x" * size)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def remote():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Remote)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def fetcher(*hosts, **options):
    return Fetcher(frozenset(hosts), **{"max_bytes": 100, "allow_private": True, "seconds": 5.0, **options})


def fetch(fetcher, url):
    return asyncio.run(fetcher.fetch(url))


def refused(fetcher, url):
    with pytest.raises(Refusal) as error:
        fetch(fetcher, url)
    return error.value


def test_an_allowed_host_is_fetched_from(remote):
    assert fetch(fetcher(f"127.0.0.1:{remote}"), f"http://127.0.0.1:{remote}/audio?7") == b"x" * 7


def test_private_addresses_are_refused_even_under_an_allowed_name(remote):
    made = fetcher(f"localhost:{remote}", allow_private=False)
    assert refused(made, f"http://localhost:{remote}/audio").code == "REMOTE_NOT_ALLOWED"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/audio",
        "http://localhost:{port}@127.0.0.1:{port}/audio",
        "http://user@localhost:{port}/audio",
        "http://localhost:1/audio",
        "http://localhost/audio",
        "ftp://localhost:{port}/audio",
        "file:///etc/passwd",
        "localhost:{port}/audio",
        "http://localhost:{port}/au dio",
        "http://localhost:{port}/\r\nHost: other",
        "http://localhost:99999/audio",
        "http://[::1/audio",
        "",
    ],
)
def test_other_hosts_ports_schemes_and_odd_urls_are_refused(remote, url):
    assert refused(fetcher(f"localhost:{remote}"), url.format(port=remote)).status == 400


def test_redirects_and_errors_are_not_followed(remote):
    for path in ("redirect", "missing"):
        assert refused(fetcher(f"127.0.0.1:{remote}"), f"http://127.0.0.1:{remote}/{path}").code == "REMOTE_REFUSED"


def test_too_much_is_not_read_to_its_end(remote):
    assert refused(fetcher(f"127.0.0.1:{remote}"), f"http://127.0.0.1:{remote}/audio?101").status == 413


@pytest.mark.parametrize("kind", ["audio_cut", "audio_cut_chunk"])
def test_a_body_that_breaks_off_is_not_taken_for_a_whole_one(remote, kind):
    error = refused(fetcher(f"127.0.0.1:{remote}"), f"http://127.0.0.1:{remote}/{kind}?50")
    assert (error.status, error.code) == (400, "REMOTE_FAILED")


@contextlib.contextmanager
def trickling(head: bytes):
    """A server that sends a head, then a byte every twentieth of a second for good, to as many as come."""
    ended = threading.Event()

    def trickle(connection):
        with contextlib.suppress(OSError), connection:
            connection.sendall(head)
            while not ended.wait(0.05):
                connection.sendall(b"x")

    def accept(listening):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=trickle, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 2", b""])
def test_a_remote_that_trickles_is_given_up_at_whatever_point(head):
    with trickling(head) as port:
        error = refused(fetcher(f"127.0.0.1:{port}", seconds=0.5), f"http://127.0.0.1:{port}/audio")
    assert error.code == "REMOTE_FAILED"
    assert "longer than 0.5 s" in error.message or head == b"", "without a status line it is no HTTP"


def test_fetches_that_trickle_do_not_hold_up_others(remote):
    async def both(port):
        slow = [
            asyncio.create_task(fetcher(f"127.0.0.1:{port}").fetch(f"http://127.0.0.1:{port}/audio")) for _ in range(50)
        ]
        began = time.monotonic()
        await asyncio.sleep(0.2)
        body = await fetcher(f"127.0.0.1:{remote}").fetch(f"http://127.0.0.1:{remote}/audio?9")
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return body, time.monotonic() - began

    with trickling(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        body, seconds = asyncio.run(both(port))
    assert body == b"x" * 9 and seconds < 4


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True),
    ],
)
def test_which_addresses_are_public(address, public):
    assert _is_public(address) is public


@pytest.mark.parametrize(
    "flood",
    [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"1\r\na\r\n"],
    ids=["heads", "chunks"],
)
def test_a_server_that_sends_little_but_framing_is_left_and_takes_nobodys_turn(flood):
    """What it sends is always there already, so that nothing would ever wait."""
    turns = []

    async def endless(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"" if flood.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(flood * 10_000)
                await writer.drain()

    async def others():
        while True:
            turns.append(None)
            await asyncio.sleep(0)

    async def talk():
        server = await asyncio.start_server(endless, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        work = asyncio.create_task(others())
        with pytest.raises(Refusal) as error:
            await fetcher(f"127.0.0.1:{port}", max_bytes=10**9, seconds=60.0).fetch(f"http://127.0.0.1:{port}/")
        work.cancel()
        server.close()
        return error.value

    assert "broke off" in asyncio.run(talk()).message
    assert len(turns) > 10
