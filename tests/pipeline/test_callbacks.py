"""Answers that the server sends to an address of the client's."""

import asyncio
import hashlib
import hmac
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from serving import KEY, SENTENCE, running, speech, wav

from vizinho.server.security.callbacks import Callbacks
from vizinho.server.security.fetch import Fetcher
from vizinho.server.security.metrics import Metrics
from vizinho.server.security.refusals import Refusal

pytestmark = pytest.mark.pipeline


class Receiver(ThreadingHTTPServer):
    """Takes what is sent, after refusing it a number of times."""

    def __init__(self, refusals=0):
        super().__init__(("127.0.0.1", 0), Taking)
        self.refusals, self.taken = refusals, queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Taking(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.refusals -= 1
        refused = self.server.refusals >= 0
        self.send_response(503 if refused else 204)
        self.end_headers()
        if not refused:
            self.server.taken.put((self.command, self.headers, body))

    do_PUT = do_POST  # noqa: N815 - as http.server wants it

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def receiver():
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def calling(server_home, receiver, tmp_path_factory):
    log = tmp_path_factory.mktemp("calling") / "log.txt"
    options = ["--workers", "1", "--callback-host", f"127.0.0.1:{receiver.server_port}", "--fetch-private"]
    with running(*options, "es-demo", home=server_home, log=log) as started:
        yield started
        assert "Traceback" not in log.read_text(), log.read_text()


def test_the_answer_comes_signed_to_the_address(calling, receiver):
    from deepgram import DeepgramClient
    from deepgram.environment import DeepgramClientEnvironment

    http = f"http://{calling.host}"
    environment = DeepgramClientEnvironment(base=http, production=http, agent=http, agent_rest=http)
    client = DeepgramClient(api_key=KEY, environment=environment)
    address = f"http://127.0.0.1:{receiver.server_port}/done?a=b"
    accepted = client.listen.v1.media.transcribe_file(request=wav(speech()), model="es-demo", callback=address)
    method, headers, body = receiver.taken.get(timeout=60)
    answer = json.loads(body)
    assert (method, headers["Content-Type"]) == ("POST", "application/json")
    assert answer["metadata"]["request_id"] == accepted.request_id
    assert answer["results"]["channels"][0]["alternatives"][0]["transcript"] == SENTENCE
    signed = hmac.new(hashlib.sha256(KEY.encode()).digest(), body, hashlib.sha256).hexdigest()
    assert headers["vizinho-signature"] == f"sha256={signed}"


def test_what_is_refused_is_sent_too(calling, receiver):
    query = f"/v1/listen?model=es-demo&callback_method=put&callback=http://127.0.0.1:{receiver.server_port}/"
    accepted = calling.ask(query, b"no audio")
    method, _, body = receiver.taken.get(timeout=60)
    assert (accepted.status, method, json.loads(body)["err_code"]) == (200, "PUT", "BAD_AUDIO")
    assert json.loads(body)["request_id"] == accepted.json["request_id"]


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1/", "http://localhost:1/", "file:///etc/passwd", "http://user:pw@127.0.0.1/", "x"]
)
def test_other_addresses_are_refused_before_anything_is_done(calling, server, address):
    for serving in (calling, server):
        answer = serving.ask(f"/v1/listen?model=es-demo&callback={address}", wav(speech()))
        assert (answer.status, answer.json["err_msg"].partition(":")[0]) == (400, "callback")


def test_answers_are_sent_again_until_they_are_taken_or_given_up():
    async def deliver(refusals, attempts):
        receiver = Receiver(refusals)
        address = f"127.0.0.1:{receiver.server_port}"
        callbacks = Callbacks(Fetcher(frozenset({address}), 1000, True), Metrics(), [0.01] * attempts)
        callbacks.begin(callbacks.deliver(f"http://{address}/", "POST", b"{}", None))
        assert not callbacks.idle
        while not callbacks.idle:
            await asyncio.sleep(0.01)
        receiver.shutdown()
        receiver.server_close()
        return receiver.taken.qsize(), receiver.refusals

    assert asyncio.run(deliver(2, 5)) == (1, -1)
    assert asyncio.run(deliver(9, 3)) == (0, 6)


def test_no_more_answers_wait_than_allowed():
    async def begin():
        callbacks = Callbacks(Fetcher(frozenset(), 1000), Metrics(), [60.0], most=2)
        for _ in range(3):
            callbacks.begin(callbacks.deliver("http://127.0.0.1/", "POST", b"{}", None))

    with pytest.raises(Refusal) as refused:
        asyncio.run(begin())
    assert refused.value.status == 503
