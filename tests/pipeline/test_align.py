"""A long recording and its rough text become a corpus; what belongs to neither side is passed over and named."""

import json

import numpy as np
import pytest
from tones import Loudness, tone_speech
from typer.testing import CliRunner

from vizinho.audio.io import SAMPLE_RATE, load_audio, save_audio
from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest
from vizinho.recognition import recognizer
from vizinho.recognition.cutting import Cutter

pytestmark = pytest.mark.pipeline


@pytest.fixture(autouse=True)
def _loud_is_speech(monkeypatch):
    """The detector of speech does not take tones for a voice."""
    monkeypatch.setattr(recognizer, "Cutter", lambda options: Cutter(options, Loudness()))


def typed(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def sentences(count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        " ".join("".join(rng.choice(list("abcdef"), size=rng.integers(2, 5))) for _ in range(4)) for _ in range(count)
    ]


def record(path, texts):
    """A recording of texts with pauses between; returns the seconds where each begins and ends."""
    rng, parts, places, now = np.random.default_rng(1), [], [], 0.0
    for number, text in enumerate(texts):
        pause = np.zeros(round(float(rng.uniform(0.4, 1.0)) * SAMPLE_RATE), np.float32)
        speech = tone_speech(text, seed=number)
        places.append((now + pause.size / SAMPLE_RATE, now + (pause.size + speech.size) / SAMPLE_RATE))
        now = places[-1][1]
        parts += [pause, speech]
    save_audio(path, np.concatenate([*parts, np.zeros(SAMPLE_RATE, np.float32)]))
    return places


def test_sentences_are_where_they_were_said(tone_model, tmp_path):
    texts = sentences(20)
    places = dict(zip(texts, record(tmp_path / "long.wav", texts), strict=True))
    unspoken = sentences(4, seed=9)
    written = [text for number, text in enumerate(texts) if number not in (3, 4, 11)]
    for place, text in zip((2, 7, 8, 15), unspoken, strict=True):
        written.insert(place, text)
    (tmp_path / "text.txt").write_text("\n".join(written))
    out = tmp_path / "pt.jsonl"
    report = json.loads(typed("corpus", "align", tmp_path / "long.wav", tmp_path / "text.txt", "--model", tone_model,
                              "--lang", "pt", "--donor-language", "pt", "--out", out, "--speaker", "ana",
                              "--json").stdout)  # fmt: skip
    utterances = read_manifest(out)
    assert {u.text for u in utterances} <= places.keys()
    assert len(utterances) >= 14
    for utterance in utterances:
        start, end = places[utterance.text]
        assert abs(utterance.place.start_seconds - start) < 0.3
        assert abs(utterance.place.start_seconds + utterance.duration_seconds - end) < 0.3
        assert load_audio(utterance.audio).size == pytest.approx(utterance.duration_seconds * SAMPLE_RATE, abs=2)
        assert utterance.speaker == "ana"
        assert utterance.source == f"aligned by {tone_model}"
        assert 0.5 < utterance.confidence <= 1
    lines = [json.loads(line) for line in (tmp_path / "pt.alignment.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == written
    assert report["utterances"] == sum(report["verdicts"].values()) == len(written)
    assert not {line["text"] for line in lines if line["verdict"] == "accepted"} & {*unspoken}
