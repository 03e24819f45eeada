"""The official clients of Deepgram and OpenAI, unchanged, against a real server."""

import base64
import contextlib
import importlib.util
import io
import threading
import time

import numpy as np
import pytest
import soundfile
from serving import KEY, SENTENCE, alike, linear16, speech, wav

pytestmark = pytest.mark.pipeline
PAUSE = np.zeros(24_000, np.float32)


def deepgram(server, key=KEY):
    from deepgram import DeepgramClient
    from deepgram.environment import DeepgramClientEnvironment

    http, ws = f"http://{server.host}", f"ws://{server.host}"
    environment = DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)
    return DeepgramClient(api_key=key, environment=environment)


def openai(server, key=KEY):
    from openai import OpenAI

    return OpenAI(api_key=key, base_url=f"http://{server.host}/v1", max_retries=0)


def live(server, talk, **parameters):
    """Open a stream with the official client, let `talk` send, and return everything that came back."""
    from deepgram.core.events import EventType
    from websockets.exceptions import ConnectionClosed

    given = {"model": "es-demo", "encoding": "linear16", "sample_rate": 16000, **parameters}
    given = {name: value for name, value in given.items() if value is not None}
    received = []
    with deepgram(server).listen.v1.connect(**given) as stream:
        stream.on(EventType.MESSAGE, received.append)
        listening = threading.Thread(target=stream.start_listening)
        listening.start()
        talk(stream)
        with contextlib.suppress(ConnectionClosed):  # by the server, where it refuses what it is sent
            stream.send_close_stream()
        listening.join(60)
        assert not listening.is_alive()
    return received


def in_pieces(samples, size=3200):
    data = linear16(samples)
    return (data[start : start + size] for start in range(0, len(data), size))


def text_of(message):
    return message.channel.alternatives[0].transcript


def test_deepgram_pre_recorded(server):
    answer = deepgram(server).listen.v1.media.transcribe_file(
        request=wav(speech()), model="es-demo", smart_format=True, utterances=True, paragraphs=True, tag=["a", "b"]
    )
    heard = answer.results.channels[0].alternatives[0]
    assert heard.transcript == f"{SENTENCE.capitalize()}."
    assert [w.word for w in heard.words] == SENTENCE.split()
    assert all(0 <= w.start < w.end <= answer.metadata.duration + 0.1 and 0 < w.confidence <= 1 for w in heard.words)
    assert answer.results.utterances[0].transcript == heard.transcript == heard.paragraphs.transcript
    assert (answer.metadata.channels, answer.metadata.tags) == (1, ["a", "b"])
    assert answer.metadata.model_info["es-demo@2"]["version"] == "2"


def test_deepgram_keywords_change_what_is_heard(server):
    def heard(**asked):
        answer = deepgram(server).listen.v1.media.transcribe_file(request=wav(speech()), model="es-demo", **asked)
        return answer.results.channels[0].alternatives[0].transcript

    assert heard() == SENTENCE
    assert heard(keywords=["cosa:8"]).split()[3:4] == ["cosa"]  # one letter from what was said
    assert heard(keywords=["elefante"]) == SENTENCE


def test_deepgram_transcribes_each_channel_by_itself(server):
    one, other = speech("buenos días"), speech("la casa es grande")
    stereo = np.zeros((max(one.size, other.size), 2), np.float32)
    stereo[: one.size, 0], stereo[: other.size, 1] = one, other
    answer = deepgram(server).listen.v1.media.transcribe_file(request=wav(stereo), model="es-demo", multichannel=True)
    texts = [channel.alternatives[0].transcript for channel in answer.results.channels]
    assert alike(texts[0], "buenos días") and alike(texts[1], "la casa es grande") and answer.metadata.channels == 2


def test_deepgram_detects_the_language(server):
    found = {}
    for language, locale, text in (("es", "es", SENTENCE), ("en", "en-us", "the house is very big and old")):
        answer = deepgram(server).listen.v1.media.transcribe_file(
            request=wav(speech(text, locale)), detect_language=True
        )
        found[language] = answer.results.channels[0].detected_language
        assert answer.metadata.model_info[f"{language}-demo@2"]["name"] == f"{language}-demo"
    assert found == {"es": "es", "en": "en"}


def test_deepgram_refusals_are_the_clients_errors(server):
    from deepgram.core.api_error import ApiError

    def refused(key=KEY, **parameters):
        with pytest.raises(ApiError) as error:
            deepgram(server, key).listen.v1.media.transcribe_file(
                **{"request": wav(speech()), "model": "es-demo", **parameters}
            )
        return error.value.status_code, error.value.body["err_code"]

    assert refused(key="no-key-of-this-server") == (401, "INVALID_AUTH")
    assert refused(model="nova-3") == (404, "MODEL_NOT_FOUND")
    assert refused(summarize=True) == (400, "BAD_PARAMETER")
    assert refused(keywords=["жук"]) == (400, "BAD_PARAMETER")
    assert refused(request=b"no audio at all") == (400, "BAD_AUDIO")
    assert refused(request=b"") == (400, "BAD_AUDIO")
    with pytest.raises(ApiError) as error:
        deepgram(server).listen.v1.media.transcribe_url(url="http://127.0.0.1/secret", model="es-demo")
    assert error.value.body["err_code"] == "REMOTE_NOT_ALLOWED"


def test_deepgram_searches_replaces_and_masks(server):
    said = speech("la casa es grande")
    asked = {"search": ["casa", "elefante"], "replace": ["es:era", "la:"], "profanity_filter": True}
    answer = deepgram(server).listen.v1.media.transcribe_file(request=wav(said), model="es-demo", **asked)
    channel = answer.results.channels[0]
    assert channel.alternatives[0].transcript == "casa era g*****"
    found = {s.query: [h.snippet for h in s.hits] for s in channel.search}
    assert found == {"casa": ["casa"], "elefante": []}

    def talk(stream):
        for piece in in_pieces(speech()):
            stream.send_media(piece)

    received = live(server, talk, replace="es:era", profanity_filter=True, tag="a", extra="k:v")
    assert " ".join(text_of(m) for m in received if m.type == "Results").strip() == "buenos días la casa era g*****"
    assert (received[-1].tags, received[-1].extra) == (["a"], {"k": "v"})


def test_deepgram_lists_models_in_its_own_shape(server):
    client = deepgram(server)
    listed = client.manage.v1.models.list().stt
    assert [m.name for m in listed][:2] == ["en-demo", "es-demo"] and listed[1].languages == ["es"]
    assert client.manage.v1.models.get("es-demo").canonical_name == "es-demo@2"


def test_both_clients_are_told_who_speaks(server):
    if importlib.util.find_spec("resemblyzer") is None:
        pytest.skip("the extra `speakers` is not installed")
    # One synthesiser is one voice, whatever its pitch; people are told apart in bench/speakers.py.
    recording = wav(np.concatenate([speech(), PAUSE] * 3))
    answer = deepgram(server).listen.v1.media.transcribe_file(
        request=recording, model="es-demo", diarize=True, utterances=True
    )
    words = answer.results.channels[0].alternatives[0].words
    assert {int(word.speaker) for word in words} == {0}
    assert {utterance.speaker for utterance in answer.results.utterances} == {0}
    diarized = openai(server).audio.transcriptions.create(
        file=("a.wav", recording), model="es-demo", response_format="diarized_json"
    )
    assert {segment.speaker for segment in diarized.segments} == {"A"}
    assert " ".join(segment.text for segment in diarized.segments) == diarized.text


def test_deepgram_tokens_stand_for_the_key(server):
    from deepgram.core.api_error import ApiError

    granted = deepgram(server).auth.v1.tokens.grant(ttl_seconds=600)
    assert granted.expires_in == 600
    for client in (deepgram(server, granted.access_token), openai(server, granted.access_token)):
        assert client.manage.v1.models.list().stt if hasattr(client, "manage") else client.models.list().data
    with pytest.raises(ApiError) as error:
        deepgram(server, granted.access_token).auth.v1.tokens.grant()
    assert error.value.status_code == 403
    for token in (
        granted.access_token.replace("granted.", "granted.0"),
        "granted.",
        "granted..1.",
    ):
        with pytest.raises(ApiError) as error:
            deepgram(server, token).manage.v1.models.list()
        assert error.value.status_code == 401


def test_deepgram_live(server):
    def talk(stream):
        for piece in in_pieces(np.concatenate([speech(), PAUSE, speech("la casa es grande"), PAUSE])):
            stream.send_media(piece)
        stream.send_keep_alive()

    received = live(
        server, talk, interim_results=True, vad_events=True, utterance_end_ms=1000, endpointing=300, punctuate=True
    )
    kinds = [m.type for m in received]
    assert kinds.count("SpeechStarted") == kinds.count("UtteranceEnd") == 2
    assert kinds[0] == "SpeechStarted" and kinds[-1] == "Metadata"
    results = [m for m in received if m.type == "Results"]
    finals = [m for m in results if m.is_final and text_of(m)]
    assert len(finals) == 2 and all(m.speech_final and text_of(m).endswith(".") for m in finals)
    assert alike(text_of(finals[1]), "La casa es grande.")
    assert any(not m.is_final for m in results)
    assert all(m.metadata.model_info.name == "es-demo" for m in results)
    words = [w for m in finals for w in m.channel.alternatives[0].words]
    assert [w.start for w in words] == sorted(w.start for w in words)
    ends = [m.last_word_end for m in received if m.type == "UtteranceEnd"]
    assert ends[0] == pytest.approx(finals[0].channel.alternatives[0].words[-1].end)
    assert received[-1].duration == pytest.approx(
        2 * 1.5 + (speech().size + speech("la casa es grande").size) / 16000, abs=0.1
    )


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
def test_deepgram_live_without_an_encoding_reads_a_container(server, container):
    file = io.BytesIO()
    soundfile.write(file, np.concatenate([speech(), PAUSE]), 16_000, format=container)
    data = file.getvalue()

    def talk(stream):
        for start in range(0, len(data), 1024):
            stream.send_media(data[start : start + 1024])

    received = live(server, talk, encoding=None, sample_rate=None)
    assert alike(" ".join(text_of(m) for m in received if m.type == "Results" and m.is_final), SENTENCE)
    assert received[-1].type == "Metadata" and received[-1].duration == pytest.approx(
        speech().size / 16000 + 1.5, abs=0.1
    )


def test_deepgram_live_says_what_to_send_in_place_of_noise(server):
    received = live(server, lambda stream: stream.send_media(bytes(3200)), encoding=None, sample_rate=None)
    assert [m.type for m in received] == ["Error"] and "need an encoding" in received[0].description


def test_deepgram_live_finalizes_in_the_middle_of_speech(server):
    def talk(stream):
        for piece in in_pieces(speech()):
            stream.send_media(piece)
        stream.send_finalize()

    received = live(server, talk)
    finalized = [m for m in received if m.type == "Results" and m.from_finalize]
    assert len(finalized) == 1 and "casa" in text_of(finalized[0])
    assert not any(m.type == "Results" and not m.is_final for m in received)


def test_deepgram_live_listens_to_each_channel(server):
    one, other = speech("buenos días"), speech("la casa es grande")
    stereo = np.zeros((max(one.size, other.size) + PAUSE.size, 2), np.float32)
    stereo[: one.size, 0], stereo[: other.size, 1] = one, other

    def talk(stream):
        for piece in in_pieces(stereo):
            stream.send_media(piece)

    received = live(server, talk, channels=2, multichannel=True)
    texts = {}
    for message in received:
        if message.type == "Results" and text_of(message):
            assert message.channel_index[1] == 2
            texts.setdefault(message.channel_index[0], []).append(text_of(message))
    assert alike(" ".join(texts[0]), "buenos días") and alike(" ".join(texts[1]), "la casa es grande")


def test_deepgram_live_refusals_come_before_the_stream(server):
    from deepgram.core.api_error import ApiError
    from websockets.exceptions import InvalidStatus

    for wrong, status in (({"model": "nova-3"}, 404), ({"redact": "pci"}, 400), ({"encoding": "speex"}, 400)):
        with pytest.raises((ApiError, InvalidStatus)) as error:
            live(server, lambda stream: None, **wrong)
        found = error.value
        assert (found.response.status_code if isinstance(found, InvalidStatus) else found.status_code) == status


def turns(server, talk, **parameters):
    """Open a stream of turns with the official client, let `talk` send, and return everything that came back."""
    from deepgram.core.events import EventType

    given = {"model": "es-demo", "encoding": "linear16", "sample_rate": 16000, **parameters}
    received = []
    with deepgram(server).listen.v2.connect(**given) as stream:
        stream.on(EventType.MESSAGE, received.append)
        listening = threading.Thread(target=stream.start_listening)
        listening.start()
        talk(stream)
        stream.send_close_stream()
        listening.join(60)
        assert not listening.is_alive()
    return received


def test_deepgram_flux_tells_turns_apart(server):
    def talk(stream):
        for piece in in_pieces(np.concatenate([speech(), PAUSE, speech("la casa es grande"), PAUSE])):
            stream.send_media(piece)

    received = turns(server, talk, eager_eot_threshold=0.4, eot_threshold=0.8)
    assert [m.sequence_id for m in received] == list(range(len(received)))
    assert received[0].type == "Connected" and all(m.type == "TurnInfo" for m in received[1:])
    told = received[1:]
    for turn, said in enumerate([SENTENCE, "la casa es grande"]):
        events = [m for m in told if m.turn_index == turn]
        assert events[0].event == "StartOfTurn" and events[-1].event == "EndOfTurn"
        assert "Update" in [m.event for m in events] and "EagerEndOfTurn" in [m.event for m in events]
        assert events[-1].trigger == "model" and events[-1].end_of_turn_confidence >= 0.8 - 1e-4
        assert alike(events[-1].transcript.lower().rstrip("."), said) and events[-1].transcript[0].isupper()
        assert [w.word for w in events[-1].words] == events[-1].transcript.split()
        eager = next(m for m in events if m.event == "EagerEndOfTurn")
        assert 0.4 <= eager.end_of_turn_confidence < 0.8
        assert eager.audio_window_end < events[-1].words[-1].end + 0.8
    assert len({m.turn_index for m in told}) == 2


def test_deepgram_flux_resumes_a_turn_after_a_short_pause(server):
    short = np.zeros(int(16_000 * 0.45), np.float32)

    def talk(stream):
        for piece in in_pieces(np.concatenate([speech("buenos días"), short, speech("la casa es grande"), PAUSE])):
            stream.send_media(piece)

    received = turns(server, talk, eager_eot_threshold=0.3, eot_threshold=0.9)
    events = [m.event for m in received[1:]]
    assert events.count("EndOfTurn") == 1 and "TurnResumed" in events
    assert events.index("EagerEndOfTurn") < events.index("TurnResumed") < events.index("EndOfTurn")


def test_deepgram_flux_ends_turns_on_request_and_by_time(server):
    def talk(stream):
        stream.send_configure({"type": "Configure", "thresholds": {"eot_threshold": 1.0, "eot_timeout_ms": 1200}})
        for piece in in_pieces(np.concatenate([speech(), PAUSE, speech("la casa es grande")])):
            stream.send_media(piece)
        stream.send_force_end_turn()
        stream.send_configure({"type": "Configure", "thresholds": {"eot_threshold": 7}})

    received = turns(server, talk)
    assert [m.type for m in received if m.type != "TurnInfo"] == ["Connected", "ConfigureSuccess", "ConfigureFailure"]
    assert [m.trigger for m in received if m.type == "TurnInfo" and m.event == "EndOfTurn"] == ["timeout", "manual"]
    assert next(m for m in received if m.type == "ConfigureFailure").description.startswith("eot_threshold")


def test_openai_in_every_format(server):
    def made(**parameters):
        file = ("speech.wav", wav(speech()))
        return openai(server).audio.transcriptions.create(file=file, model="es-demo", **parameters)

    assert made().text == SENTENCE
    assert made(response_format="text").strip() == SENTENCE
    verbose = made(response_format="verbose_json", timestamp_granularities=["word", "segment"], language="es")
    assert (verbose.text, verbose.language, verbose.segments[0].text) == (SENTENCE, "spanish", SENTENCE)
    assert [w.word for w in verbose.words] == SENTENCE.split()
    assert verbose.duration == pytest.approx(speech().size / 16000, abs=0.01)
    srt, vtt = made(response_format="srt"), made(response_format="vtt")
    assert srt.startswith("1\n00:00:00,0") and SENTENCE in srt
    assert vtt.startswith("WEBVTT\n") and SENTENCE in vtt


def test_openai_streams_text_as_it_is_recognised(server):
    samples = np.concatenate([part for _ in range(8) for part in (speech(), PAUSE)])
    assert samples.size > 20 * 16_000
    times, events = [], []
    for event in openai(server).audio.transcriptions.create(
        file=("speech.wav", wav(samples)), model="es-demo", stream=True
    ):
        times.append(time.monotonic())
        events.append(event)
    deltas = [e.delta for e in events if e.type == "transcript.text.delta"]
    assert len(deltas) == 8 and events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text
    assert times[0] < times[-1]


def test_openai_streams_the_words_of_the_request_without_a_stream(server):
    for pause in (0.3, 1.5):
        gap = np.zeros(int(pause * 16_000), np.float32)
        samples = np.concatenate([part for _ in range(10) for part in (speech("la casa"), gap, speech(), gap)])
        request = {"file": ("speech.wav", wav(samples)), "model": "es-demo"}
        whole = openai(server).audio.transcriptions.create(**request)
        events = list(openai(server).audio.transcriptions.create(**request, stream=True))
        assert events[-1].text == whole.text == "".join(e.delta for e in events[:-1])


def test_openai_words_that_are_likelier_are_heard(server):
    def heard(**fields):
        file = ("speech.wav", wav(speech("vaya")))
        return openai(server).audio.transcriptions.create(file=file, model="es-demo", **fields)

    assert heard().text == "baya"
    biased = heard(keywords=["vaya"], languages=["pt", "es"], include=["logprobs"])
    assert biased.text == "vaya" == "".join(p.token for p in biased.logprobs)
    assert heard(prompt="Жук: ¡Baya, señor!").text == "baya"  # letters that it lacks do no harm


def realtime(server, settings, talk):
    """A session with the official client; returns its events up to what `talk` waits for."""
    received = []
    with openai(server).realtime.connect(extra_query={"intent": "transcription"}) as session:
        received.append(session.recv())
        session.session.update(session={"type": "transcription", **settings})
        received.append(session.recv())

        def until(kind, count=1):
            while sum(e.type.endswith(kind) for e in received) < count:
                received.append(session.recv())

        talk(session, until)
    return received


def at_24_khz(samples):
    import soxr

    return base64.b64encode(linear16(soxr.resample(samples, 16_000, 24_000))).decode()


def test_openai_realtime_transcribes_turns(server):
    def talk(session, until):
        for said in (SENTENCE, "la casa es grande"):
            for piece in np.array_split(np.concatenate([speech(said), PAUSE]), 12):
                session.input_audio_buffer.append(audio=at_24_khz(piece))
        until("transcription.completed", 2)

    settings = {"audio": {"input": {"transcription": {"model": "es-demo"}, "turn_detection": {"type": "server_vad"}}}}
    settings["include"] = ["item.input_audio_transcription.logprobs"]
    events = realtime(server, settings, talk)
    assert [e.type for e in events[:2]] == ["session.created", "session.updated"]
    assert events[1].session.audio.input.transcription.model == "es-demo"
    completed = [e for e in events if e.type == "conversation.item.input_audio_transcription.completed"]
    for event, said in zip(completed, (SENTENCE, "la casa es grande"), strict=True):
        assert alike(event.transcript, said) and event.usage.type == "duration"
        assert "".join(p.token for p in event.logprobs) == event.transcript
        about = [e.type.rpartition(".")[2] for e in events if getattr(e, "item_id", None) == event.item_id]
        assert about[0] == "speech_started" and about.index("speech_stopped") < about.index("committed")
        assert "delta" in about and about[-1] == "completed"
    committed = [e for e in events if e.type == "input_audio_buffer.committed"]
    assert [e.previous_item_id for e in committed] == [None, committed[0].item_id]


def test_openai_realtime_takes_commits_and_forgets_what_is_cleared(server):
    def talk(session, until):
        session.input_audio_buffer.append(audio=at_24_khz(speech("la casa es grande")))
        session.input_audio_buffer.clear()
        until("buffer.cleared")
        session.input_audio_buffer.commit()  # of nothing
        until("error")
        session.input_audio_buffer.append(audio=at_24_khz(speech("buenos días")))
        session.input_audio_buffer.commit()
        until("transcription.completed")
        session.input_audio_buffer.append(audio="no base64!")
        until("error", 2)

    settings = {"audio": {"input": {"transcription": {"model": "es-demo"}, "turn_detection": None}}}
    events = realtime(server, settings, talk)
    assert not any("speech_st" in e.type for e in events)
    errors = [e.error.code for e in events if e.type == "error"]
    assert errors == ["input_audio_buffer_commit_empty", "bad_audio"]
    texts = [e.transcript for e in events if e.type.endswith("transcription.completed")]
    assert len(texts) == 1 and alike(texts[0], "buenos días")


def test_openai_realtime_refuses_what_it_cannot_do(server):
    from openai import OpenAIError
    from websockets.exceptions import InvalidStatus

    with pytest.raises((InvalidStatus, OpenAIError)), openai(server).realtime.connect(model="gpt-realtime"):
        pass

    def talk(session, until):
        session.response.create()
        until("error")
        session.session.update(session={"type": "realtime"})
        until("error", 2)
        session.session.update(session={"type": "transcription", "audio": {"input": {"turn_detection": {"type": "x"}}}})
        until("error", 3)
        session.send_raw('{"type": "session.update", "event_id": "\\ud800", "session": {}}')  # half a character
        until("error", 4)

    events = realtime(server, {"audio": {"input": {"transcription": {"model": "es-demo"}}}}, talk)
    assert [e.error.param for e in events if e.type == "error"] == ["type", "session.type", "audio", None]


def test_openai_lists_models(server):
    names = [m.id for m in openai(server).models.list()]
    assert names[:2] == ["en-demo", "es-demo"] and {"en-demo@2", "es-demo@2"} < set(names)
    assert openai(server).models.retrieve("es-demo@2").id == "es-demo@2"


def test_openai_refusals_are_the_clients_errors(server):
    import openai as package

    file = ("speech.wav", wav(speech()))
    with pytest.raises(package.NotFoundError) as error:
        openai(server).audio.transcriptions.create(file=file, model="whisper-1")
    assert (error.value.code, error.value.param) == ("model_not_found", "model")
    with pytest.raises(package.AuthenticationError):
        openai(server, "no-key-of-this-server").models.list()
    with pytest.raises(package.BadRequestError) as error:
        openai(server).audio.transcriptions.create(file=("speech.wav", b"no audio"), model="es-demo")
    assert error.value.code == "bad_audio"
    with pytest.raises(package.NotFoundError):
        openai(server).models.retrieve("whisper-1")
