"""Hostile input at every entrance: nothing but an answer or a refusal may come back, and the server goes on."""

import io
import json
import random
import struct

import numpy as np
import pytest
import soundfile
from serving import KEY, SENTENCE, linear16, speech, wav
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

pytestmark = pytest.mark.pipeline
MUTATIONS = 8
"""Of each container; each is sent to every entrance for recordings."""


def encoded(container: str, subtype: str) -> bytes:
    made = io.BytesIO()
    soundfile.write(made, speech("buenos días"), 16_000, format=container, subtype=subtype)
    return made.getvalue()


def mutated(data: bytes, seed: int) -> bytes:
    """One of the ways in which files are broken, more often in the header than in the samples."""
    draw = random.Random(seed)
    made = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(min(len(made), 64 if draw.random() < 0.7 else len(made)))
        match draw.randrange(4):
            case 0:
                made[at] ^= 1 << draw.randrange(8)
            case 1:
                made[at : at + 4] = struct.pack("<I", draw.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000]))
            case 2:
                del made[at : at + draw.randint(1, 32)]
            case 3:
                made[at:at] = bytes(draw.randrange(256) for _ in range(draw.randint(1, 32)))
    return bytes(made[: draw.randint(1, len(made))] if draw.random() < 0.3 else made)


def strange() -> dict[str, bytes]:
    """Recordings that are well formed and odd, and some that are hardly files."""
    whole = wav(speech("buenos días"))
    lying = bytearray(whole)
    lying[40:44] = struct.pack("<I", 0xFFFFFFF0)
    rate_of_one, no_channels = bytearray(whole), bytearray(whole)
    rate_of_one[24:28] = struct.pack("<I", 1)
    no_channels[22:24] = struct.pack("<H", 0)
    return {
        "nothing": b"",
        "one byte": b"R",
        "header only": whole[:44],
        "half a header": whole[:20],
        "one sample": wav(np.ones(1, np.float32)),
        "NaN": wav(np.full(16_000, np.nan, np.float32), subtype="FLOAT"),
        "infinite": wav(np.full(16_000, np.inf, np.float32), subtype="FLOAT"),
        "enormous": wav(np.full(16_000, 3e38, np.float32), subtype="FLOAT"),
        "lying length": bytes(lying),
        "one sample a second": bytes(rate_of_one),
        "no channels": bytes(no_channels),
        "text": b"hello" * 1000,
        "html": b"<html>" * 100,
        "zeros": bytes(10_000),
    }


def entrances(server, audio: bytes):
    """The same bytes as a recording for Deepgram's interface and for OpenAI's."""
    yield server.ask("/v1/listen?model=es-demo&utterances=true&paragraphs=true&punctuate=true", audio)
    yield server.ask("/v1/listen?model=es-demo&multichannel=true", audio)
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nes-demo\r\n--x\r\n'
    form += b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + audio + b"\r\n--x--\r\n"
    yield server.ask("/v1/audio/transcriptions", form, Content_Type="multipart/form-data; boundary=x")


def check(server, audio: bytes, what: str) -> None:
    for answer in entrances(server, audio):
        assert answer.status in (200, 400, 413), f"{what}: {answer.status} {answer.body[:300]!r}"
        if answer.headers["content-type"] == "application/json":
            assert "NaN" not in answer.body.decode(), what


@pytest.fixture(autouse=True)
def goes_on(server):
    """After each test the same worker, unharmed, still hears what it should."""
    before = server.workers()
    yield
    assert server.workers() == before, "a worker died"
    heard = server.ask("/v1/listen?model=es-demo", wav(speech())).json
    assert heard["results"]["channels"][0]["alternatives"][0]["transcript"] == SENTENCE


@pytest.mark.parametrize("container", ["WAV PCM_16", "FLAC PCM_16", "OGG VORBIS", "OGG OPUS", "MP3 MPEG_LAYER_III"])
def test_mutated_recordings(server, container):
    whole = encoded(*container.split())
    for seed in range(MUTATIONS):
        check(server, mutated(whole, seed), f"{container}, seed {seed}")


def test_strange_recordings(server):
    for name, audio in strange().items():
        check(server, audio, name)


def test_an_hour_of_silence_is_an_empty_transcript(server):
    answer = server.ask("/v1/listen?model=es-demo", wav(np.zeros(8000 * 3600, np.float32), 8000))
    assert (answer.status, answer.json["metadata"]["duration"]) == (200, 3600.0)
    assert answer.json["results"]["channels"][0]["alternatives"][0]["words"] == []


@pytest.mark.parametrize("seed", range(4))
def test_strange_forms(server, seed):
    draw = random.Random(seed)
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nes-demo\r\n--x\r\n'
    form += b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(100) + b"\r\n--x--\r\n"
    for _ in range(10):
        kind = draw.choice(["multipart/form-data; boundary=x", "multipart/form-data", "multipart/form-data; boundary="])
        answer = server.ask("/v1/audio/transcriptions", mutated(form, draw.randrange(1 << 30)), Content_Type=kind)
        assert answer.status in (400, 404), answer.body


@pytest.mark.parametrize(
    "query", ["encoding=linear16&sample_rate=16000", "encoding=mulaw&sample_rate=8000", "encoding=opus"]
)
def test_strange_streams(server, query):
    draw = random.Random(query)
    said = encoded("OGG", "OPUS") if "linear" not in query else linear16(speech())
    address = (
        f"ws://{server.host}/v1/listen?model=es-demo&interim_results=true&utterance_end_ms=1000&vad_events=true&{query}"
    )
    for _ in range(4):
        with connect(address, additional_headers={"Authorization": f"Token {KEY}"}) as opened:
            try:
                for _ in range(draw.randint(1, 12)):
                    start = draw.randrange(len(said))
                    pieces = [
                        mutated(said, draw.randrange(1 << 30)),
                        said[start : start + 1001],
                        bytes(draw.randint(1, 50_000)),
                    ]
                    pieces += [draw.randbytes(draw.randint(1, 5000)), '{"type": "Finalize"}', '{"type": "KeepAlive"}']
                    opened.send(draw.choice(pieces))
                opened.send('{"type": "CloseStream"}')
                while True:
                    message = json.loads(opened.recv(timeout=60))
                    assert message["type"] in ("Results", "SpeechStarted", "UtteranceEnd", "Metadata", "Error")
                    assert message.get("code") not in ("INTERNAL", "WORKER_DIED"), message
            except ConnectionClosed:
                assert opened.close_code in (1000, 1008), opened.close_reason


def test_what_the_interface_describes_is_what_it_does(server):
    """schemathesis makes requests of the OpenAPI description and holds the answers against it."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    schema = schemathesis.openapi.from_url(f"http://{server.host}/openapi.json")
    seen = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(max_examples=12, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy())
        def holds(case):
            nonlocal seen
            seen += 1
            case.call_and_validate(
                headers={"Authorization": f"Bearer {KEY}"},
                checks=[
                    not_a_server_error,
                    status_code_conformance,
                    content_type_conformance,
                    response_schema_conformance,
                ],
            )

        holds()
    assert seen >= 24
