import socket
import threading
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
        self.send_response(200 if self.path.startswith("/audio") else 404)
        self.end_headers()
        self.wfile.write(b"x" * int(self.path.partition("?")[2] or 5))

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


def refused(made, url):
    with pytest.raises(Refusal) as error:
        made.fetch(url)
    return error.value


def test_an_allowed_host_is_fetched_from(remote):
    assert fetcher(f"127.0.0.1:{remote}").fetch(f"http://127.0.0.1:{remote}/audio?7") == b"x" * 7


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


def test_a_remote_that_trickles_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        ended = threading.Event()

        def trickle():
            connection, _ = listening.accept()
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while not ended.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    break
            connection.close()

        thread = threading.Thread(target=trickle)
        thread.start()
        error = refused(fetcher(f"127.0.0.1:{port}", seconds=0.5), f"http://127.0.0.1:{port}/audio")
        ended.set()
        thread.join()
    assert (error.code, "too long" in error.message) == ("REMOTE_FAILED", True)


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
