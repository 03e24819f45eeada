"""The training loop on the tone language: it learns, it resumes exactly, it stops politely."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tones import tone_corpus

from vizinho.audio.augment import NO_AUGMENT
from vizinho.errors import CorpusError, TextError
from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.networks import weights
from vizinho.text.normalize import get_normalizer
from vizinho.training.checkpoints import load_state
from vizinho.training.options import LayerPolicy, TrainingOptions

pytestmark = pytest.mark.pipeline
FAST = TrainingOptions(steps=24, batch_seconds=6, learning_rate=3e-3, evaluate_every=8, checkpoint_every=4, workers=0)

RUN = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from safetensors.torch import save_file
sys.path.insert(0, sys.argv[4])
from test_training import FAST
from vizinho.job.job import Job
from vizinho.job.fit import fit_job
from vizinho.job.start import make_ready
from vizinho.model.networks import weights
torch.set_num_threads(1)
done = fit_job(make_ready(Job("pt", (Path(sys.argv[1]),), preset="micro", options=FAST)), Path(sys.argv[2]))
save_file(weights(done.ready.checkpoint.model), sys.argv[3])
"""


def start(corpus: Path, folder: Path, result: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(corpus), str(folder), str(result), str(Path(__file__).parent)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def test_ten_utterances_overfit_to_zero_errors(tmp_path):
    corpus = tone_corpus(tmp_path, count=12)  # two are held out
    options = replace(FAST, steps=260, batch_seconds=30, evaluate_every=20, augment=NO_AUGMENT, learning_rate=5e-3)
    ready = make_ready(Job("pt", (corpus,), preset="micro", options=options))
    from vizinho.training.loop import fit
    from vizinho.training.speech_task import DevSet, SpeechTask

    utterances = [e.utterance for e in ready.prepared.examples]
    assert len(utterances) == 10
    dev = DevSet(utterances, {u.id: u.text for u in utterances}, str)
    result = fit(SpeechTask(ready.checkpoint, ready.prepared.examples, dev), options, tmp_path / "run")
    assert result.dev_score == 0.0


def test_a_killed_and_resumed_run_ends_with_the_same_weights(tmp_path):
    corpus = tone_corpus(tmp_path, count=24, splits=("train", "train", "dev"))
    assert start(corpus, tmp_path / "alone", tmp_path / "alone.safetensors").wait() == 0
    killed = start(corpus, tmp_path / "killed", tmp_path / "killed.safetensors")
    while not list((tmp_path / "killed").glob("step-*")) and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    saved, _ = load_state(tmp_path / "killed")
    assert saved is not None
    assert 0 < saved.step < FAST.steps
    assert start(corpus, tmp_path / "killed", tmp_path / "killed.safetensors").wait() == 0
    alone, resumed = load_file(tmp_path / "alone.safetensors"), load_file(tmp_path / "killed.safetensors")
    assert all(torch.equal(alone[name], resumed[name]) for name in alone)


def test_a_damaged_checkpoint_falls_back_and_says_so(tmp_path):
    corpus = tone_corpus(tmp_path, count=12)
    job = Job("pt", (corpus,), preset="micro", options=replace(FAST, steps=8))
    whole = fit_job(make_ready(job), tmp_path / "run")
    newest = sorted((tmp_path / "run").glob("step-*"))[-1]
    (newest / "model.safetensors").write_bytes(b"garbage")
    lines: list[str] = []
    again = fit_job(make_ready(job), tmp_path / "run", log=lines.append)
    assert any("damaged" in line for line in lines)
    assert any("going on from step 4" in line for line in lines)
    ours, theirs = weights(again.ready.checkpoint.model), weights(whole.ready.checkpoint.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_frozen_layers_do_not_move_and_movement_says_so(tmp_path):
    corpus = tone_corpus(tmp_path, count=12)
    options = replace(FAST, steps=8, layers=LayerPolicy(frozen=("front", "block0")))
    found = fit_job(make_ready(Job("pt", (corpus,), preset="micro", options=options)), tmp_path / "run").movement
    distances = {layer.layer: layer.relative_distance for layer in found.layers}
    assert distances["front"] == distances["block0"] == 0
    assert distances["block1"] > 0
    assert distances["head"] > 0


def test_worker_processes_give_the_same_run(tmp_path):
    corpus = tone_corpus(tmp_path, count=12)
    job = Job("pt", (corpus,), preset="micro", options=replace(FAST, steps=6))
    here = fit_job(make_ready(job), tmp_path / "here")
    there = fit_job(make_ready(replace(job, options=replace(job.options, workers=1))), tmp_path / "there")
    ours, theirs = weights(here.ready.checkpoint.model), weights(there.ready.checkpoint.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_corpus_of_another_language_is_refused(tmp_path):
    corpus = tone_corpus(tmp_path, count=4, lang="es")
    with pytest.raises(CorpusError, match="in 'es', not in 'pt'"):
        make_ready(Job("pt", (corpus,), preset="micro", options=FAST))


@pytest.mark.parametrize("written", ["pt_BR", "pt-BR", "por", "PT"])
def test_forms_of_a_code_are_one_language(tmp_path, written):
    corpus = tone_corpus(tmp_path, count=4, lang=written)
    for asked in ("pt", "pt_BR", "por"):
        ready = make_ready(Job(asked, (corpus,), preset="micro", options=FAST))
        assert ready.dataset.normalizer == get_normalizer("pt")


def test_letters_that_given_tokens_lack_are_named(tmp_path):
    from vizinho.audio.features import make_extractor
    from vizinho.corpora.manifest import read_manifest
    from vizinho.model.frontends import front_end
    from vizinho.model.presets import build_model
    from vizinho.text.tokens import character_tokenizer
    from vizinho.training.data import Preparer, prepare

    config = build_model("micro", 5, 0).config
    utterances = read_manifest(tone_corpus(tmp_path, count=4))
    with pytest.raises(TextError, match="letters the tokens lack"):
        prepare(utterances, Preparer(character_tokenizer("ab"), str, front_end(config, make_extractor()), 0))


def test_pieces_train_save_and_come_back(tmp_path):
    from vizinho.model.checkpoint import load_checkpoint, save_checkpoint
    from vizinho.recognition.recognizer import Recognizer

    corpus = tone_corpus(tmp_path, count=12, splits=("train", "dev"))
    done = fit_job(
        make_ready(Job("pt", (corpus,), preset="micro", tokens="bpe", pieces=24, options=replace(FAST, steps=6))),
        tmp_path / "run",
    )
    assert done.ready.checkpoint.subsampling == 8
    save_checkpoint(tmp_path / "model", done.ready.checkpoint)
    again = load_checkpoint(tmp_path / "model")
    assert again.inventory == done.ready.checkpoint.inventory
    dev = list(done.ready.dataset.dev)
    assert Recognizer.of(again).transcribe_corpus(dev) == Recognizer.of(done.ready.checkpoint).transcribe_corpus(dev)


def test_a_new_version_starts_bit_equal_and_keeps_letters_the_corpus_lacks(tmp_path):
    from vizinho.model.checkpoint import save_checkpoint

    first = make_ready(Job("pt", (tone_corpus(tmp_path / "a", count=8),), preset="micro", options=FAST))
    save_checkpoint(tmp_path / "model", first.checkpoint)
    corpus = tone_corpus(tmp_path / "b", count=8, letters="abc", seed=3)
    second = make_ready(Job("pt", (corpus,), donor=tmp_path / "model", donor_language="pt", options=FAST))
    assert second.checkpoint.inventory == first.checkpoint.inventory
    assert set(second.plan.counts()) == {"copy", "row copy"}
    assert all(torch.equal(first.start[name], second.start[name]) for name in first.start)


@pytest.mark.parametrize("changed", [{"precision": "bf16"}, {"accumulate": 3}, {"activation_checkpointing": True}])
def test_it_learns_with_every_option(tmp_path, changed):
    corpus = tone_corpus(tmp_path, count=12)
    found = fit_job(
        make_ready(Job("pt", (corpus,), preset="micro", options=replace(FAST, steps=16, **changed))), tmp_path
    )
    losses = [p.train_loss for p in found.result.curve if p.train_loss is not None]
    assert losses[-1] < 0.8 * losses[0]
