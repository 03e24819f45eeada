"""The loop on a network of one layer: what holds for every task."""

import json
import signal

import numpy as np
import pytest
import torch

from vizinho.errors import InterruptedRunError, ModelError, SpecError
from vizinho.training.loop import fit
from vizinho.training.options import LoopOptions
from vizinho.training.schedule import plain_rates
from vizinho.training.task import BatchFacts, Task

OPTIONS = LoopOptions(steps=8, learning_rate=0.1, evaluate_every=4, checkpoint_every=4)


class Line(Task[LoopOptions]):
    """Learns to give 5 for three ones; `spoil` maps batch numbers to what their loss is multiplied by, or None."""

    def __init__(self, spoil=None, dev=lambda model: float((model(torch.ones(1, 3)) - 5).abs())):
        torch.manual_seed(0)
        self._model = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(3, 1))
        self._spoil, self._dev = spoil or {}, dev
        self.seen = []

    @property
    def model(self):
        return self._model

    def rates(self, model, options, *, by_gradient):
        return plain_rates(model, options)

    def batches(self, numbers, options, run, log):
        yield from numbers

    def facts(self, batch):
        return BatchFacts(1, 2.0)

    def loss(self, network, batch, options, ranks):
        self.seen.append(network[1].weight.detach().clone())
        # Some networks of transformers draw from NumPy's generator too.
        loss = (network(torch.ones(1, 3)) - 5).square().sum() * (1 + 0.1 * np.random.random())
        factor = self._spoil.get(batch, 1.0)
        # The root of zero is a number, and its slope is infinite.
        return loss * factor if factor is not None else loss + (network[1].weight.sum() * 0).sqrt()

    def evaluate(self):
        return {"distance": self._dev(self._model) if self._dev else None}


def press(step):
    """A progress that presses Ctrl-C in some step."""
    notes = []

    def advance(_amount, note=""):
        notes.append(note)
        if len(notes) == step + 1:  # the first call only places the bar
            signal.raise_signal(signal.SIGINT)

    return advance


@pytest.mark.parametrize("options", [OPTIONS, LoopOptions(steps=8, accumulate=3, average_share=0.6, evaluate_every=2)])
def test_an_interrupted_run_says_how_to_go_on_and_ends_with_the_same_weights(tmp_path, options):
    alone = Line()
    whole = fit(alone, options, tmp_path / "alone")
    message = r"stopped at step 3 of 8; the state is saved -> run the same command again to go on, or with --fresh"
    with pytest.raises(InterruptedRunError, match=message):
        fit(Line(), options, tmp_path / "run", progress=press(3))
    resumed, log = Line(), []
    torch.manual_seed(99)  # what ran before must not matter
    np.random.seed(99)
    assert fit(resumed, options, tmp_path / "run", log=log.append) == whole
    assert log[:2] == ["training on the CPU with 1 thread", "going on from step 3"]
    assert all(torch.equal(a, b) for a, b in zip(alone.model.parameters(), resumed.model.parameters(), strict=True))


@pytest.mark.parametrize(("bad", "cause"), [(torch.nan, "the loss is nan"), (None, "the gradient is")])
def test_a_batch_that_is_not_a_number_leaves_no_trace(tmp_path, bad, cause):
    task, log = Line({3: bad}), []
    result = fit(task, OPTIONS, tmp_path, log=log.append)
    assert torch.equal(task.seen[3], task.seen[4])
    assert all(not torch.equal(task.seen[n], task.seen[n + 1]) for n in (0, 1, 2, 4, 5, 6))
    (line,) = [line for line in log if "skipped" in line]
    assert line.startswith(f"step 3: {cause}")
    assert result.skipped_batches == 1
    assert all(point.train_loss == pytest.approx(point.train_loss) for point in result.curve[1:])  # is a number


def test_too_many_of_them_end_the_run(tmp_path):
    with pytest.raises(ModelError, match=r"6 of 6 batches gave no usable update: the loss is nan \(6 times\)"):
        fit(Line(dict.fromkeys(range(50), torch.nan)), LoopOptions(steps=50), tmp_path)


def test_weights_that_overflow_in_the_last_update_are_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"step 1: the weights are not numbers -> lower the learning rate"):
        fit(Line(dev=None), LoopOptions(steps=1, learning_rate=float("inf")), tmp_path)


def test_the_best_weights_on_dev_stay_and_of_equals_the_later(tmp_path):
    scores = iter([3.0, 1.0, 1.0, 2.0])
    task = Line(dev=lambda _model: next(scores))
    result = fit(task, LoopOptions(steps=6, evaluate_every=2), tmp_path)
    assert (result.chosen, result.best_step, result.dev_score) == ("step 4", 4, 1.0)
    assert torch.equal(task.model[1].weight, task.seen[4])
    assert [p.as_json()["dev_distance"] for p in result.curve] == [3.0, 1.0, 1.0, 2.0]
    assert result.amount == 12.0


def test_the_best_trained_weights_are_there_where_the_start_is_better(tmp_path):
    """Also where the run was interrupted; nothing is there where training helped."""
    scores = {0: 0.1, 2: 0.5, 4: 0.3, 6: 0.3, 8: 0.9}
    options = LoopOptions(steps=8, learning_rate=0.1, evaluate_every=2, checkpoint_every=2)
    copies = {}

    def dev(model):
        step = 2 * len(copies)
        copies[step] = model[1].weight.detach().clone()
        return scores[step]

    task = Line(dev=dev)
    with pytest.raises(InterruptedRunError):
        fit(task, options, tmp_path, progress=press(5))
    result = fit(task, options, tmp_path)
    assert result.chosen == "step 0"
    assert torch.equal(task.model[1].weight, copies[0])
    assert torch.equal(result.trained["1.weight"], copies[4])
    scores |= {0: 1.0}
    copies.clear()
    assert fit(Line(dev=dev), options, tmp_path / "again").trained == {}


def test_the_average_of_the_last_weights_is_taken_where_it_is_as_good(tmp_path):
    task = Line(dev=lambda _model: 1.0)
    result = fit(task, LoopOptions(steps=4, evaluate_every=1, average_share=0.5), tmp_path)
    assert result.chosen == "average of 3"
    assert not torch.equal(task.model[1].weight, task.seen[-1])


def test_patience_ends_a_run(tmp_path):
    log = []
    task = Line(dev=lambda _model: 1.0)
    result = fit(task, LoopOptions(steps=20, evaluate_every=1, patience=3), tmp_path, log=log.append)
    assert result.steps == 3
    assert "stopped early: no better dev score in 3 evaluations" in log


def test_a_network_of_one_process_is_refused_under_torchrun(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SpecError, match="trained by one process -> run it without torchrun"):
        fit(Line(), OPTIONS, tmp_path)


def test_checkpoints_of_an_older_version_are_refused_with_a_message(tmp_path):
    fit(Line(), OPTIONS, tmp_path)
    for header in tmp_path.glob("step-*/state.json"):
        values = json.loads(header.read_text())
        header.write_text(json.dumps({name: values[name] for name in ("step", "values", "sha256")}))
    with pytest.raises(ModelError, match=r"begun by an older version of vizinho.* -> start over with --fresh"):
        fit(Line(), OPTIONS, tmp_path)
