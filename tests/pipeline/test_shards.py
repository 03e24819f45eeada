"""Training from shards, whole: it learns what a manifest teaches, and a killed run ends as one left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.corpora.shards.index import read_rows
from vizinho.corpora.shards.writing import ShardOptions, shard_manifest
from vizinho.store.store import Store
from vizinho.training.checkpoints import load_state
from vizinho.training.skipped import read_skipped

pytestmark = pytest.mark.pipeline
STEPS = 36

RUN = f"""
import sys
from dataclasses import replace
from pathlib import Path
import torch
from safetensors.torch import save_file
from vizinho.job.job import Job
from vizinho.job.fit import fit_job
from vizinho.job.start import make_ready
from vizinho.model.networks import weights
from vizinho.training.options import TrainingOptions
torch.set_num_threads(1)
options = TrainingOptions(
    steps={STEPS}, batch_seconds=6, learning_rate=3e-3, evaluate_every=12, checkpoint_every=4, workers=2
)
ready = make_ready(Job("pt", (Path(sys.argv[1]),), preset="micro", options=options))
# Windows of a few utterances, so that the run passes many of them.
examples = replace(ready.prepared.examples, window_utterances=14)
done = fit_job(replace(ready, prepared=replace(ready.prepared, examples=examples)), Path(sys.argv[2]))
save_file(weights(done.ready.checkpoint.model), sys.argv[3])
"""


def start(corpus: Path, folder: Path, result: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(corpus), str(folder), str(result)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


@pytest.fixture
def broken_shards(tmp_path):
    """A corpus of 40 training utterances in a dozen shards; one recording is damaged. Returns its folder and the id."""
    manifest = tone_corpus(tmp_path, count=50, splits=("train", "train", "train", "train", "dev"))
    index = shard_manifest(manifest, tmp_path / "shards", ShardOptions(shard_minutes=0.05))
    row = read_rows(index.folder / index.shards[3].rows)[0]
    with index.tar(index.shards[3]).open("r+b") as file:
        file.seek(row.offset)
        file.write(b"\0" * 64)
    return index.folder, row.id


def test_a_run_killed_inside_an_epoch_ends_with_the_same_weights(broken_shards, tmp_path):
    corpus, broken = broken_shards
    assert start(corpus, tmp_path / "alone", tmp_path / "alone.safetensors").wait() == 0
    killed = start(corpus, tmp_path / "killed", tmp_path / "killed.safetensors")
    wanted = 4 * random.randint(1, 5)
    while not (tmp_path / "killed" / f"step-{wanted:08d}").is_dir() and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    saved, _ = load_state(tmp_path / "killed")
    assert saved is not None
    assert 0 < saved.step < STEPS
    assert start(corpus, tmp_path / "killed", tmp_path / "killed.safetensors").wait() == 0
    alone, resumed = load_file(tmp_path / "alone.safetensors"), load_file(tmp_path / "killed.safetensors")
    assert all(torch.equal(alone[name], resumed[name]) for name in alone)
    assert [name for name, _ in read_skipped(tmp_path / "killed")] == [broken]
    assert read_skipped(tmp_path / "killed") == read_skipped(tmp_path / "alone")


def test_shards_are_made_and_trained_on_from_the_command_line(tmp_path):
    manifest = tone_corpus(tmp_path, count=24, letters="abcdef", splits=("train", "train", "train", "dev"))
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("batch_seconds = 8\nworkers = 0\nevaluate_every = 20\ncheckpoint_every = 20\n")

    def typed(*words):
        result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    made = typed("corpus", "shard", manifest, "--out", tmp_path / "shards", "--shard-minutes", "0.1", "--json")
    assert (made["utterances"], made["shards"] > 1, made["left_out"]) == (18, True, 0)
    assert Path(made["manifests"]["dev"]).is_file()
    trained = typed(
        "train", "--corpus", tmp_path / "shards", "--lang", "pt", "--preset", "micro", "--steps", "20",
        "--recipe", recipe, "--quiet", "--json",
    )  # fmt: skip
    assert trained["set_aside"] == 0
    card = Store().card("pt@1")
    assert card.data["utterances"] == 18
    assert card.data["dev_utterances"] == 6
    again = typed(
        "transfer", "pt", "--corpus", tmp_path / "shards" / "corpus.json", "--to", "pt", "--steps", "2",
        "--recipe", recipe, "--quiet", "--json",
    )  # fmt: skip
    assert again["model"] == "pt@2"
