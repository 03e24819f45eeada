"""One live stream against a real model: what official clients are promised, whatever way the bytes come."""

import importlib.util
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving import alike, linear16, speech, wav

from vizinho.errors import AudioError
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.together import alone
from vizinho.server.protocols.deepgram_live import LiveMessages, LiveQuery, read_query
from vizinho.server.security.refusals import Refusal
from vizinho.server.served import ServedModel
from vizinho.server.workers.session import LiveSession
from vizinho.store.store import BUNDLED

MODEL = ServedModel("es-demo", 2, BUNDLED / "es-demo" / "2", "es")
BASE = [("encoding", "linear16"), ("sample_rate", "16000")]


@pytest.fixture(scope="module")
def transcriber():
    return Recognizer.load(BUNDLED / "es-demo" / "2", "torch")


@pytest.fixture(scope="module")
def said():
    pause = np.zeros(16_000, np.float32)
    return linear16(np.concatenate([speech(), pause, speech("la casa es grande"), pause]))


class Stream:
    """A stream as a client sees it: the worker's session, and the messages made of its reports."""

    def __init__(self, transcriber, *pairs, max_seconds=60.0, base=BASE):
        query = read_query([*base, *pairs])
        self._session = LiveSession(transcriber, query.opening(MODEL, max_seconds), MODEL)
        self.messages = LiveMessages(query, "id-1", MODEL)

    def accept(self, data):
        self.messages.add_audio(data)
        return self.messages.results(alone(self._session.accept(data)))

    def finalize(self):
        return self.messages.finalized(alone(self._session.finalize()))

    def close(self):
        return self.messages.closed(alone(self._session.close()))


session = Stream


def finals(messages):
    return [
        m["channel"]["alternatives"][0]["transcript"]
        for m in messages
        if m["type"] == "Results" and m["is_final"] and m["channel"]["alternatives"][0]["words"]
    ]


@settings(max_examples=4)
@given(cuts=st.lists(st.integers(1, 150_000), max_size=12))
def test_results_do_not_depend_on_how_the_bytes_were_cut(transcriber, said, cuts):
    whole, cut = session(transcriber), session(transcriber)
    expected = whole.accept(said) + whole.close()
    at, messages = 0, []
    for size in [*cuts, len(said)]:
        messages += cut.accept(said[at : at + size])
        at += size
    assert messages + cut.close() == [*expected[:-1], {**expected[-1], "created": cut_created(cut)}]


def cut_created(session):
    return session.messages.began.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_only_what_was_asked_for_is_sent(transcriber, said):
    plain = session(transcriber)
    kinds = {m["type"] for m in plain.accept(said) + plain.close()}
    assert kinds == {"Results", "Metadata"}
    asked = session(transcriber, ("vad_events", "true"), ("utterance_end_ms", "500"), ("interim_results", "true"))
    messages = asked.accept(said) + asked.close()
    assert {m["type"] for m in messages} == {"SpeechStarted", "UtteranceEnd", "Results", "Metadata"}
    assert any(not m["is_final"] for m in messages if m["type"] == "Results")
    assert all(json.dumps(m) for m in messages)


def test_final_results_follow_each_other_without_gap_or_overlap(transcriber, said):
    stream = session(transcriber)
    spans = [m for m in stream.accept(said) + stream.close() if m["type"] == "Results"]
    assert spans[0]["start"] == 0
    for before, after in pairwise(spans):
        assert after["start"] == pytest.approx(before["start"] + before["duration"], abs=2e-3)


def test_sentences_are_written_where_pauses_are(transcriber, said):
    stream = session(transcriber, ("punctuate", "true"))
    found = finals(stream.accept(said) + stream.close())
    assert len(found) == 2 and alike(found[1], "La casa es grande.") and found[1][0] == "L" and found[1][-1] == "."


def test_without_endpoints_a_pause_does_not_end_an_utterance(transcriber, said):
    stream = session(transcriber, ("endpointing", "false"))
    assert len(finals(stream.accept(said) + stream.close())) == 1


@pytest.mark.skipif(importlib.util.find_spec("resemblyzer") is None, reason="the extra `speakers` is not installed")
def test_words_of_final_results_have_a_speaker_where_people_are_to_be_told_apart(transcriber, said):
    stream = session(transcriber, ("diarize", "true"), ("interim_results", "true"), ("numerals", "true"))
    results = [m for m in [*stream.accept(said), *stream.close()] if m["type"] == "Results"]
    words = [(m["is_final"], w.get("speaker")) for m in results for w in m["channel"]["alternatives"][0]["words"]]
    assert set(words) == {(True, 0), (False, None)}
    assert read_query([*BASE, ("diarize_model", "latest")]).speakers and not read_query(BASE).speakers


def test_channels_are_mixed_unless_each_is_asked_for(transcriber):
    stereo = np.zeros((40_000, 2), np.float32)
    stereo[: speech().size, 1] = speech()[:40_000]
    mixed = session(transcriber, ("channels", "2"))
    assert {m["channel_index"][1] for m in mixed.accept(linear16(stereo)) + mixed.finalize()} == {1}
    apart = session(transcriber, ("channels", "2"), ("multichannel", "true"))
    messages = apart.accept(linear16(stereo)) + apart.finalize()
    assert {tuple(m["channel_index"]) for m in messages} == {(0, 2), (1, 2)}


def test_a_stream_has_a_longest_length(transcriber):
    stream = session(transcriber, max_seconds=1.0)
    stream.accept(bytes(32_000))
    with pytest.raises(Refusal) as refused:
        stream.accept(bytes(32))
    assert refused.value.status == 413


def test_a_container_says_how_many_channels_there_are(transcriber):
    one, other = speech("buenos días"), speech("la casa es grande")
    stereo = np.zeros((max(one.size, other.size) + 16_000, 2), np.float32)
    stereo[: one.size, 0], stereo[: other.size, 1] = one, other
    data = wav(stereo)
    stream = session(transcriber, ("multichannel", "true"), base=[])
    messages = [m for at in range(0, len(data), 3200) for m in stream.accept(data[at : at + 3200])] + stream.close()
    results = [m for m in messages if m["type"] == "Results"]
    texts = {n: " ".join(finals([m for m in results if m["channel_index"][0] == n])) for n in (0, 1)}
    assert alike(texts[0], "buenos días") and alike(texts[1], "la casa es grande")
    assert {m["channel_index"][1] for m in results} == {2} and messages[-1]["channels"] == 2
    mixed = session(transcriber, base=[])
    mixed.accept(data)
    assert mixed.close()[-1]["channels"] == 1


def test_bytes_that_begin_no_container_are_refused(transcriber):
    with pytest.raises(AudioError, match="need an encoding"):
        session(transcriber, base=[]).accept(bytes(100))


@pytest.mark.parametrize(
    ("pairs", "parameter"),
    [
        ([("encoding", "speex"), ("sample_rate", "16000")], "encoding"),
        ([("encoding", "linear16")], "sample_rate"),
        ([("encoding", "linear16"), ("sample_rate", "1")], "sample_rate"),
        ([*BASE, ("channels", "0")], "channels"),
        ([*BASE, ("endpointing", "-3")], "endpointing"),
        ([*BASE, ("utterance_end_ms", "soon")], "utterance_end_ms"),
        ([*BASE, ("model", "a"), ("model", "b")], "model"),
    ],
)
def test_wrong_parameters_are_named(pairs, parameter):
    with pytest.raises(Refusal) as refused:
        read_query(pairs)
    assert (refused.value.status, refused.value.parameter) == (400, parameter)


@pytest.mark.parametrize("name", ["keyterm", "keywords", "tag", "extra", "replace"])
def test_what_may_be_repeated_may_come_once(name):
    assert getattr(read_query([*BASE, (name, "a")]), name) == ["a"]
    assert getattr(read_query([*BASE, (name, "a"), (name, "b")]), name) == ["a", "b"]


def test_endpointing_is_a_time_or_a_switch():
    assert [read_query([*BASE, ("endpointing", v)]).endpointing for v in ("300", "false", "true")] == [300, False, None]
    assert LiveQuery().endpointing is None
