"""The model that is scored is the one that is served: `evaluate` and the scored texts of `transcribe` agree exactly."""

import json

import numpy as np
import pytest
import soundfile
from tones import Loudness, tone_speech
from typer.testing import CliRunner

from vizinho.audio.io import SAMPLE_RATE, resample, save_audio
from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.evaluation.score import score
from vizinho.job.promote import measure
from vizinho.recognition import recognizer
from vizinho.recognition.cutting import Cutter
from vizinho.recognition.engines import TorchEngine
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.text.normalize import get_normalizer

pytestmark = pytest.mark.pipeline
LONG = "long"


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Short recordings, one of them in stereo at another rate, and one longer than what is decoded in one piece."""
    monkeypatch.setattr(recognizer, "Cutter", lambda options: Cutter(options, Loudness()))
    texts = {f"u{n}": text for n, text in enumerate(["abc def", "fade bed", "bed cab", "fa ed", "deaf face"])}
    words = ["abc", "def", "fade", "bed", "cab", "face", "dead", "cafe"] * 4
    pause = np.zeros(SAMPLE_RATE // 2, np.float32)
    texts[LONG] = " ".join(words)
    speech = {name: tone_speech(text, seed=n) for n, (name, text) in enumerate(texts.items())}
    speech[LONG] = np.concatenate([part for word in words for part in (tone_speech(word), pause)])
    assert speech[LONG].size > 20 * SAMPLE_RATE
    rows = []
    for name, samples in speech.items():
        path = tmp_path / "audio" / f"{name}.wav"
        save_audio(path, samples)
        rows.append(Utterance(name, path, texts[name], "pt", "s", samples.size / SAMPLE_RATE, "test"))
    stereo = resample(speech["u0"], SAMPLE_RATE, 44_100)
    soundfile.write(tmp_path / "audio" / "u0.wav", np.stack([stereo, 0.5 * stereo], axis=1), 44_100)
    write_manifest(tmp_path / "c.jsonl", rows)
    return tmp_path / "c.jsonl"


def typed(*words):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("options", [[], ["--beam-width", "8"], ["--engine", "torch"]])
def test_evaluate_and_transcribe_give_the_same_number(tone_model, corpus, options):
    scores = typed("evaluate", tone_model, "--corpus", corpus, *options, "--json")
    transcripts = typed("transcribe", tone_model, corpus.parent / "audio", *options, "--json")["transcripts"]
    normalize = get_normalizer("pt")
    texts = {t["id"].rpartition("/")[2].removesuffix(".wav"): normalize(t["text"]) for t in transcripts}
    own = score({u.id: u.text for u in read_manifest(corpus)}, texts, normalizer="", data_fingerprint="")
    assert (scores["cer"], scores["wer"], scores["utterances"]) == (own.cer, own.wer, 6)
    assert 0 < scores["cer"] < 0.3
    assert {row["id"]: row["hypothesis"] for row in scores["worst"]}.items() <= texts.items()


def test_a_network_in_memory_and_its_folder_are_scored_alike(tone_model, corpus):
    """A network being trained is cut and batched by the same code; promotion measures the folder."""
    utterances = read_manifest(corpus)
    opened = Recognizer.load(tone_model)
    scores = measure(opened, utterances)
    assert measure(Recognizer.of(TorchEngine.load(tone_model).checkpoint), utterances).cer == scores.cer
    uncut = opened.engine.log_probs([np.concatenate(list(blocks(utterances[-1])))])[0]
    whole = " ".join(w.text for w in opened.words_of(uncut, 0.0))
    assert whole != next(e.hypothesis for e in scores.errors if e.id == LONG), "cutting makes no difference here"


def blocks(utterance):
    from vizinho.audio.blocks import mono, read_blocks

    return map(mono, read_blocks(utterance.audio))
