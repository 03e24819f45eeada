import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.recognition.formats import document_of, render
from vizinho.records import Segment, Transcript, Word


def transcript(*segments):
    made = []
    for text, start in segments:
        words = tuple(Word(w, start + i * 0.5, start + i * 0.5 + 0.4, 0.5) for i, w in enumerate(text.split()))
        made.append(Segment(start, words[-1].end_seconds, text, 0.5, words))
    words = tuple(w for s in made for w in s.words)
    return Transcript("a.wav", " ".join(w.text for w in words), words, 0.5, 4000.0, tuple(made))


TWO = transcript(("uma casa", 0.04), ("a rua", 3661.9996))


def test_subrip():
    assert render([TWO], "srt") == (
        "1\n00:00:00,040 --> 00:00:00,940\numa casa\n\n2\n01:01:02,000 --> 01:01:02,900\na rua\n"
    )


def test_webvtt_escapes_what_it_would_read_as_tags():
    assert render([transcript(("<b & c", 0.0))], "vtt") == ("WEBVTT\n\n00:00:00.000 --> 00:00:01.400\n&lt;b &amp; c\n")


def test_text_has_a_line_for_each_segment():
    assert render([TWO], "txt") == "uma casa\na rua\n"


def test_json_names_each_segments_words_by_number():
    row = json.loads(render([TWO], "json"))
    assert [w["text"] for w in row["words"]] == ["uma", "casa", "a", "rua"]
    assert [(s["first_word"], s["words"]) for s in row["segments"]] == [(0, 2), (2, 2)]
    assert row["text"] == "uma casa a rua"


def test_channels_are_told_apart_in_order_of_time():
    left, right = transcript(("bom dia", 0.0), ("adeus", 9.0)), transcript(("olá", 4.0))
    assert render([left, right], "txt") == "[1] bom dia\n[2] olá\n[1] adeus\n"
    assert len(json.loads(render([left, right], "json"))) == 2


def test_long_segments_become_several_subtitles_and_lose_no_word():
    text = " ".join(f"palavra{i}" for i in range(40))
    shown = render([transcript((text, 0.0))], "srt")
    lines = [line for line in shown.splitlines() if line.startswith("palavra")]
    assert max(map(len, lines)) <= 84
    assert " ".join(lines) == text
    times = re.findall(r"(\S+) --> (\S+)", shown)
    assert all(a[1] <= b[0] for a, b in pairwise(times))


def test_nothing_said():
    nothing = Transcript("a", "", (), 0.0, 1.0)
    assert [render([nothing], kind) for kind in ("txt", "srt")] == ["", ""]
    assert render([nothing], "vtt") == "WEBVTT\n"


def test_annotations_have_segments_words_and_confidences_of_each_channel(tmp_path):
    left, right = transcript(("bom dia", 0.0)), transcript(("olá", 4.0))
    document = document_of([left, right], tmp_path / "a.wav", tmp_path / "out" / "a.eaf")
    assert [(t.name, t.parent, [s.text for s in t.spans]) for t in document.tiers] == [
        ("speech@channel-1", "", ["bom dia"]),
        ("words@channel-1", "speech@channel-1", ["bom", "dia"]),
        ("speech@channel-2", "", ["olá"]),
        ("words@channel-2", "speech@channel-2", ["olá"]),
    ]
    assert {(s.confidence, s.channel) for t in document.tiers[:2] for s in t.spans} == {(0.5, 0)}
    assert document.duration_seconds == 4000.0
    for kind in ("eaf", "textgrid", "audacity", "label-studio"):
        text = render([left, right], kind, tmp_path / "a.wav", tmp_path / "out" / "a.eaf")
        assert "bom dia" in text
        assert "0.5" in text
    assert 'RELATIVE_MEDIA_URL="./../a.wav"' in render([left], "eaf", tmp_path / "a.wav", tmp_path / "out" / "a.eaf")
    assert "MEDIA_DESCRIPTOR" not in render([left], "eaf")  # standard input has no name
    assert json.loads(render([left, right], "label-studio"))[0]["predictions"][0]["result"][2]["value"]["channel"] == 1
    assert render([Transcript("a", "", (), 0.0, 1.0)], "audacity") == ""


@given(st.lists(st.tuples(st.floats(0.0, 0.7), st.floats(0.05, 3.0)), min_size=1, max_size=120), st.booleans())
def test_annotations_are_short_enough_to_correct_and_lose_no_word(spoken, even):
    now, words = 0.0, []
    for number, (pause, length) in enumerate(spoken):
        start = now + (0.2 if even else pause)
        now = start + length
        words.append(Word(f"w{number}", start, now, number % 3 / 2))
    mean = sum(w.confidence for w in words) / len(words)
    whole = Segment(words[0].start_seconds, now, " ".join(w.text for w in words), mean, tuple(words))
    document = document_of([Transcript("a", whole.text, whole.words, 0.5, now, (whole,))], None, Path("a.eaf"))
    speech, below = document.tiers
    assert " ".join(span.text for span in speech.spans) == whole.text
    assert [span.text for span in below.spans] == [w.text for w in words]
    assert all(a.end_seconds <= b.start_seconds for a, b in pairwise(speech.spans))
    for span in speech.spans:
        inside = [w for w in words if span.start_seconds <= w.start_seconds < span.end_seconds]
        assert span.end_seconds - span.start_seconds <= 12 or len(inside) == 1
        assert span.confidence == pytest.approx(sum(w.confidence for w in inside) / len(inside))


def test_a_long_annotation_is_divided_at_its_longest_pause():
    words = [Word(f"w{n}", n + (0.5 if n > 3 else 0.0), n + 0.9 + (0.5 if n > 3 else 0.0), 1.0) for n in range(14)]
    whole = Segment(0.0, words[-1].end_seconds, " ".join(w.text for w in words), 1.0, tuple(words))
    speech = document_of([Transcript("a", whole.text, whole.words, 1.0, 15.0, (whole,))], None, Path("a.eaf")).tiers[0]
    times = [(span.start_seconds, span.end_seconds, len(span.text.split())) for span in speech.spans]
    assert times == [(0.0, pytest.approx(4.2), 4), (pytest.approx(4.2), pytest.approx(14.9), 10)]


def test_an_annotation_has_the_sound_around_its_letters_and_none_of_its_neighbours():
    words = [Word("a", 1.56, 1.6, 0.5, speaker=1), Word("b", 4.0, 4.04, 0.5, speaker=2), Word("c", 4.4, 9.9, 0.5, 1)]
    parts = tuple(Segment(w.start_seconds, w.end_seconds, w.text, 0.5, (w,)) for w in words)
    document = document_of([Transcript("a", "a b c", tuple(words), 0.5, 10.0, parts)], None, Path("a.eaf"))
    times = {s.text: (s.start_seconds, s.end_seconds) for t in document.tiers if not t.parent for s in t.spans}
    assert times["a"] == pytest.approx((1.06, 2.1))
    assert times["b"] == pytest.approx((3.5, 4.22))
    assert times["c"] == pytest.approx((4.22, 10.0))
    assert [s.start_seconds for t in document.tiers if t.parent for s in t.spans] == [1.56, 4.4, 4.0]
