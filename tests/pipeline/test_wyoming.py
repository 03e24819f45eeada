"""`vizinho serve --wyoming` and the protocol's own client."""

import asyncio
import json
import socket

import numpy as np
import pytest
from serving import SENTENCE, alike, linear16, running, speech

pytest.importorskip("wyoming")
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

pytestmark = pytest.mark.pipeline
PAUSE = np.zeros(16_000, np.float32)


@pytest.fixture(scope="module")
def port(server_home, tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
    log = tmp_path_factory.mktemp("wyoming") / "log.txt"
    options = ["--workers", "1", "--no-auth", "--max-streams", "1", "--patience", "3", "--wyoming", str(number)]
    with running(*options, "es-demo", home=server_home, log=log, key=""):
        yield number
        assert "Traceback" not in log.read_text(), log.read_text()


async def answers(client, last):
    """Events up to one of a type."""
    events = []
    while not events or events[-1].type != last:
        event = await client.read_event()
        assert event is not None, [e.type for e in events]
        events.append(event)
    return events


async def command(client, samples, last="transcript-stop", width=2):
    await client.write_event(AudioStart(16_000, width, 1).event())
    for piece in np.array_split(samples, 20):
        await client.write_event(AudioChunk(16_000, width, 1, linear16(piece)).event())
    await client.write_event(AudioStop().event())
    return await answers(client, last)


def test_commands_are_transcribed_one_after_another(port):
    async def talk():
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Ping("there?").event())
            assert Pong.from_event((await answers(client, "pong"))[-1]).text == "there?"
            await client.write_event(Describe().event())
            program = Info.from_event((await answers(client, "info"))[-1]).asr[0]
            assert [m.name for m in program.models][:1] == ["es-demo"] and program.models[0].languages == ["es"]
            await client.write_event(Transcribe(language="es").event())
            first = await command(client, np.concatenate([speech(), PAUSE, speech("la casa es grande"), PAUSE]))
            second = await command(client, speech("buenos días"))
            return first, second

    first, second = asyncio.run(talk())
    kinds = [e.type for e in first]
    assert kinds == ["transcript-start", "transcript-chunk", "transcript-chunk", "transcript", "transcript-stop"]
    transcript = Transcript.from_event(first[-2])
    assert alike(transcript.text, f"{SENTENCE} la casa es grande") and transcript.language == "es"
    assert "".join(e.data["text"] for e in first[1:3]) == transcript.text
    assert alike(Transcript.from_event(second[-2]).text, "buenos días")


def test_a_refused_command_leaves_the_connection_and_its_place_to_the_next(port):
    async def talk():
        async with AsyncTcpClient("127.0.0.1", port) as client:
            codes = []
            for wishes, width in ((Transcribe(name="nova-3"), 2), (Transcribe(language="fr"), 2), (Transcribe(), 4)):
                await client.write_event(wishes.event())
                events = await command(client, speech("la casa"), "error", width)
                codes.append(Error.from_event(events[-1]).code)
            async with AsyncTcpClient("127.0.0.1", port) as other:  # the only stream there may be
                await other.write_event(AudioStart(16_000, 2, 1).event())
                await answers(other, "transcript-start")
                codes.append(Error.from_event((await command(client, speech("la casa"), "error"))[-1]).code)
            return codes

    assert asyncio.run(talk()) == ["MODEL_NOT_FOUND", "BAD_PARAMETER", "BAD_PARAMETER", "TOO_MANY_REQUESTS"]


def line(**event):
    return json.dumps(event).encode() + b"\n"


CHUNK = {"rate": 16_000, "width": 2, "channels": 1}


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\x16\x03\x01 no line of JSON\n", "BAD_MESSAGE"),
        (b"{" * 66_000, "BAD_MESSAGE"),
        (b"[" * 50_000 + b"\n", "BAD_MESSAGE"),
        (b"[]\n", "BAD_MESSAGE"),
        (line(data={}), "BAD_MESSAGE"),
        (line(type="ping", data=[1]), "BAD_MESSAGE"),
        (line(type="ping", data_length="x"), "BAD_MESSAGE"),
        (line(type="audio-start", data=CHUNK | {"rate": None}), "BAD_PARAMETER"),
        (line(type="audio-start", data=CHUNK | {"rate": 1.5}), "BAD_PARAMETER"),
        (line(type="audio-chunk", data=CHUNK, payload_length=10**12) + b"x" * 100_000, "TOO_LARGE"),
        (line(type="audio-chunk", data=CHUNK, payload_length=1000) + b"half", "SILENT"),
        (line(type="audio-start", data=CHUNK), "SILENT"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_events_that_are_none_too_large_or_half_end_their_connection_and_nothing_else(port, sent, code):
    async def talk():
        async with AsyncTcpClient("127.0.0.1", port) as client:
            client._writer.write(sent)
            event = (await answers(client, "error"))[-1]
            async with AsyncTcpClient("127.0.0.1", port) as other:  # the only stream there may be
                return Error.from_event(event).code, (await command(other, speech("buenos días")))[-2]

    refused, transcript = asyncio.run(talk())
    assert refused == code
    assert alike(Transcript.from_event(transcript).text, "buenos días")


def test_connections_are_limited(port):
    async def talk():
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(128)]
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        refused = await reader.read()
        for _, writer in crowd:
            writer.close()
            await writer.wait_closed()
        return refused

    assert b"OVERLOADED" in asyncio.run(talk())
