import importlib.util
import json

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from vizinho.audio.io import load_audio
from vizinho.recognition.formats import as_json, render
from vizinho.recognition.speakers import _vectors, grouped, stretches, voice, with_speakers
from vizinho.records import Segment, Transcript, Word

installed = pytest.mark.skipif(
    importlib.util.find_spec("resemblyzer") is None, reason="the extra `speakers` is not installed"
)


def voices(*sizes, noise=0.05, seed=1):
    """So many vectors of each of several people."""
    rng = np.random.default_rng(seed)
    people = np.abs(rng.standard_normal((len(sizes), 256)))
    rows = [p + noise * np.abs(rng.standard_normal((n, 256))) for p, n in zip(people, sizes, strict=True)]
    vectors = np.concatenate(rows).astype(np.float32)
    # Far enough apart: only every third value is of use, another third for each person.
    for number, (start, size) in enumerate(zip(np.cumsum([0, *sizes]), sizes, strict=False)):
        vectors[start : start + size] *= np.arange(256) % len(sizes) == number
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("sizes", [(1,), (9,), (7, 5), (20, 4, 9)])
def test_as_many_groups_as_voices(sizes):
    labels = grouped(voices(*sizes))
    expected = np.repeat(np.arange(len(sizes)), sizes)
    assert len(set(labels)) == len(sizes)
    assert len(set(zip(labels, expected, strict=True))) == len(sizes)


def test_a_voice_that_is_heard_once_is_noise_unless_the_number_is_known():
    vectors = voices(9, 1, 9)
    assert len(set(grouped(vectors))) == 2
    assert len(set(grouped(vectors, 3))) == 3
    assert set(grouped(vectors, 1)) == {0}


def test_long_recordings_are_grouped_by_a_part_of_them():
    vectors = voices(3000, 2500)
    labels = grouped(vectors)
    assert len(set(labels[:3000])) == len(set(labels[3000:])) == 1 and len(set(labels)) == 2


@given(st.lists(st.tuples(st.floats(0.0, 1.5), st.floats(0.05, 3.0)), max_size=12))
def test_stretches_rise_and_every_word_has_one(gaps):
    words, at = [], 0.0
    for gap, length in gaps:
        words.append(Word("x", at + gap, at + gap + length, 1.0))
        at += gap + length
    starts = np.array(stretches(words)) / 16_000
    assert (np.diff(starts) >= 0).all()
    for word in words:
        middle = (word.start_seconds + word.end_seconds) / 2
        assert np.abs(starts + 0.8 - middle).min() <= 0.81


@installed
def test_blocks_of_any_size_give_equal_vectors():
    samples = (np.random.default_rng(1).standard_normal(5 * 16_000) * 0.1).astype(np.float32)
    starts = [-6_000, 0, 12_800, 30_000, 70_000]
    (whole,) = _vectors(starts, [samples])
    for size in (999, 16_000, 41_000):
        blocks = [samples[first : first + size] for first in range(0, samples.size, size)]
        assert np.allclose(np.concatenate(list(_vectors(starts, blocks))), whole, atol=1e-5)


@installed
def test_two_tones_of_voice_are_told_apart():
    from vizinho.g2p.espeak import Voice, synthesise

    parts, words, at = [], [], 0.0
    for turn in range(8):
        spoken = synthesise(
            "buenos días la casa es grande y el perro come pan", Voice("es", pitch=20 + 70 * (turn % 2))
        )
        parts += [spoken, np.zeros(8_000, np.float32)]
        words.append(Word(str(turn), at, at + spoken.size / 16_000, 1.0))
        at += spoken.size / 16_000 + 0.5
    transcript = Transcript("a", "", tuple(words), 1.0, at)
    told = with_speakers(transcript, [np.concatenate(parts)], 2)
    assert [word.speaker for word in told.words] == [1, 2] * 4
    assert [segment.speaker for segment in told.segments] == [1, 2] * 4
    assert with_speakers(Transcript("a", "", (), 0.0, 1.0), [np.zeros(16_000, np.float32)]).words == ()


@installed
def test_people_whose_voices_are_known_have_their_numbers(shared):
    rows = [json.loads(line) for line in (shared / "speech" / "es.jsonl").read_text(encoding="utf-8").splitlines()]
    of = {}
    for row in rows:
        if row["duration"] >= 2.0:
            of.setdefault(row["speaker"], []).append(shared / "speech" / row["audio"])
    people = [name for name, files in of.items() if len(files) >= 6][:3]
    known = [voice(np.concatenate([load_audio(path) for path in of[name][:3]])) for name in people[:2]]
    parts, words, who, at = [], [], [], 0.0
    for turn in range(9):  # the third person, who is not known, begins
        person = people[2 - turn % 3]
        spoken = load_audio(of[person][3 + turn // 3])
        parts += [spoken, np.zeros(8_000, np.float32)]
        words.append(Word(person, at, at + spoken.size / 16_000, 1.0))
        who.append({people[0]: 1, people[1]: 2, people[2]: 3}[person])
        at += spoken.size / 16_000 + 0.5
    transcript = Transcript("a", "", tuple(words), 1.0, at)
    told = with_speakers(transcript, [np.concatenate(parts)], known=known)
    assert [word.speaker for word in told.words] == who


def test_speakers_stand_in_every_format():
    words = (Word("bom", 0.0, 0.4, 1.0, 1), Word("dia", 0.5, 0.9, 1.0, 2))
    segments = tuple(Segment(w.start_seconds, w.end_seconds, w.text, 1.0, (w,)) for w in words)
    told = Transcript("a", "bom dia", words, 1.0, 1.0, segments)
    assert render([told], "txt") == "[speaker 1] bom\n[speaker 2] dia\n"
    assert "[speaker 2] dia" in render([told], "srt")
    assert 'PARTICIPANT="speaker-2"' in render([told], "eaf")
    values = json.loads(render([told], "json"))
    assert [word["speaker"] for word in values["words"]] == [row["speaker"] for row in values["segments"]] == [1, 2]
    plain = as_json(Transcript("a", "bom", (Word("bom", 0.0, 0.4, 1.0),), 1.0, 1.0))
    assert "speaker" not in plain["words"][0]


@installed
def test_a_long_recording_is_heard_as_a_short_one(tmp_path, monkeypatch):
    from vizinho.recognition import files, recognizer
    from vizinho.store.store import BUNDLED

    path = tmp_path / "a.wav"
    soundfile.write(path, (np.random.default_rng(1).standard_normal(8 * 16_000) * 0.1).astype(np.float32), 16_000)
    heard = []
    monkeypatch.setattr(
        files, "with_speakers", lambda t, blocks, count: heard.append(np.concatenate(list(blocks))) or t
    )
    work = files.Work(BUNDLED / "es-demo" / "2", engine="torch", speakers=2)
    for cut_above in (30.0, 2.0):
        opened = recognizer.Recognizer.load(
            work.model, "torch", recognizer.TranscribeOptions(cut_above_seconds=cut_above)
        )
        (outcome,) = files._transcribe(opened, work, [path], b"")
        assert not outcome.error and len(outcome.transcripts) == 1
    assert len(heard) == 2 and np.array_equal(*heard)
