"""A step that does not fit into memory is computed in parts, and learns the same."""

import pytest
import torch
from tones import tone_corpus

from vizinho.audio.augment import NO_AUGMENT
from vizinho.errors import ModelError
from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.networks import weights
from vizinho.training import memory
from vizinho.training.options import TrainingOptions
from vizinho.training.speech_task import SpeechTask

OPTIONS = TrainingOptions(
    steps=2, batch_seconds=16, workers=0, evaluate_every=2, checkpoint_every=1, average_share=0.0, augment=NO_AUGMENT
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("memory"), count=12, splits=("train", "train", "train", "dev"))


@pytest.fixture
def ready(corpus):
    return make_ready(Job("pt", (corpus,), preset="tiny", options=OPTIONS))


def task_of(ready):
    return SpeechTask(ready.checkpoint, ready.prepared.examples)


def needed(ready):
    """Bytes that the longest utterance takes, and its seconds."""
    return memory._trial(task_of(ready), OPTIONS)


def limited(monkeypatch, ready, shares_of_batch):
    """Free memory for this share of a batch, beside Adam's moments."""
    seconds, count = needed(ready)
    moments = 12 * sum(p.numel() for p in ready.checkpoint.model.parameters())
    monkeypatch.setattr(memory, "free_memory", lambda: (shares_of_batch * 16 / seconds * count + moments) / memory.SAFE)
    # Measured once, since what an allocator takes differs from trial to trial.
    monkeypatch.setattr(memory, "_trial", lambda *_: (seconds, count))
    monkeypatch.setattr(memory, "WORTH_TRYING", 0.0)


def test_a_trial_measures_memory_and_leaves_the_network_as_it_was(ready):
    before = {name: tensor.clone() for name, tensor in weights(ready.checkpoint.model).items()}
    seconds, count = needed(ready)
    assert seconds == max(e.utterance.duration_seconds for e in ready.prepared.examples)
    assert count > 1e6  # some megabytes of activations, for a network of three million weights
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(ready.checkpoint.model).items())
    assert all(parameter.grad is None for parameter in ready.checkpoint.model.parameters())


def test_a_recording_that_cannot_be_read_does_not_end_the_trial(tmp_path):
    """The run itself skips and lists it."""
    own = tone_corpus(tmp_path / "own", count=12, splits=("train", "train", "train", "dev"))
    ready = make_ready(Job("pt", (own,), preset="tiny", options=OPTIONS))
    longest, second, *_ = sorted((e.utterance for e in ready.prepared.examples), key=lambda u: -u.duration_seconds)
    longest.audio.write_bytes(b"no sound")
    assert needed(ready)[0] == second.duration_seconds


def test_what_fits_stays_and_small_networks_are_not_tried(ready, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_trial", lambda *_: pytest.fail("a trial was made"))
    assert memory.fitted(task_of(ready), OPTIONS, tmp_path, print) == OPTIONS


def test_a_batch_that_does_not_fit_is_computed_in_parts(ready, tmp_path, monkeypatch):
    limited(monkeypatch, ready, 0.3)
    lines = []
    options = memory.fitted(task_of(ready), OPTIONS, tmp_path, lines.append)
    assert (options.batch_seconds, options.accumulate) == (4.0, 4)
    assert lines[0].startswith("a batch of 16 s does not fit into ") and lines[0].endswith("4 times as many of 4 s")
    # A run that goes on keeps what it began with, however much memory is free by then.
    monkeypatch.setattr(memory, "free_memory", lambda: 1e12)
    assert memory.fitted(task_of(ready), OPTIONS, tmp_path, lines.append) == options


def test_the_card_gets_the_batches_that_were_computed(ready, tmp_path, monkeypatch):
    limited(monkeypatch, ready, 0.6)
    finished = fit_job(ready, tmp_path)
    assert finished.ready.job.options.batch_seconds == 8.0 and finished.ready.job.options.accumulate == 2
    assert finished.result.curve[-1].step == 2


def test_too_little_for_one_utterance_is_said(ready, tmp_path, monkeypatch):
    limited(monkeypatch, ready, 0.0)
    with pytest.raises(ModelError, match=r"a step on the longest utterance .* needs .* GB of memory, .* are free"):
        memory.fitted(task_of(ready), OPTIONS, tmp_path, print)
