"""Pipecat's services for Deepgram (live streams, Flux) and for OpenAI (recordings, realtime), in pipelines."""

from harness import example, place, run
from pipecat.frames.frames import (
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.worker import PipelineParams
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService, OpenAISTTService
from pipecat.tests.utils import SleepFrame, run_test
from pipecat.transcriptions.language import Language

HERE = place()
RATE = 16_000


def spoken(*, marked):
    """The sentence as a microphone brings it; with `marked`, frames say where speech begins and ends."""
    audio = [
        frame
        for piece in HERE.pieces("speech.raw", 640)
        for frame in (InputAudioRawFrame(audio=piece, sample_rate=RATE, num_channels=1), SleepFrame(sleep=0.02))
    ]
    begin, end = ([VADUserStartedSpeakingFrame()], [VADUserStoppedSpeakingFrame()]) if marked else ([], [])
    return [SleepFrame(sleep=0.5), *begin, *audio, *end, SleepFrame(sleep=2.0)]


async def transcribed(service, *, marked=False, interim=False):
    down, _ = await run_test(
        service,
        frames_to_send=spoken(marked=marked),
        pipeline_params=PipelineParams(audio_in_sample_rate=RATE),
        start_timeout=30.0,
    )
    assert not interim or any(isinstance(frame, InterimTranscriptionFrame) for frame in down)
    return " ".join(frame.text for frame in down if isinstance(frame, TranscriptionFrame)).strip()


@example("Deepgram STT service: a live stream")
async def deepgram_live():
    settings = DeepgramSTTService.Settings(model="nova-3-general", language=Language.ES)
    service = DeepgramSTTService(api_key=HERE.key, base_url=HERE.ws, settings=settings)
    return await transcribed(service, interim=True)


@example("Deepgram Flux service: turns")
async def deepgram_turns():
    settings = DeepgramFluxSTTService.Settings(model="flux-general-en", eager_eot_threshold=0.5, keyterm=["grande"])
    service = DeepgramFluxSTTService(api_key=HERE.key, url=f"{HERE.ws}/v2/listen", settings=settings)
    return await transcribed(service)


@example("OpenAI STT service: recordings of turns")
async def openai_recording():
    settings = OpenAISTTService.Settings(model="gpt-4o-transcribe", language=Language.ES)
    service = OpenAISTTService(api_key=HERE.key, base_url=f"{HERE.http}/v1", settings=settings)
    return await transcribed(service, marked=True)


@example("OpenAI realtime STT service: turns found by the client")
async def openai_commits():
    settings = OpenAIRealtimeSTTService.Settings(model="gpt-realtime-whisper", language=Language.ES)
    service = OpenAIRealtimeSTTService(api_key=HERE.key, base_url=f"{HERE.ws}/v1/realtime", settings=settings)
    return await transcribed(service, marked=True)


@example("OpenAI realtime STT service: turns found by the server")
async def openai_realtime():
    settings = OpenAIRealtimeSTTService.Settings(model="gpt-4o-transcribe", language=Language.ES)
    service = OpenAIRealtimeSTTService(
        api_key=HERE.key,
        base_url=f"{HERE.ws}/v1/realtime",
        settings=settings,
        turn_detection={"type": "server_vad"},
    )
    return await transcribed(service, interim=True)


run()
