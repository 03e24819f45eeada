"""Streams that compute together say what each says alone."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.audio.features import make_extractor
from vizinho.model.checkpoint import save_checkpoint
from vizinho.model.fast import Chunks, set_chunks
from vizinho.model.networks import Checkpoint
from vizinho.model.presets import build_model
from vizinho.recognition import live
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Partial, StreamOptions, StreamSession
from vizinho.recognition.together import alone, together
from vizinho.recognition.vad import SpeechProbability, detect
from vizinho.text.tokens import character_tokenizer

NOISE = (np.random.default_rng(1).standard_normal(8 * 16_000) * 0.1).astype(np.float32)
BLOCK = 1600


class Voice:
    """A detector that hears speech from one second on, for two seconds, and again."""

    def __init__(self):
        self._seen = 0

    def feed(self, samples):
        before, self._seen = self._seen // 512, self._seen + samples.size
        return np.array([float(n % 94 >= 31) for n in range(before, self._seen // 512)])


@pytest.fixture(scope="module", params=["onnx", "torch"])
def recognizer(request, tmp_path_factory):
    tokenizer = character_tokenizer("abcdeo")
    model = build_model("micro", len(tokenizer), tokenizer.pad_token_id).eval()
    set_chunks(model, Chunks(8, 2))
    folder = tmp_path_factory.mktemp("model")
    save_checkpoint(folder, Checkpoint(model, make_extractor(), tokenizer))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIZINHO_HOME", str(tmp_path_factory.mktemp("home")))
        opened = Recognizer.load(folder, engine=request.param)
        opened.live()
    return opened


@settings(max_examples=10)
@given(ages=st.lists(st.integers(0, 40), min_size=2, max_size=20))
def test_utterances_of_any_age_share_calls(recognizer, ages):
    """Also more of them than one call takes."""
    utterances = [recognizer.live() for _ in ages]
    for utterance, age in zip(utterances, ages, strict=True):
        utterance.feed(NOISE[: age * BLOCK])
    for number, (utterance, age) in enumerate(zip(utterances, ages, strict=True)):
        utterance.take(NOISE[age * BLOCK : (age + 12) * BLOCK])
        if number % 3 == 0:
            utterance.take_end()  # whose last chunk is shorter
    live.compute(utterances)
    for number, (utterance, age) in enumerate(zip(utterances, ages, strict=True)):
        by_itself = recognizer.live()
        expected = by_itself.feed(NOISE[: (age + 12) * BLOCK])
        expected = by_itself.finish() if number % 3 == 0 else expected
        assert utterance.log_probs.shape == expected.shape
        assert np.allclose(utterance.log_probs, expected, atol=1e-5)


def test_streams_have_the_events_that_they_have_alone(recognizer):
    offsets = range(0, 8000, 1600)
    blocks = [[NOISE[i + offset :][:BLOCK] for i in range(0, 100_000, BLOCK)] for offset in offsets]

    def begun():
        return StreamSession(recognizer, StreamOptions(partial_seconds=0.2), Voice())

    expected = []
    for stream in blocks:
        session = begun()
        expected.append([e for block in stream for e in session.accept(block)] + session.finish())
    sessions, events = [begun() for _ in blocks], [[] for _ in blocks]
    for step in zip(*blocks, strict=True):
        for place, outcome in chain(*together([s.accepting(b) for s, b in zip(sessions, step, strict=True)])):
            events[place] += outcome
    for place, outcome in chain(*together([session.finishing() for session in sessions])):
        events[place] += outcome
    assert [[type(e) for e in stream] for stream in events] == [[type(e) for e in stream] for stream in expected]
    texts = [[getattr(e, "text", "") for e in stream] for stream in events]
    assert texts == [[getattr(e, "text", "") for e in stream] for stream in expected]
    assert all(any(text for text in stream) for stream in texts)


def test_streams_of_one_network_share_its_calls(recognizer, monkeypatch):
    counts = []
    encoder = recognizer.live().encoder
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda c, m: counts.append(len(c)) or encode(c, m))
    sessions = [StreamSession(recognizer, StreamOptions(partial_seconds=0.2), Voice()) for _ in range(5)]
    assert [len(ended) for ended in together([session.accepting(NOISE) for session in sessions])] == [5]
    assert set(counts) == {5}


def test_a_partial_result_says_what_the_one_before_did_not_know(recognizer, monkeypatch):
    """Between two chunks the words are those of the last one, however often partial results are wanted."""
    calls = []
    encoder = recognizer.live().encoder
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda c, m: calls.append(len(c)) or encode(c, m))
    session = StreamSession(recognizer, StreamOptions(partial_seconds=0.1), Voice())
    told = []
    for start in range(0, 45_000, BLOCK):
        before = len(calls)
        is_told = any(isinstance(event, Partial) for event in session.accept(NOISE[start : start + BLOCK]))
        assert is_told == (len(calls) > before)
        told.append(is_told)
    assert sum(told) >= 3


def test_what_one_stream_raises_is_its_own(recognizer):
    def broken():
        raise ValueError("this one")
        yield

    session = StreamSession(recognizer, StreamOptions(partial_seconds=0.2), Voice())
    outcomes = dict(chain(*together([broken(), session.accepting(NOISE), broken()])))
    assert [type(outcomes[place]) for place in range(3)] == [ValueError, list, ValueError] and outcomes[1]
    with pytest.raises(ValueError, match="this one"):
        alone(broken())


def test_a_network_that_fails_ends_those_that_wait_for_it(recognizer, monkeypatch):
    def encode(chunks, memories):
        raise MemoryError

    monkeypatch.setattr(recognizer.live().encoder, "encode", encode)
    waiting = StreamSession(recognizer, StreamOptions(partial_seconds=0.2), Voice()).accepting(NOISE)
    silent = StreamSession(recognizer, StreamOptions(), Voice()).accepting(NOISE[:BLOCK])
    outcomes = dict(chain(*together([waiting, silent])))
    assert isinstance(outcomes[0], MemoryError) and outcomes[1] == []


@settings(max_examples=20)
@given(sizes=st.lists(st.lists(st.integers(0, 6000), max_size=4), min_size=1, max_size=9))
def test_detectors_that_compute_together_say_what_each_says_alone(sizes):
    """Windows of several streams, some of which have none, also before the results of the last call were taken."""
    detectors, said = [SpeechProbability() for _ in sizes], [[] for _ in sizes]
    for turn in range(max(map(len, sizes))):
        for detector, lengths in zip(detectors, sizes, strict=True):
            if turn < len(lengths):
                detector.take(NOISE[sum(lengths[:turn]) : sum(lengths[: turn + 1])])
        detect(detectors)
        for part, detector in zip(said, detectors, strict=True):
            part += list(detector.given()) if turn % 2 else []
    for part, detector, lengths in zip(said, detectors, sizes, strict=True):
        part += list(detector.given())
        by_itself = SpeechProbability().feed(NOISE[: sum(lengths)])
        assert np.allclose(part, by_itself, atol=1e-5)
