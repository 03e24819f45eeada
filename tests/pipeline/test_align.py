"""A long recording and its rough text become a corpus; what belongs to neither side is passed over and named."""

import json

import numpy as np
import pytest
from tones import Loudness, tone_speech
from typer.testing import CliRunner

from vizinho.audio.io import SAMPLE_RATE, load_audio, save_audio
from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest
from vizinho.errors import VizinhoError
from vizinho.job.align import AlignOptions, align_recording
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
                              "--lang", "pt", "--from", "pt", "--out", out, "--speaker", "ana",
                              "--precision", "0.95", "--json").stdout)  # fmt: skip
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


def _aligning(recording, text, model, out):
    names = ("--lang", "pt", "--from", "pt", "--precision", "0.95", "--out", out)
    return "corpus", "align", recording, text, "--model", model, *names


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("another text", "of 12 utterances are found"),
        ("long text", "letters do not fit into"),
        ("silence", "nobody speaks in the recording"),
        ("empty text", "the text has no words"),
        ("other script", "the model has nothing for"),
        ("no recording", "missing.wav"),
        ("no text", "missing.txt"),
        ("not audio", "broken.wav"),
    ],
)
def test_what_cannot_be_aligned_is_named_and_nothing_is_written(tone_model, tmp_path, fault, message):
    recording, text, out = tmp_path / "long.wav", tmp_path / "text.txt", tmp_path / "pt.jsonl"
    if fault == "silence":
        save_audio(recording, np.zeros(3 * SAMPLE_RATE, np.float32))
    else:
        record(recording, sentences(12))
    written = {"another text": sentences(12, seed=5), "long text": sentences(400), "empty text": ["", "  "]}
    text.write_text("\n".join(written.get(fault, ["привет мир"] * 12 if fault == "other script" else sentences(12))))
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    recording = {"no recording": tmp_path / "missing.wav", "not audio": tmp_path / "broken.wav"}.get(fault, recording)
    text = tmp_path / "missing.txt" if fault == "no text" else text
    options = AlignOptions(donor_language="pt")
    with pytest.raises(VizinhoError, match=message):
        align_recording(recording, text, model=tone_model, lang="pt", out=out, options=options)
    assert not out.exists()


def test_lines_of_another_encoding_are_named_until_it_is_given(tone_model, tmp_path):
    texts = sentences(16)
    record(tmp_path / "long.wav", texts)
    # The model has no á, which takes no part in the search.
    written = [text.replace("a", "á", 1) if n == 2 and "a" in text else text for n, text in enumerate(texts)]
    written[2] = f"á{written[2]}"
    (tmp_path / "text.txt").write_bytes("\n".join(written).encode("cp1252"))
    command = _aligning(tmp_path / "long.wav", tmp_path / "text.txt", tone_model, tmp_path / "pt.jsonl")
    report = json.loads(typed(*command, "--json").stdout)
    assert report["verdicts"]["unreadable"] == 1
    assert report["unreadable"][0].startswith(f"{tmp_path}/text.txt:3: broken characters")
    assert f"unreadable: {tmp_path}/text.txt:3" in typed(*command).stdout
    report = json.loads(typed(*command, "--encoding", "cp1252", "--json").stdout)
    assert report["verdicts"]["unreadable"] == 0
    with pytest.raises(VizinhoError, match="unknown encoding 'klingon'"):
        typed(*command, "--encoding", "klingon")


def test_an_orthography_says_what_is_a_letter(tone_model, tmp_path):
    texts = sentences(16)
    record(tmp_path / "long.wav", texts)
    (tmp_path / "text.txt").write_text("\n".join(f"{text}:x" for text in texts))
    (tmp_path / "own.toml").write_text('language = "pt"\njoiners = ":"\n')
    command = _aligning(tmp_path / "long.wav", tmp_path / "text.txt", tone_model, tmp_path / "pt.jsonl")
    lacking = [
        json.loads(typed(*command, *more, "--json").stdout)["letters_without_row"]
        for more in ((), ("--orthography", tmp_path / "own.toml"))
    ]
    assert ":" not in lacking[0]
    assert ":" in lacking[1]


def test_a_second_round_trains_on_the_first_and_aligns_again(tone_model, tmp_path):
    texts = sentences(20)
    places = dict(zip(texts, record(tmp_path / "long.wav", texts), strict=True))
    (tmp_path / "text.txt").write_text("\n".join(texts))
    out = tmp_path / "pt.jsonl"
    command = _aligning(tmp_path / "long.wav", tmp_path / "text.txt", tone_model, out)
    report = json.loads(typed(*command, "--rounds", "2", "--steps", "4", "--json").stdout)
    assert report["rounds"] == 2
    utterances = read_manifest(out)
    assert len(utterances) >= 14
    assert {u.source for u in utterances} == {f"aligned by {tone_model} after round 1"}
    assert all(abs(u.place.start_seconds - places[u.text][0]) < 0.3 for u in utterances)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("pt")) == [
        "pt.alignment.jsonl",
        "pt.jsonl",
        "pt_audio",
    ]
