"""Wyoming's own client: the models, and a recording as a home assistant sends it."""

from harness import example, place, run
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info

HERE = place()


async def event_of(connection, kind):
    """The next event of a type."""
    while (event := await connection.read_event()) is not None:
        if event.type == kind:
            return event
    raise EOFError(f"the server left without {kind}")


@example("describe: models and their languages")
async def described():
    async with AsyncTcpClient("127.0.0.1", HERE.wyoming) as connection:
        await connection.write_event(Describe().event())
        models = Info.from_event(await event_of(connection, "info")).asr[0].models
        assert any(model.name == "es-demo" and model.languages == ["es"] for model in models)


@example("transcribe: raw samples, a language")
async def transcribed():
    async with AsyncTcpClient("127.0.0.1", HERE.wyoming) as connection:
        await connection.write_event(Transcribe(language="es").event())
        await connection.write_event(AudioStart(16_000, 2, 1).event())
        for piece in HERE.pieces("speech.raw"):
            await connection.write_event(AudioChunk(16_000, 2, 1, piece).event())
        await connection.write_event(AudioStop().event())
        return Transcript.from_event(await event_of(connection, "transcript")).text


run()
