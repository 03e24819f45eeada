"""A real server under what servers meet: other versions, killed workers, full queues, slow clients, SIGTERM."""

import http.client
import json
import os
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from serving import KEY, SENTENCE, linear16, running, speech, wav
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from vizinho.store.card import read_card
from vizinho.store.store import BUNDLED, Store

pytestmark = pytest.mark.pipeline
LISTEN = "/v1/listen?model=es-demo"
LIVE = "encoding=linear16&sample_rate=16000"


def text_of(answer) -> str:
    assert answer.status == 200, answer.body
    return answer.json["results"]["channels"][0]["alternatives"][0]["transcript"]


def stream(server, query=LIVE, key=KEY, model="es-demo", **options):
    headers = {"Authorization": f"Token {key}"} if key else {}
    return connect(f"ws://{server.host}/v1/listen?model={model}&{query}", additional_headers=headers, **options)


def rest_of(opened) -> list[dict]:
    """Everything until the stream is closed."""
    received = []
    try:
        while True:
            received.append(json.loads(opened.recv(timeout=60)))
    except ConnectionClosed:
        return received


def long_speech(seconds: float) -> bytes:
    once = np.concatenate([speech(), np.zeros(16_000, np.float32)])
    return wav(np.tile(once, int(seconds * 16_000 / once.size) + 1))


def test_health_readiness_and_metrics(server):
    assert (server.ask("/healthz", key="").status, server.ask("/readyz", key="").json) == (200, {"status": "ready"})
    assert server.ask("/metrics", key="").status == 401
    before = server.metric("vizinho_audio_seconds_total")
    assert text_of(server.ask(LISTEN, wav(speech()))) == SENTENCE
    assert server.metric("vizinho_audio_seconds_total") - before == pytest.approx(speech().size / 16_000, abs=0.01)


def test_answers_carry_no_path_and_no_trace(server):
    asked = [
        server.ask(LISTEN, b"RIFF0000WAVEfmt "),
        server.ask("/v1/listen?model=../../etc/passwd", b"x"),
        server.ask("/v1/models/..%2f..%2fetc"),
        server.ask("/page/..%2f..%2fapp.py"),
        server.ask("/page/%00"),
        server.ask(LISTEN + "&sample_rate=many", b"x"),
        server.ask("/v1/audio/transcriptions", b"x"),
    ]
    for answer in asked:
        assert 400 <= answer.status < 500
        said = answer.body.decode()
        assert str(BUNDLED.parent) not in said and "Traceback" not in said and ".py" not in said


def test_a_browser_sends_its_key_as_a_subprotocol(server):
    address = f"ws://{server.host}/v1/listen?model=es-demo&{LIVE}"
    with connect(address, subprotocols=["token", KEY]) as opened:
        assert opened.subprotocol == "token"
    with pytest.raises(InvalidStatus) as refused:
        connect(address, subprotocols=["token", "no-key-of-this-server"])
    assert refused.value.response.status_code == 401


def test_raw_samples_need_no_container(server):
    samples = linear16(speech())
    assert text_of(server.ask(f"{LISTEN}&{LIVE}", samples)) == SENTENCE
    assert server.ask(f"{LISTEN}&encoding=linear16", samples).status == 400


def test_a_new_version_is_used_from_the_next_request_on_and_old_streams_stay_with_theirs(server, server_home, tmp_path):
    store = Store(server_home)
    shutil.copytree(BUNDLED / "es-demo" / "2", tmp_path / "copy")
    with stream(server) as opened:
        store.add("es-demo", tmp_path / "copy", read_card(tmp_path / "copy"))
        try:
            assert server.ask(LISTEN, wav(speech())).json["metadata"]["models"] == ["es-demo@3"]
            assert server.ask("/v1/listen?model=es-demo@2", wav(speech())).json["metadata"]["models"] == ["es-demo@2"]
            opened.send(linear16(np.concatenate([speech(), np.zeros(16_000, np.float32)])))
            opened.send('{"type": "CloseStream"}')
            received = rest_of(opened)
            assert received[-1]["models"] == ["es-demo@2"]
            assert {m["metadata"]["model_uuid"] for m in received if m["type"] == "Results"} == {"es-demo@2"}
        finally:
            store.set_current("es-demo", 2)
    assert server.ask(LISTEN, wav(speech())).json["metadata"]["models"] == ["es-demo@2"]


def test_a_broken_new_version_gives_way_to_the_one_before(server, server_home, tmp_path):
    store = Store(server_home)
    shutil.copytree(BUNDLED / "es-demo" / "2", tmp_path / "copy")
    ref = store.add("es-demo", tmp_path / "copy", read_card(tmp_path / "copy"))
    folder, before = store.find(ref).folder, store.versions("es-demo")[-2].ref
    try:
        weights = folder / "model.safetensors"
        weights.chmod(0o644)
        weights.write_bytes(weights.read_bytes()[:-1000] + bytes(1000))
        for _ in range(2):
            answer = server.ask(LISTEN, wav(speech()))
            assert text_of(answer) == SENTENCE and answer.json["metadata"]["models"] == [before]
        with stream(server) as opened:
            opened.send('{"type": "CloseStream"}')
            assert rest_of(opened)[-1]["models"] == [before]
        broken = server.ask(f"/v1/listen?model={ref}", wav(speech()))
        assert (broken.status, broken.json["err_code"]) == (500, "MODEL_BROKEN")
    finally:
        store.set_current("es-demo", 2)
        shutil.rmtree(folder)


def test_json_is_limited_to_what_names_a_recording(server):
    for body in (b'{"url": "' + b"a" * 70_000 + b'"}', b"[" * 5_000_000):
        began = time.monotonic()
        answer = server.ask(LISTEN, body, Content_Type="application/json; charset=utf-8")
        assert (answer.status, answer.json["err_code"]) == (413, "TOO_LARGE")
        assert time.monotonic() - began < 5
    assert server.ask(LISTEN, b"[" * 60_000, Content_Type="application/json").json["err_code"] == "BAD_JSON"


def test_requests_for_tokens_are_limited_before_they_are_read(server):
    body = b'{"ttl_seconds": 30, "x": [' + b"[]," * 30_000 + b"1]}"
    for key, status in ((None, 413), ("nobody-has-this-key", 401)):
        assert server.ask("/v1/auth/grant", body, key, Content_Type="application/json").status == status
    for body, status in (
        (b"", 200),
        (b'{"ttl_seconds": 60}', 200),
        (b"[" * 60_000, 400),
        (b'{"ttl_seconds": "x"}', 400),
    ):
        assert server.ask("/v1/auth/grant", body, Content_Type="application/json").status == status
    # All of a body that might have been a recording is read before the connection ends, or the answer would be lost.
    whole = b'{"url": "' + b"a" * 99_000_000 + b'"}'
    assert server.ask(LISTEN, whole, Content_Type="application/json").status == 413


def test_odd_names_of_form_fields_are_named_in_a_header_that_can_be_sent(server):
    odd = "na\u00efve \u20ac\U0001f600\\"
    form = f'--x\r\nContent-Disposition: form-data; name="{odd}"\r\n\r\n1\r\n'.encode()
    form += b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nes-demo\r\n--x\r\n'
    form += b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + wav(speech()) + b"\r\n--x--\r\n"
    answer = server.ask("/v1/audio/transcriptions", form, Content_Type="multipart/form-data; boundary=x")
    assert (answer.status, answer.json["text"]) == (200, SENTENCE)
    assert answer.headers["vizinho-ignored"].startswith("na%C3%AFve %E2%82%AC%F0%9F%98%80")


def test_a_killed_worker_is_replaced_its_recording_done_again_and_its_stream_ended_with_an_error(server):
    with stream(server) as opened, ThreadPoolExecutor(1) as pool:
        recording = pool.submit(server.ask, LISTEN, long_speech(120))
        waited = time.monotonic() + 30
        while server.metric("vizinho_held_bytes") < 1_000_000 and time.monotonic() < waited:
            time.sleep(0.02)
        (before,) = server.workers()
        os.kill(before, signal.SIGKILL)
        received = rest_of(opened)
        assert received[-1]["type"] == "Error" and received[-1]["code"] == "WORKER_DIED"
        assert opened.close_code == 1011
        assert "casa" in text_of(recording.result())
    server.wait_ready()
    assert server.workers() != [before]
    assert server.metric("vizinho_worker_restarts_total") >= 1


def test_text_that_was_sent_is_not_sent_again_when_the_worker_dies(server):
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nes-demo\r\n--x\r\n'
    form += b'Content-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n--x\r\n'
    form += b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + long_speech(600) + b"\r\n--x--\r\n"
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "multipart/form-data; boundary=x"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", "/v1/audio/transcriptions", form, headers)
    answer = connection.getresponse()
    first = answer.readline()
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    events = [json.loads(line[6:]) for line in [first, *answer] if line.startswith(b"data: ")]
    kinds = [event["type"] for event in events]
    assert kinds == ["transcript.text.delta"] * (len(kinds) - 1) + ["error"]
    assert events[-1]["error"]["code"] == "worker_died" and 1 < len(kinds) < 200
    connection.close()
    server.wait_ready()


def test_messages_that_are_none_end_a_stream_with_an_error(server):
    for sent in ("not json", "[]", '{"type": "Dance"}', '{"type": null}'):
        with stream(server) as opened:
            opened.send(sent)
            received = rest_of(opened)
            assert [m["type"] for m in received] == ["Error"] and opened.close_code == 1008


def test_a_stream_answers_finalize_and_close_even_without_audio(server):
    with stream(server) as opened:
        opened.send('{"type": "Finalize"}')
        finalized = json.loads(opened.recv(timeout=30))
        assert finalized["from_finalize"] and finalized["channel"]["alternatives"][0]["transcript"] == ""
        opened.send('{"type": "Configure", "keyterms": ["casa"]}')
        assert json.loads(opened.recv(timeout=30))["type"] == "ConfigureSuccess"
        opened.send('{"type": "Configure", "features": {"dance": true}}')
        assert json.loads(opened.recv(timeout=30))["type"] == "ConfigureFailure"
        opened.send(b"")
        assert rest_of(opened)[-1]["type"] == "Metadata"
        assert opened.close_code == 1000


def test_a_message_that_is_too_large_ends_only_its_stream(server):
    with stream(server, max_size=None) as opened:
        opened.send(bytes(2_000_000))
        rest_of(opened)
        assert opened.close_code == 1009
    assert server.ask("/readyz").status == 200


@pytest.fixture(scope="module")
def small(server_home, tmp_path_factory):
    """A server with limits that are soon reached, and without keys."""
    options = ["--workers", "1", "--no-auth", "--max-waiting", "2", "--max-streams", "2", "--max-megabytes", "6"]
    options += ["--max-minutes", "3", "--patience", "1", "--requests-per-minute", "3000", "--drain-seconds", "8"]
    log = tmp_path_factory.mktemp("small") / "log.txt"
    with running(*options, "es-demo", home=server_home, log=log, key="") as started:
        yield started


def test_a_full_server_says_so_and_loses_nothing(small):
    body = long_speech(60)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: small.ask(LISTEN, body), range(8)))
    assert sorted({a.status for a in answers}) == [200, 503]
    for answer in answers:
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) >= 1 and answer.json["err_code"] == "OVERLOADED"
        else:
            assert "casa" in text_of(answer)
    assert small.metric("vizinho_held_bytes") == 0


def test_streams_are_refused_past_the_limit_and_welcome_again_after_one_ends(small):
    with stream(small, key=None), stream(small, key=None), pytest.raises(InvalidStatus) as refused:
        stream(small, key=None)
    assert refused.value.response.status_code in (429, 503)
    assert int(refused.value.response.headers["retry-after"]) >= 1
    with stream(small, key=None) as opened:
        opened.send('{"type": "CloseStream"}')
        assert rest_of(opened)[-1]["type"] == "Metadata"


def test_too_many_bytes_and_too_many_seconds_are_refused(small):
    assert small.ask(LISTEN, bytes(6_000_001)).status == 413
    silence = wav(np.zeros(8000 * 181, np.float32), rate=8000)
    answer = small.ask(LISTEN, silence)
    assert (answer.status, answer.json["err_code"]) == (413, "TOO_LARGE")


def test_slow_and_silent_clients_are_let_go(small):
    host = ("127.0.0.1", small.port)
    head = f"POST {LISTEN} HTTP/1.1\r\nHost: {small.host}\r\nContent-Length: 100\r\n\r\n".encode()
    with (
        socket.create_connection(host) as silent,
        socket.create_connection(host) as half_head,
        socket.create_connection(host) as half_body,
        stream(small, key=None) as quiet,
    ):
        half_head.sendall(head[:40])
        half_body.sendall(head + b"x")
        for opened in (silent, half_head, half_body):
            opened.settimeout(30)
        assert silent.recv(100) == b"", "a connection without a request"
        assert half_head.recv(100).startswith(b"HTTP/1.1 408"), "a head that does not end"
        assert half_body.recv(100).startswith(b"HTTP/1.1 408"), "a body that does not end"
        received = rest_of(quiet)
        assert received[-1]["code"] == "SILENT" and quiet.close_code == 1011


def test_a_stream_that_is_kept_alive_stays_open(small):
    with stream(small, key=None) as opened:
        for _ in range(4):
            time.sleep(0.4)
            opened.send('{"type": "KeepAlive"}')
        opened.send('{"type": "CloseStream"}')
        assert rest_of(opened)[-1]["type"] == "Metadata"


def test_pages_of_other_sites_cannot_use_a_server_without_keys(small):
    assert small.ask("/v1/models", Origin=f"http://{small.host}").status == 200
    assert small.ask("/v1/models", Origin="https://evil.example").status == 403
    assert small.ask("/v1/models", Host="evil.example").status == 403
    with pytest.raises(InvalidStatus) as refused:
        stream(small, key=None, origin="https://evil.example")
    assert refused.value.response.status_code == 403


def test_sigterm_lets_open_work_end_and_takes_nothing_new(small):
    body = long_speech(30)
    with ThreadPoolExecutor(2) as pool, stream(small, key=None) as opened:
        opened.send(linear16(speech()))
        recordings = [pool.submit(small.ask, LISTEN, body) for _ in range(2)]
        while small.metric("vizinho_held_bytes") < 2 * len(body) and not any(r.done() for r in recordings):
            time.sleep(0.02)
        small.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while small.ask("/readyz").status != 503:
            assert time.monotonic() < deadline
        refused = small.ask(LISTEN, body)
        assert (refused.status, refused.json["err_code"]) == (503, "DRAINING")
        keeping = threading.Thread(target=keep_alive, args=(opened,))
        keeping.start()
        assert all("casa" in text_of(r.result()) for r in recordings)
        received = rest_of(opened)
        keeping.join()
        assert received[-1]["type"] == "Metadata" and opened.close_code == 1012
        assert "casa" in "".join(
            m["channel"]["alternatives"][0]["transcript"] for m in received if m["type"] == "Results"
        )
    assert small.process.wait(30) in (0, -signal.SIGTERM)
    assert "Traceback" not in small.log.read_text()


def keep_alive(opened) -> None:
    try:
        while True:
            opened.send('{"type": "KeepAlive"}')
            time.sleep(0.3)
    except ConnectionClosed:
        return
