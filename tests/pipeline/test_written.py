"""A network that learns capitals and marks: from a donor without them, scored both ways, and searched."""

import json

import pytest
from lm_files import lm_file
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.audio.augment import NO_AUGMENT
from vizinho.cli.main import app
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.setup import DecoderSpec
from vizinho.job.evaluate import evaluate
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.checkpoint import save_checkpoint
from vizinho.recognition.recognizer import Recognizer
from vizinho.text.alphabets import alphabet
from vizinho.training.loop import fit
from vizinho.training.options import TrainingOptions
from vizinho.training.speech_task import SpeechTask

pytestmark = pytest.mark.pipeline
OPTIONS = TrainingOptions(
    steps=150, batch_seconds=8, learning_rate=3e-3, evaluate_every=150, checkpoint_every=150, workers=0,
    augment=NO_AUGMENT,
)  # fmt: skip


def as_sentence(text):
    """What a network can hear: where a text begins, and where it ends."""
    return text.capitalize() + "."


@pytest.fixture(scope="module")
def written_corpus(tmp_path_factory):
    corpus = tone_corpus(tmp_path_factory.mktemp("written"), count=24, letters="abcdef")
    rows = [json.loads(line) for line in corpus.read_text().splitlines()]
    lines = [json.dumps(row | {"text": as_sentence(row["text"])}) for row in rows]
    corpus.write_text("\n".join(lines) + "\n")
    return corpus


@pytest.fixture(scope="module")
def written_model(tone_model, written_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    job = Job("pt", (written_corpus,), tone_model, "pt", tokens="written", options=OPTIONS)
    ready = make_ready(job)
    fit(SpeechTask(ready.checkpoint, ready.prepared.examples), OPTIONS, folder / "run")
    save_checkpoint(folder / "model", ready.checkpoint)
    return folder / "model"


def test_it_is_scored_with_and_without_capitals_and_marks(written_model, tone_model, written_corpus):
    scores = evaluate(written_model, written_corpus)
    assert scores.scores.cer < 0.1 and scores.written.cer < 0.1
    assert "-written|" in scores.written.signature and "-written|" not in scores.scores.signature
    assert evaluate(tone_model, written_corpus).written is None
    found = CliRunner().invoke(app, ["evaluate", str(written_model), "--corpus", str(written_corpus)])
    assert f"as written, with capitals and marks: CER {scores.written.cer:.3f}" in found.output


def test_language_models_and_hotwords_of_small_letters_serve_it(written_model, written_corpus, tmp_path):
    rows = [json.loads(line) for line in written_corpus.read_text().splitlines()]
    texts = [row["text"].lower().rstrip(".") for row in rows]
    words = lm_file(tmp_path / "w.arpa", *texts, letters=alphabet("pt"))
    spec = DecoderSpec((words,), BeamOptions(lm_weight=0.5, unknown_words=False), {texts[0]: 2.0})
    recognizer = Recognizer.load(written_model, search=spec)
    scores = evaluate(written_model, written_corpus, recognizer=recognizer)
    assert scores.scores.wer < 0.1 and scores.written.wer < 0.2
    assert scores.written.cer < 0.1
