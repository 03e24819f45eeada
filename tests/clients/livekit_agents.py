"""LiveKit's services for Deepgram (recordings, live streams, Flux) and for OpenAI (recordings, realtime)."""

import asyncio
import contextlib

import aiohttp
from harness import example, place, run
from livekit import rtc
from livekit.agents import stt as speech
from livekit.plugins import deepgram, openai

HERE = place()
RATE = 16_000
FRAME_BYTES = 640
FINAL = speech.SpeechEventType.FINAL_TRANSCRIPT


def frames(name="speech.raw"):
    return [rtc.AudioFrame(data, RATE, 1, len(data) // 2) for data in HERE.pieces(name, FRAME_BYTES)]


def silence(seconds):
    return [rtc.AudioFrame(bytes(FRAME_BYTES), RATE, 1, FRAME_BYTES // 2)] * round(seconds * RATE * 2 / FRAME_BYTES)


@contextlib.asynccontextmanager
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


async def streamed(service, until=FINAL):
    """Final texts up to the first event of a kind, and all kinds; audio comes as fast as it is spoken."""
    texts, kinds = [], []
    stream = service.stream()

    async def speak():
        for frame in [*frames(), *silence(2.0)]:
            stream.push_frame(frame)
            await asyncio.sleep(0.02)

    speaking = asyncio.create_task(speak())
    async for event in stream:
        kinds.append(event.type)
        if event.type == FINAL:
            texts.append(event.alternatives[0].text)
        if event.type == until and texts:
            break
    speaking.cancel()
    await stream.aclose()
    return " ".join(texts), kinds


@example("Deepgram STT: a recording")
async def deepgram_recording():
    async with session() as opened:
        service = deepgram.STT(api_key=HERE.key, base_url=f"{HERE.http}/v1/listen", language="es", http_session=opened)
        return (await service.recognize(frames())).alternatives[0].text


@example("Deepgram STT: a live stream")
async def deepgram_live():
    async with session() as opened:
        service = deepgram.STT(api_key=HERE.key, base_url=f"{HERE.http}/v1/listen", language="es", http_session=opened)
        text, kinds = await streamed(service, speech.SpeechEventType.END_OF_SPEECH)
    assert {speech.SpeechEventType.START_OF_SPEECH, speech.SpeechEventType.INTERIM_TRANSCRIPT} <= set(kinds), kinds
    return text


@example("Deepgram STTv2 (Flux): turns")
async def deepgram_turns():
    async with session() as opened:
        service = deepgram.STTv2(
            api_key=HERE.key,
            base_url=f"{HERE.http}/v2/listen",
            model="flux-general-en",
            eager_eot_threshold=0.4,
            keyterm=["grande"],
            http_session=opened,
        )
        text, kinds = await streamed(service, speech.SpeechEventType.END_OF_SPEECH)
    assert {speech.SpeechEventType.START_OF_SPEECH, speech.SpeechEventType.PREFLIGHT_TRANSCRIPT} <= set(kinds), kinds
    return text


@example("OpenAI STT: a recording")
async def openai_recording():
    service = openai.STT(api_key=HERE.key, base_url=f"{HERE.http}/v1", language="es")
    return (await service.recognize(frames())).alternatives[0].text


@example("OpenAI STT: realtime transcription, turns found by the server")
async def openai_realtime():
    service = openai.STT(api_key=HERE.key, base_url=f"{HERE.http}/v1", language="es", use_realtime=True)
    async with http_context():
        return (await streamed(service))[0]


@example("OpenAI STT: realtime transcription with gpt-live-transcribe, keywords, turns found by the client")
async def openai_commits():
    service = openai.STT(
        api_key=HERE.key,
        base_url=f"{HERE.http}/v1",
        model="gpt-live-transcribe",
        language=["es"],
        keywords=["grande"],
    )
    async with http_context():
        return (await streamed(service))[0]


@contextlib.asynccontextmanager
async def http_context():
    """What a job of an agent gives to its plugins."""
    from livekit.agents.utils import http_context as context

    async with context.open():
        yield


run()
