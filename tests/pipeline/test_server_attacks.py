"""What a peer without a key may try: heads without end, heads too large, upgrades that nobody can read, all at once."""

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import KEY, SENTENCE, linear16, running, speech, wav
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.pipeline
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
PATIENCE = 3


@pytest.fixture(scope="module")
def guarded(server_home, tmp_path_factory):
    log = tmp_path_factory.mktemp("guarded") / "log.txt"
    options = ["--workers", "1", "--patience", str(PATIENCE), "--requests-per-minute", "6000"]
    with running(*options, "es-demo", home=server_home, log=log) as started:
        yield started
        assert "Traceback" not in log.read_text(), log.read_text()


def send(server, data: bytes) -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE + 20)
    with contextlib.suppress(ConnectionError):
        opened.sendall(data)
    return opened


def rest_of(opened: socket.socket) -> bytes:
    """Everything until the server closes the connection."""
    received = b""
    while chunk := opened.recv(65_536):
        received += chunk
    return received


def status_of(server, data: bytes) -> int:
    with send(server, data) as opened:
        return int(rest_of(opened).split(b" ", 2)[1])


def request(target: str = "/v1/listen?encoding=linear16&sample_rate=16000", headers: str = "", upgrade=True) -> bytes:
    close = UPGRADE if upgrade else "Connection: close\r\n"
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n{close}{headers}\r\n".encode()


MANY_HEADERS = "".join(f"X-{number}: y\r\n" for number in range(130))


@pytest.mark.parametrize("upgrade", [True, False])
@pytest.mark.parametrize(
    ("target", "headers", "statuses"),
    [
        ("/v1/listen?keyterm=" + "a" * 9000, "", (401, 405)),
        ("/v1/listen?keyterm=" + "a" * 72_000, "", (414, 414)),
        ("/v1/listen?keyterm=" + "a" * 250_000, "", (414, 414)),
        ("/v1/listen?keyterm=" + "a" * 3_000_000, "", (414, 414)),
        ("/v1/listen", "X-Long: " + "a" * 9000 + "\r\n", (401, 405)),
        ("/v1/listen", "X-Long: " + "a" * 40_000 + "\r\n", (431, 431)),
        ("/v1/listen", "X-Long: " + "a" * 3_000_000 + "\r\n", (431, 431)),
        ("/v1/listen", MANY_HEADERS, (431, 431)),
        ("/v1/listen", "X-Control: \x01\r\n", (400, 405)),
        ("/v1/listen", "Content-Length: 5\r\n", (400, 405)),
        ("/v1/nothing", "", (401, 404)),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_head_is_answered_whatever_its_size(guarded, upgrade, target, headers, statuses):
    expected = statuses[0] if upgrade else statuses[1]
    if target == "/v1/nothing" and upgrade:
        expected = 404
    began = time.monotonic()
    assert status_of(guarded, request(target, headers, upgrade)) == expected
    assert time.monotonic() - began < PATIENCE, "only the time limit has ended it"


def test_a_refused_stream_says_why_in_the_body(guarded):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{guarded.host}/v2/nothing", additional_headers={"Authorization": f"Token {KEY}"})
    assert json.loads(refused.value.response.body)["err_code"] == "NOT_FOUND"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{guarded.host}/v1/listen?keyterm={'a' * 72_000}")
    assert json.loads(refused.value.response.body)["err_code"] == "URL_TOO_LONG"


def test_an_honest_stream_may_have_a_hundred_long_keyterms(guarded):
    terms = "&".join(f"keyterm={'ñ%20a'}{'aeiou' * 120}{number % 10}".replace("0", "") for number in range(100))
    assert 60_000 < len(terms) < 66_000
    address = f"ws://{guarded.host}/v1/listen?model=es-demo&encoding=linear16&sample_rate=16000&{terms}"
    with connect(address, additional_headers={"Authorization": f"Token {KEY}"}) as opened:
        opened.send('{"type": "CloseStream"}')
        assert json.loads(opened.recv(timeout=60))["type"] == "Results"


@pytest.mark.parametrize("start", [b"G", b"GET /v1/li", request()[:-2], request()[:80]])
def test_half_a_head_is_answered_when_its_time_is_up(guarded, start):
    began = time.monotonic()
    assert status_of(guarded, start) == 408
    assert PATIENCE - 0.5 < time.monotonic() - began < PATIENCE + 5


def test_half_a_head_after_a_whole_request_has_no_more_time(guarded):
    with send(guarded, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") as opened:
        received = b""
        while not received.endswith(b"}"):
            received += opened.recv(65_536)
        opened.sendall(b"GET /heal")
        began = time.monotonic()
        assert rest_of(opened).startswith(b"HTTP/1.1 408")
        assert time.monotonic() - began < PATIENCE + 5


def test_bytes_that_trickle_into_a_head_do_not_prolong_it(guarded):
    with send(guarded, b"GET / HTTP/1.1\r\n") as opened:
        began = time.monotonic()
        opened.settimeout(0.2)
        received = b""
        while not received and time.monotonic() - began < PATIENCE + 5:
            with contextlib.suppress(TimeoutError):
                opened.sendall(b"X")
                received = opened.recv(100)
    assert received.startswith(b"HTTP/1.1 408")


def honest_seconds(server) -> list[float]:
    """How long some recordings and a stream of an honest client take."""
    times = []
    for _ in range(6):
        began = time.monotonic()
        answer = server.ask("/v1/listen?model=es-demo", wav(speech()))
        assert answer.json["results"]["channels"][0]["alternatives"][0]["transcript"] == SENTENCE
        times.append(time.monotonic() - began)
    address = f"ws://{server.host}/v1/listen?model=es-demo&encoding=linear16&sample_rate=16000"
    with connect(address, additional_headers={"Authorization": f"Token {KEY}"}) as opened:
        opened.send(linear16(speech()))
        opened.send('{"type": "CloseStream"}')
        assert json.loads(opened.recv(timeout=60))["type"] == "Results"
    return times


BAD = [
    request("/v1/listen?keyterm=" + "a" * 9000, "Authorization: Token nobody-has-this-key\r\n"),
    request(headers="X-Long: " + "a" * 9000 + "\r\n"),
    request(headers=MANY_HEADERS),
    request(headers="X-Control: \x01\r\n"),
    request()[:-2],
    b"GET /v1/listen?" + b"a" * 50_000,
    b"G",
    b"",
]


def test_512_connections_that_lead_nowhere_do_not_lock_out_an_honest_client(guarded):
    honest_seconds(guarded)
    before = max(honest_seconds(guarded))
    opened = []
    try:
        for number in range(512):
            opened.append(send(guarded, BAD[number % len(BAD)]))
        assert guarded.metric("vizinho_connections") < 512
        during = max(honest_seconds(guarded))
        assert guarded.ask("/healthz", key="").status == 200
        assert during < 3 * before + 1
    finally:
        for one in opened:
            one.close()


def test_an_address_has_a_share_of_the_places_for_connections_that_wait(guarded):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(send(guarded, b"GET /v1")) for _ in range(140)]
        first = b""
        with contextlib.suppress(ConnectionResetError):
            first = rest_of(idle[0])
        assert first == b"" or first.startswith(b"HTTP/1.1 503"), "the oldest has given way"
        assert rest_of(idle[-1]).startswith(b"HTTP/1.1 408"), "the newest has had its time"


def test_refused_connections_that_the_client_keeps_open_give_way_too(guarded):
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(send(guarded, request(headers="X-Control: \x01\r\n")))
        assert guarded.ask("/healthz", key="").status == 200
        assert guarded.metric("vizinho_connections") <= 130


def test_a_key_that_is_wrong_does_not_let_a_body_hold_its_place(guarded):
    head = b"POST /v1/listen HTTP/1.1\r\nHost: x\r\nAuthorization: Token wrong\r\nContent-Length: 100000000\r\n\r\n"
    with ThreadPoolExecutor(16) as pool:
        opened = list(pool.map(lambda _: send(guarded, head + b"x" * 1000), range(160)))
    assert guarded.ask("/v1/listen?model=es-demo", wav(speech())).status == 200
    assert rest_of(opened[-1]).startswith(b"HTTP/1.1 401")
    for one in opened:
        one.close()


def test_head_is_answered_as_get_without_a_body(guarded):
    for path, status in (("/healthz", 200), ("/", 200), ("/v1/models", 401), ("/nothing", 404)):
        with send(guarded, f"HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()) as opened:
            head, _, body = rest_of(opened).partition(b"\r\n\r\n")
        assert (int(head.split(b" ")[1]), body) == (status, b"")
        assert b"content-length: 0" not in head
