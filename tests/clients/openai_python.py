"""OpenAI's Python client: transcriptions in every format, and realtime transcription."""

import base64

from harness import example, place, run
from openai import AsyncOpenAI, OpenAI

HERE = place()
BASE = f"{HERE.http}/v1"
client = OpenAI(api_key=HERE.key, base_url=BASE)
async_client = AsyncOpenAI(api_key=HERE.key, base_url=BASE)


def transcribed(model="gpt-4o-transcribe", **parameters):
    with (HERE.folder / "speech.wav").open("rb") as file:
        return client.audio.transcriptions.create(model=model, file=file, **parameters)


@example("transcription: json")
def as_json():
    return transcribed().text


@example("transcription: text")
def as_text():
    return transcribed(response_format="text")


@example("transcription: verbose_json with times of words and segments")
def as_verbose_json():
    answer = transcribed(
        model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"], language="es"
    )
    assert answer.language == "spanish" and answer.segments[0].text == answer.text
    return " ".join(word.word for word in answer.words)


@example("transcription: srt")
def as_srt():
    return transcribed(model="whisper-1", response_format="srt").splitlines()[2]


@example("transcription: vtt")
def as_vtt():
    return transcribed(model="whisper-1", response_format="vtt").splitlines()[-1]


@example("transcription: stream=true")
def streamed():
    events = list(transcribed(stream=True))
    assert events[-1].type == "transcript.text.done"
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == events[-1].text
    return events[-1].text


@example("transcription: include logprobs, prompt, temperature")
def with_logprobs():
    answer = transcribed(include=["logprobs"], prompt="la casa", temperature=0)
    assert all(p.logprob <= 0 for p in answer.logprobs)
    return "".join(p.token for p in answer.logprobs)


@example("transcription: diarized_json")
def diarized():
    answer = transcribed(model="gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto")
    assert {segment.speaker for segment in answer.segments} == {"A"}
    return " ".join(segment.text for segment in answer.segments)


@example("transcription: diarized_json with the name of a known speaker")
def known_speaker():
    reference = f"data:audio/wav;base64,{base64.b64encode(HERE.audio()).decode()}"
    answer = transcribed(
        model="gpt-4o-transcribe-diarize",
        response_format="diarized_json",
        chunking_strategy="auto",
        known_speaker_names=["agent"],
        known_speaker_references=[reference],
    )
    assert {segment.speaker for segment in answer.segments} == {"agent"}
    return " ".join(segment.text for segment in answer.segments)


@example("transcription: diarized_json, stream=true")
def diarized_stream():
    events = list(transcribed(model="gpt-4o-transcribe-diarize", response_format="diarized_json", stream=True))
    return " ".join(event.text for event in events if event.type == "transcript.text.segment")


@example("transcription: the asynchronous client")
async def asynchronously():
    with (HERE.folder / "speech.wav").open("rb") as file:
        return (await async_client.audio.transcriptions.create(model="whisper-1", file=file)).text


SESSION = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "gpt-4o-transcribe", "language": "es"},
            "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300},
            "noise_reduction": {"type": "near_field"},
        }
    },
}
COMPLETED = "conversation.item.input_audio_transcription.completed"


@example("realtime transcription: server_vad, PCM at 24 kHz")
def realtime():
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        connection.session.update(session=SESSION)
        for piece in HERE.pieces("speech-24k.raw", 4800):
            connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        for event in connection:
            assert event.type != "error", event
            if event.type == COMPLETED:
                return event.transcript
    raise EOFError("the session ended without a transcript")


@example("realtime transcription: the asynchronous client, a commit by the client")
async def realtime_asynchronously():
    session = {**SESSION, "audio": {"input": {**SESSION["audio"]["input"], "turn_detection": None}}}
    deltas = []
    async with async_client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        await connection.session.update(session=session)
        for piece in HERE.pieces("speech-24k.raw", 4800):
            await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())
        await connection.input_audio_buffer.commit()
        async for event in connection:
            assert event.type != "error", event
            if event.type.endswith("transcription.delta"):
                deltas.append(event.delta)
            if event.type == COMPLETED:
                assert deltas
                return event.transcript
    raise EOFError("the session ended without a transcript")


@example("models")
def models():
    assert "es-demo" in [model.id for model in client.models.list()]


run()
