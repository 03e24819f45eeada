import importlib.util
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.audio.io import load_audio
from vizinho.recognition import stream_speakers
from vizinho.recognition.cutting import CutOptions, Cutter, Piece
from vizinho.recognition.stream_speakers import StreamSpeakers
from vizinho.records import Word


def by_level(starts, samples):
    """A voice that is told by the loudest sample: 1 is the first person, 2 the second, and so on."""
    levels = [int(samples[max(0, start) : start + 25_600].max(initial=0.0)) for start in starts]
    vectors = np.eye(256)[levels] + np.random.default_rng(len(samples)).uniform(0, 0.02, (len(levels), 256))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def utterance(start_seconds, seconds, person):
    piece = Piece(round(start_seconds * 16_000), np.full(round(seconds * 16_000), float(person), np.float32))
    return piece, [Word("x", start_seconds + at, start_seconds + at + 0.2, 1.0) for at in np.arange(0, seconds, 0.5)]


@given(people=st.lists(st.integers(1, 4), min_size=1, max_size=12))
def test_people_are_numbered_as_they_begin(people):
    speakers, told = StreamSpeakers(by_level), []
    for turn, person in enumerate(people):
        words = speakers.told(*utterance(10.0 * turn, 6.0, person))
        assert len({word.speaker for word in words}) == 1
        told.append(words[0].speaker)
    order = list(dict.fromkeys(people))
    assert told == [order.index(person) + 1 for person in people]


def test_words_before_an_utterance_ends_have_the_numbers_of_its_end():
    speakers = StreamSpeakers(by_level)
    piece, words = utterance(0.0, 9.0, 1)
    for until in (16_000, 48_000, 96_000):
        begun = Piece(0, piece.samples[:until])
        speakers.listen(begun)
        assert {w.speaker for w in speakers.told(begun, words[:1])} == {1}
    assert {w.speaker for w in speakers.told(piece, words)} == {1}
    assert speakers.told(piece, ()) == ()


def test_memory_is_bounded_and_whoever_was_silent_for_long_is_known_again(monkeypatch):
    monkeypatch.setattr(stream_speakers, "MOST", 60)
    speakers = StreamSpeakers(by_level)
    assert speakers.told(*utterance(0.0, 6.0, 1))[0].speaker == 1
    for turn in range(1, 60):
        assert speakers.told(*utterance(10.0 * turn, 6.0, 2))[0].speaker == 2
        assert len(speakers._vectors) == len(speakers._numbers) <= 60
    assert speakers.told(*utterance(600.0, 6.0, 1))[0].speaker == 1


@pytest.mark.skipif(importlib.util.find_spec("resemblyzer") is None, reason="the extra `speakers` is not installed")
def test_people_who_take_turns_are_told_apart(shared):
    rows = [json.loads(line) for line in (shared / "speech" / "es.jsonl").read_text(encoding="utf-8").splitlines()]
    of = {}
    for row in rows:
        if row["duration"] >= 2.0:
            of.setdefault(row["speaker"], []).append(shared / "speech" / row["audio"])
    first, second = [files for files in of.values() if len(files) >= 8][:2]
    speakers, numbers = StreamSpeakers(), []
    for turn in range(4):
        for files in (first, second):
            samples = np.concatenate([load_audio(path) for path in files[2 * turn : 2 * turn + 2]])
            cutter = Cutter(CutOptions(silence_seconds=2.0))
            for piece in [*cutter.feed(samples), *cutter.flush()]:
                words = [Word("x", at, at + 0.2, 1.0) for at in np.arange(0, piece.samples.size / 16_000, 0.4)]
                numbers.append({word.speaker for word in speakers.told(piece, words)})
    assert numbers == [{1}, {2}] * 4
