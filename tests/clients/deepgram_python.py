"""Deepgram's Python client, generations 6 and 7: recordings, live streams, turns."""

import threading

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

try:
    from deepgram.listen.v1 import ListenV1Configure
except ImportError:  # new in generation 7
    ListenV1Configure = None
from harness import LIMIT_SECONDS, example, place, run

HERE = place()
ENVIRONMENT = DeepgramClientEnvironment(
    **{
        name: value
        for name, value in {"base": HERE.http, "production": HERE.ws, "agent": HERE.ws, "agent_rest": HERE.http}.items()
        if name in DeepgramClientEnvironment.__init__.__code__.co_varnames  # agent_rest is new in generation 7
    }
)
client = DeepgramClient(api_key=HERE.key, environment=ENVIRONMENT)
async_client = AsyncDeepgramClient(api_key=HERE.key, environment=ENVIRONMENT)
RAW = {"encoding": "linear16", "sample_rate": 16000}
CONTAINERS = {"a WAV file": "pause.wav", "Ogg Opus": "pause.ogg", "WebM Opus": "pause.webm"}
CONTAINERS |= {"a FLAC file": "pause.flac", "an MP3 file": "pause.mp3"}
FAVOURED = {
    "one keyterm": {"keyterm": "grande"},
    "several keyterms": {"keyterm": ["grande", "la casa"]},
    "one of keywords": {"keywords": "grande:2"},
    "several keywords": {"keywords": ["grande:2", "casa"]},
}


def text_of(answer):
    return answer.results.channels[0].alternatives[0].transcript


def finals(messages):
    texts = [m.channel.alternatives[0].transcript for m in messages if m.type == "Results" and m.is_final]
    return " ".join(text for text in texts if text)


def listened(connection, pieces, finish=lambda c: c.send_close_stream()):
    """Everything that comes back while pieces are sent."""
    messages = []
    connection.on(EventType.MESSAGE, messages.append)
    listening = threading.Thread(target=connection.start_listening, daemon=True)
    listening.start()
    for piece in pieces:
        connection.send_media(piece)
    finish(connection)
    listening.join(LIMIT_SECONDS)
    assert not listening.is_alive(), "the stream did not end"
    return messages


@example("recording: a file")
def from_a_file():
    return text_of(client.listen.v1.media.transcribe_file(request=HERE.audio(), model="nova-3"))


@example("recording: an address")
def from_an_address():
    return text_of(client.listen.v1.media.transcribe_url(url=f"{HERE.files}/speech.wav", model="nova-3"))


@example("recording: answer to a callback")
def to_a_callback():
    name = f"python-{id(client)}"
    callback = f"{HERE.files}/received/{name}"
    accepted = client.listen.v1.media.transcribe_file(request=HERE.audio(), model="nova-3", callback=callback)
    answer = HERE.called_back(name)
    assert answer["metadata"]["request_id"] == accepted.request_id
    return answer["results"]["channels"][0]["alternatives"][0]["transcript"]


@example("recording: smart_format, utterances, paragraphs, diarize, keyterm, search, replace, redact, tag")
def with_everything():
    answer = client.listen.v1.media.transcribe_file(
        request=HERE.audio(),
        model="nova-3",
        smart_format=True,
        utterances=True,
        paragraphs=True,
        diarize=True,
        keyterm=["grande"],
        search=["casa"],
        replace=["grand:grande"],
        redact=["pci", "ssn"],
        tag=["one"],
    )
    channel = answer.results.channels[0]
    assert channel.search[0].hits[0].snippet == "casa" and answer.metadata.tags == ["one"]
    assert channel.alternatives[0].words[0].speaker == 0 and channel.alternatives[0].paragraphs.paragraphs
    return answer.results.utterances[0].transcript


@example("recording: the asynchronous client")
async def asynchronously():
    return text_of(await async_client.listen.v1.media.transcribe_file(request=HERE.audio(), model="nova-3"))


@example("recording: language detection")
def detected():
    answer = client.listen.v1.media.transcribe_file(request=HERE.audio(), detect_language=True)
    assert answer.results.channels[0].detected_language == "es"
    return text_of(answer)


@example("live: raw samples, interim results, events of speech and of an utterance's end")
def live():
    asked = {"model": "nova-3", "interim_results": True, "vad_events": True, "utterance_end_ms": 1000, **RAW}
    with client.listen.v1.connect(**asked, smart_format=True) as connection:
        messages = listened(connection, HERE.pieces("speech.raw"))
    kinds = {m.type for m in messages}
    assert {"SpeechStarted", "UtteranceEnd", "Metadata"} <= kinds, kinds
    assert any(m.type == "Results" and not m.is_final for m in messages)
    return finals(messages)


for title, file in CONTAINERS.items():

    @example(f"live: {title} without an encoding")
    def live_container(file=file):
        with client.listen.v1.connect(model="nova-3") as connection:
            return finals(listened(connection, HERE.pieces(file, 1000)))


for title, words in FAVOURED.items():

    @example(f"recording: {title}")
    def favoured(words=words):
        return text_of(client.listen.v1.media.transcribe_file(request=HERE.audio(), model="nova-3", **words))

    @example(f"live: {title}")
    def live_favoured(words=words):
        with client.listen.v1.connect(model="nova-3", **words, **RAW) as connection:
            return finals(listened(connection, HERE.pieces("speech.raw")))


@example("live: diarize, a speaker of every final word")
def live_diarize():
    with client.listen.v1.connect(model="nova-3", diarize=True, **RAW) as connection:
        messages = listened(connection, HERE.pieces("speech.raw"))
    results = [m for m in messages if m.type == "Results" and m.is_final]
    assert {int(w.speaker) for m in results for w in m.channel.alternatives[0].words} == {0}
    return finals(messages)


@example("live: KeepAlive, then Finalize")
def live_finalize():
    def finish(connection):
        connection.send_keep_alive()
        connection.send_finalize()
        connection.send_close_stream()

    with client.listen.v1.connect(model="nova-3", **RAW) as connection:
        messages = listened(connection, HERE.pieces("short.raw"), finish)
    assert any(m.type == "Results" and m.from_finalize for m in messages)
    return finals(messages)


def live_configure():
    def finish(connection):
        connection.send_configure(ListenV1Configure(keyterms=["grande"], features={"smart_format": True}))
        for piece in HERE.pieces("speech.raw"):
            connection.send_media(piece)
        connection.send_close_stream()

    with client.listen.v1.connect(model="nova-3", **RAW) as connection:
        messages = listened(connection, [], finish)
    assert next(m for m in messages if m.type == "ConfigureSuccess").keyterms == ["grande"]
    return finals(messages)


if ListenV1Configure is not None:
    example("live: Configure, keyterms and features of an open stream")(live_configure)


@example("live: the asynchronous client, message by message")
async def live_asynchronously():
    async with async_client.listen.v1.connect(model="nova-3", **RAW) as connection:
        for piece in HERE.pieces("speech.raw"):
            await connection.send_media(piece)
        await connection.send_close_stream()
        return finals([message async for message in connection])


@example("turns (Flux): a conversation")
def turns():
    asked = {"model": "flux-general-en", "eager_eot_threshold": 0.4, **RAW}
    with client.listen.v2.connect(**asked) as connection:
        messages = listened(connection, HERE.pieces("speech.raw"))
    events = [m.event for m in messages if m.type == "TurnInfo"]
    assert events[0] == "StartOfTurn" and "EagerEndOfTurn" in events, events
    return " ".join(m.transcript for m in messages if m.type == "TurnInfo" and m.event == "EndOfTurn")


@example("account: models")
def models():
    assert any(m.name == "es-demo" for m in client.manage.v1.models.list().stt)


@example("account: a token that expires, used for a stream")
def token():
    granted = client.auth.v1.tokens.grant(ttl_seconds=60)
    other = DeepgramClient(access_token=granted.access_token, environment=ENVIRONMENT)
    with other.listen.v1.connect(model="nova-3", **RAW) as connection:
        return finals(listened(connection, HERE.pieces("speech.raw")))


run()
