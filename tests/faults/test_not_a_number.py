"""Batches that are not numbers, and recordings that change under a run: skipped and named, and nothing else moves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tones import tone_corpus, tone_speech

from vizinho.audio.io import save_audio
from vizinho.errors import AudioError, CorpusError, ModelError
from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.model.networks import weights
from vizinho.training import speech_task
from vizinho.training.checkpoints import load_state
from vizinho.training.options import TrainingOptions

pytestmark = pytest.mark.faults
OPTIONS = TrainingOptions(
    steps=4, batch_seconds=4, learning_rate=3e-3, evaluate_every=4, checkpoint_every=1, workers=0, average_share=0
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return tone_corpus(tmp_path_factory.mktemp("corpus"), count=24, splits=("train", "train", "train", "dev"))


def ready_job(corpus: Path, **changes):
    return make_ready(Job("pt", (corpus,), preset="micro", options=replace(OPTIONS, **changes)))


def spoil(monkeypatch, bad: set[int], change) -> None:
    """Batches with these numbers reach the loop changed."""
    real = speech_task.stream

    def stream(*arguments, **options):
        for number, batch in enumerate(real(*arguments, **options)):
            yield change(batch) if number in bad else batch

    monkeypatch.setattr(speech_task, "stream", stream)


def not_numbers(batch):
    return replace(batch, features=torch.full_like(batch.features, torch.nan))


def enormous(batch):
    """Numbers still, but the network's own sums are not."""
    return replace(batch, features=torch.full_like(batch.features, 3e38))


@pytest.mark.parametrize(
    ("change", "said"), [(not_numbers, "a feature is not a number"), (enormous, "the loss is nan")]
)
def test_a_batch_that_is_not_a_number_leaves_no_trace(corpus, tmp_path, monkeypatch, change, said):
    spoil(monkeypatch, {3}, change)
    lines: list[str] = []
    done = fit_job(ready_job(corpus), tmp_path / "run", log=lines.append)
    assert_untouched(tmp_path / "run")
    assert done.result.skipped_batches == 1
    assert any(line.startswith(f"step 3: {said}; skipped the batch of pt-0") for line in lines), lines


def test_an_infinite_gradient_of_a_finite_loss_leaves_no_trace(corpus, tmp_path):
    ready, calls = ready_job(corpus), []

    def overflow(gradient):
        calls.append(1)
        return gradient * torch.inf if len(calls) == 4 else gradient

    dict(ready.checkpoint.model.named_parameters())["ctc_head.bias"].register_hook(overflow)
    lines: list[str] = []
    assert fit_job(ready, tmp_path / "run", log=lines.append).result.skipped_batches == 1
    assert_untouched(tmp_path / "run")
    assert any("step 3: the gradient is" in line for line in lines), lines


def assert_untouched(run_folder: Path) -> None:
    """Step 3 to 4 moved nothing: weights, batch norms' statistics, optimiser."""
    after, _ = load_state(run_folder)
    (run_folder / "step-00000004").rename(run_folder / "later")
    before, _ = load_state(run_folder)
    assert (before.step, after.step) == (3, 4)
    assert any("running_mean" in name for name in after.model)
    for name, tensor in before.model.items():
        assert torch.equal(tensor, after.model[name]), name
        assert bool(torch.isfinite(tensor).all()), name
    ours, theirs = before.optimizer["state"], after.optimizer["state"]
    assert all(torch.equal(ours[k]["exp_avg_sq"], theirs[k]["exp_avg_sq"]) for k in ours)


def test_too_many_of_them_stop_the_run_with_a_diagnosis_and_it_can_go_on(corpus, tmp_path, monkeypatch):
    spoil(monkeypatch, set(range(2, 20)), not_numbers)
    ready = ready_job(corpus, steps=10)
    with pytest.raises(
        ModelError, match=r"6 of 8 batches .*a feature is not a number \(6 times\); the last: pt-0.*check"
    ):
        fit_job(ready, tmp_path / "run")
    monkeypatch.undo()
    lines: list[str] = []
    fit_job(ready_job(corpus, steps=10), tmp_path / "run", log=lines.append)
    assert any("going on from step" in line for line in lines)


def changed(corpus: Path, how: str, numbers: range) -> list[str]:
    """Do something to the recordings of a copy of the corpus, as a sync job or a careless user would."""
    audio = sorted((corpus.parent / "audio").glob("*.wav"))
    train = [path for place, path in enumerate(audio) if place % 4 != 3]
    for path in (train[n] for n in numbers):
        if how == "removed":
            path.unlink()
        elif how == "truncated":
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        elif how == "garbage":
            path.write_bytes(b"RIFF" + np.random.default_rng(0).bytes(4000))
        else:
            save_audio(path, tone_speech("abcdefgh" * 3))
    return [train[n].stem for n in numbers]


@pytest.mark.parametrize("how", ["removed", "truncated", "garbage", "replaced"])
def test_recordings_that_change_under_a_run_are_left_out_and_named(tmp_path, how):
    corpus = tone_corpus(tmp_path, count=24, splits=("train", "train", "train", "dev"))
    ready = ready_job(corpus, steps=8)
    names = changed(corpus, how, range(3, 5))
    lines: list[str] = []
    done = fit_job(ready, tmp_path / "run", log=lines.append)
    assert all(any(line.startswith(f"skip {name}: ") for line in lines) for name in names), lines
    assert sum(line.startswith("skip ") for line in lines) == len(names)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in weights(done.ready.checkpoint.model).values())


def test_too_many_changed_recordings_stop_the_run(tmp_path):
    corpus = tone_corpus(tmp_path, count=24, splits=("train", "train", "train", "dev"))
    ready = ready_job(corpus, steps=30)
    changed(corpus, "removed", range(8))
    with pytest.raises(CorpusError, match=r"recordings .*no such audio file.*bring them back"):
        fit_job(ready, tmp_path / "run")


def test_a_dev_recording_that_is_gone_is_an_error(tmp_path):
    """Choosing on fewer recordings than before would choose something else."""
    corpus = tone_corpus(tmp_path, count=8, splits=("train", "train", "train", "dev"))
    ready = ready_job(corpus)
    Path(ready.dataset.dev[0].audio).unlink()
    with pytest.raises(AudioError, match="no such audio file"):
        fit_job(ready, tmp_path / "run")
