"""Untranscribed speech: labels help or the rounds stop; a killed command goes on; recordings of the corpus stay out."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.audio.augment import NO_AUGMENT
from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import CorpusError, SpecError
from vizinho.job.rounds import Round, RoundOptions, _why_stop, report_lines, self_train
from vizinho.job.run import Reporting
from vizinho.recognition.label import PseudoLabelOptions
from vizinho.store.store import Store
from vizinho.training.options import TrainingOptions

pytestmark = pytest.mark.pipeline
RECIPE = TrainingOptions(
    steps=60, batch_seconds=8, learning_rate=3e-3, evaluate_every=20, checkpoint_every=20, workers=0, augment=NO_AUGMENT
)
QUIET = Reporting(quiet=True)

RUN = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[3])
from test_rounds import labelled
torch.set_num_threads(1)
labelled(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def labelled(model: Path, folder: Path, **options):
    """One round on the corpus of `folder`, whose letters g and h the model lacks."""
    return self_train(
        model, to="pt", donor_language="pt", corpus=folder / "own.jsonl", untranscribed=folder / "radio",
        rounds=RoundOptions(1), recipe=RECIPE, reporting=QUIET, **options,
    )  # fmt: skip


@pytest.fixture
def speech(tmp_path):
    """Eight transcribed utterances and twelve of dev; 40 files without text, one of them from the corpus."""
    rows = read_manifest(tone_corpus(tmp_path / "all", count=60, seed=7))
    own = [replace(u, split="dev" if n < 12 else "train") for n, u in enumerate(rows[:20])]
    write_manifest(tmp_path / "own.jsonl", own)
    (tmp_path / "radio").mkdir()
    for utterance in rows[20:59]:
        shutil.copy(utterance.audio, tmp_path / "radio")
    shutil.copy(own[0].audio, tmp_path / "radio" / "another-name.wav")
    return tmp_path


def test_a_killed_command_goes_on_and_ends_like_one_left_alone(tone_model, speech, tmp_path, monkeypatch):
    alone = labelled(tone_model, speech)
    assert [r.round for r in alone.rounds] == [0, 1]
    assert alone.in_corpus == 1
    first, second = alone.rounds
    assert second.labels + second.skipped == 39
    assert second.labels > 0
    assert alone.model == (second if second.dev_cer < first.dev_cer else first).model
    store = Store()
    assert store.find("pt").ref == alone.model
    card = store.card(second.model)
    assert card.data["practice"]["utterances"] == second.labels
    assert labelled(tone_model, speech) == alone  # nothing is left to do
    assert len(store.versions("pt")) == 2

    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path / "other"))
    places = [str(p) for p in (tone_model, speech, Path(__file__).parent)]
    killed = subprocess.Popen(
        [sys.executable, "-c", RUN, *places],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )

    def lines():
        # Folders of checkpoints that are being written come and go while they are looked through.
        with contextlib.suppress(FileNotFoundError):
            return found()
        return []

    def found():
        return [line for place in (tmp_path / "other").rglob("rounds.jsonl") for line in place.read_text().split("\n")]

    while len(lines()) < 3 and killed.poll() is None:  # the donor and round 0
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    resumed = labelled(tone_model, speech)
    assert resumed == alone
    assert len(Store().versions("pt")) == 2


def test_nothing_to_label_ends_with_the_first_version(tone_model, speech):
    options = RoundOptions(2, PseudoLabelOptions(least_confidence=1.0))
    report = self_train(
        tone_model, to="pt", donor_language="pt", corpus=speech / "own.jsonl", untranscribed=speech / "radio",
        rounds=options, recipe=replace(RECIPE, steps=4), reporting=QUIET,
    )  # fmt: skip
    assert len(report.rounds) == 1
    assert "nothing to keep of 39 recordings: 39 below the least confidence" in report.stopped
    assert report.stopped in " ".join(report_lines(report))


def test_the_command_prints_one_object(tone_model, speech):
    recipe = speech / "recipe.toml"
    recipe.write_text("steps = 4\nbatch_seconds = 8.0\nevaluate_every = 4\ncheckpoint_every = 4\nworkers = 0\n")
    command = ["transfer", tone_model, "--from", "pt", "--to", "pt", "--corpus", speech / "own.jsonl", "--recipe",
               recipe, "--untranscribed", speech / "radio", "--rounds", "1", "--quiet", "--json"]  # fmt: skip
    result = CliRunner().invoke(app, [str(word) for word in command], catch_exceptions=False)
    report = json.loads(result.stdout)
    assert [r["model"] for r in report["rounds"]] == ["pt@1", "pt@2"][: len(report["rounds"])]
    assert report["model"] == min(report["rounds"], key=lambda r: r["dev_cer"])["model"]


def test_recordings_that_are_all_in_the_corpus_are_refused(tone_model, speech):
    shutil.rmtree(speech / "radio")
    shutil.copytree(speech / "all" / "audio", speech / "radio")
    for path in sorted((speech / "radio").iterdir())[20:]:
        path.unlink()
    with pytest.raises(CorpusError, match="all 20 recordings are in the corpus"):
        labelled(tone_model, speech)
    (speech / "empty").mkdir()
    with pytest.raises(CorpusError, match="no audio here"):
        self_train(tone_model, to="pt", corpus=speech / "own.jsonl", untranscribed=speech / "empty")


def test_rounds_end_when_dev_stops_gaining():
    rounds = [Round(0, "pt@1", 0.4), Round(1, "pt@2", 0.3)]
    assert _why_stop(rounds, 3) == ""
    assert _why_stop(rounds, 1) == "all 1 rounds are done"
    assert _why_stop([*rounds, Round(2, "pt@3", 0.3)], 3) == "round 2 is not better on dev"
    with pytest.raises(SpecError, match="0 rounds"):
        RoundOptions(0)


def test_several_processes_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SpecError, match="one process"):
        self_train("es-demo", to="pt", corpus=tmp_path / "pt.jsonl", untranscribed=tmp_path)
