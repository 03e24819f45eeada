"""Deepgram's Python client, generation 3: recordings and live streams."""

import asyncio
import threading

from deepgram import (
    DeepgramClient,
    DeepgramClientOptions,
    LiveOptions,
    LiveTranscriptionEvents,
    PrerecordedOptions,
)
from harness import LIMIT_SECONDS, example, place, run

HERE = place()
client = DeepgramClient(HERE.key, DeepgramClientOptions(url=HERE.http, options={"keepalive": "true"}))

CONTAINERS = {"a WAV file": "pause.wav", "Ogg Opus": "pause.ogg", "WebM Opus": "pause.webm"}
CONTAINERS |= {"a FLAC file": "pause.flac", "an MP3 file": "pause.mp3"}
FAVOURED = {
    "one keyterm": {"keyterm": ["grande"]},
    "several keyterms": {"keyterm": ["grande", "la casa"]},
    "one of keywords": {"keywords": ["grande:2"]},
    "several keywords": {"keywords": ["grande:2", "casa"]},
}


def text_of(answer):
    return answer.results.channels[0].alternatives[0].transcript


@example("recording: a file")
def from_a_file():
    options = PrerecordedOptions(model="nova-2", smart_format=True, utterances=True, punctuate=True, diarize=True)
    return text_of(client.listen.rest.v("1").transcribe_file({"buffer": HERE.audio()}, options))


@example("recording: an address")
def from_an_address():
    options = PrerecordedOptions(model="nova-2", smart_format=True)
    return text_of(client.listen.rest.v("1").transcribe_url({"url": f"{HERE.files}/speech.wav"}, options))


@example("recording: answer to a callback")
def to_a_callback():
    options, name = PrerecordedOptions(model="nova-2"), "python-3"
    callback = f"{HERE.files}/received/{name}"
    accepted = client.listen.rest.v("1").transcribe_file_callback({"buffer": HERE.audio()}, callback, options)
    answer = HERE.called_back(name)
    assert answer["metadata"]["request_id"] == accepted.request_id
    return answer["results"]["channels"][0]["alternatives"][0]["transcript"]


@example("recording: the asynchronous client")
async def asynchronously():
    answer = await client.listen.asyncrest.v("1").transcribe_file(
        {"buffer": HERE.audio()}, PrerecordedOptions(model="nova-2")
    )
    return text_of(answer)


def streamed(options, file):
    connection = client.listen.websocket.v("1")
    texts, described, closed = [], [], threading.Event()

    def on_message(_, result, **__):
        sentence = result.channel.alternatives[0].transcript
        if result.is_final and sentence:
            texts.append(sentence)

    connection.on(LiveTranscriptionEvents.Transcript, on_message)
    connection.on(LiveTranscriptionEvents.Metadata, lambda _, metadata, **__: described.append(metadata))
    connection.on(LiveTranscriptionEvents.Close, lambda *_, **__: closed.set())
    assert connection.start(options), "the stream did not begin"
    for piece in HERE.pieces(file):
        connection.send(piece)
    connection.send('{"type": "CloseStream"}')  # finish() does not wait for the last results
    closed.wait(LIMIT_SECONDS)
    connection.finish()
    assert described, "no Metadata"
    return " ".join(texts)


@example("live: raw samples, interim results, events")
def live():
    options = LiveOptions(
        model="nova-2",
        language="es",
        smart_format=True,
        encoding="linear16",
        channels=1,
        sample_rate=16000,
        interim_results=True,
        utterance_end_ms="1000",
        vad_events=True,
        endpointing=300,
    )
    return streamed(options, "speech.raw")


for title, file in CONTAINERS.items():

    @example(f"live: {title} without an encoding")
    def live_container(file=file):
        return streamed(LiveOptions(model="nova-2"), file)


for title, words in FAVOURED.items():

    @example(f"recording: {title}")
    def favoured(words=words):
        options = PrerecordedOptions(model="nova-2", **words)
        return text_of(client.listen.rest.v("1").transcribe_file({"buffer": HERE.audio()}, options))

    @example(f"live: {title}")
    def live_favoured(words=words):
        options = LiveOptions(model="nova-2", encoding="linear16", sample_rate=16000, **words)
        return streamed(options, "speech.raw")


@example("live: the asynchronous client")
async def live_asynchronously():
    connection, texts, closed = client.listen.asyncwebsocket.v("1"), [], asyncio.Event()

    async def on_message(_, result, **__):
        sentence = result.channel.alternatives[0].transcript
        if result.is_final and sentence:
            texts.append(sentence)

    async def on_close(*_, **__):
        closed.set()

    connection.on(LiveTranscriptionEvents.Transcript, on_message)
    connection.on(LiveTranscriptionEvents.Close, on_close)
    assert await connection.start(LiveOptions(model="nova-2", encoding="linear16", sample_rate=16000))
    for piece in HERE.pieces("speech.raw"):
        await connection.send(piece)
    await connection.send('{"type": "CloseStream"}')
    await asyncio.wait_for(closed.wait(), LIMIT_SECONDS)
    await connection.finish()
    return " ".join(texts)


run()
