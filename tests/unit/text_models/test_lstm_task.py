import math
import signal
from dataclasses import replace

import pytest
import torch
from grammar import FORWARD, TWO_WAY, fresh, sentences

from vizinho.errors import InterruptedRunError, ModelError, SpecError, TextError
from vizinho.text_models.lstm_task import LmData, LmOptions, LmTask, word_loss
from vizinho.training.loop import fit

OPTIONS = LmOptions(steps=60, batch_words=64, learning_rate=2e-2, samples=6, evaluate_every=20, checkpoint_every=20)


def task(trained):
    data = LmData(sentences(), sentences(30, seed=2), trained.words, trained.characters)
    return LmTask(trained.model, data)


@pytest.mark.parametrize(("shape", "samples"), [(FORWARD, 6), (FORWARD, 0), (TWO_WAY, 0)])
def test_a_grammar_is_learnt(shape, samples, tmp_path):
    trained = fresh(shape)
    result = fit(task(trained), replace(OPTIONS, samples=samples, steps=100), tmp_path)
    # Three subjects, three objects: exp of (2 log 3) / 5 words. Backwards the verb is as free as the subject was.
    assert result.dev_score < 1.15 * math.exp(2 * math.log(3) / 5)
    assert result.curve[0].score > 8


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_left_alone(tmp_path):
    alone, stopped = fresh(), fresh()
    fit(task(alone), OPTIONS, tmp_path / "alone")

    seen = []

    def stop(_done, note):
        seen.append(note)
        if len(seen) == 31:  # the first call only places the bar
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError, match=r"stopped at step 30 of 60.*--fresh"):
        fit(task(stopped), OPTIONS, tmp_path / "stopped", progress=stop)
    resumed = fresh(seed=9)
    result = fit(task(resumed), OPTIONS, tmp_path / "stopped")
    assert [p.step for p in result.curve] == [0, 20, 40, 60]
    for name, tensor in alone.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_an_epoch_has_every_sentence_once_and_a_batch_depends_on_its_number_alone(tmp_path):
    learnt = task(fresh())
    batches = [batch for batch, _ in learnt.batches(range(40), OPTIONS, tmp_path, print)]
    sizes = [len(batch.lengths) for batch in batches]
    epoch = next(n for n in range(1, 40) if sum(sizes[:n]) >= 200)
    assert sum(sizes[:epoch]) == 200
    assert all(len(b.lengths) * (int(b.lengths.max()) - 1) <= OPTIONS.batch_words for b in batches)
    later = [batch for batch, _ in learnt.batches(range(25, 28), OPTIONS, tmp_path, print)]
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(batches[25:], later, strict=False))


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    trained = fresh()
    with torch.no_grad():
        trained.model.words.bias[:] = torch.nan
    with pytest.raises(ModelError, match="the loss is nan"):
        fit(task(trained), OPTIONS, tmp_path)


def test_a_batch_that_is_no_number_leaves_no_trace(tmp_path, monkeypatch):
    from vizinho.text_models import lstm_task

    seen, log = [], []

    def poisoned(model, *rest):
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return word_loss(model, *rest) * (torch.nan if len(seen) == 5 else 1.0)

    monkeypatch.setattr(lstm_task, "word_loss", poisoned)
    trained = fresh()
    result = fit(task(trained), replace(OPTIONS, steps=20), tmp_path, log=log.append)
    assert all(torch.equal(tensor, seen[5][name]) for name, tensor in seen[4].items())
    assert not all(torch.equal(tensor, seen[6][name]) for name, tensor in seen[5].items())
    assert [line for line in log if "skipped" in line] == ["step 4: the loss is nan; skipped the batch"]
    assert math.isfinite(result.curve[-1].train_loss)


def test_empty_parts_and_impossible_options_are_refused():
    trained = fresh()
    with pytest.raises(TextError, match="no sentences in the dev part"):
        LmData(sentences(), [], trained.words, None)
    with pytest.raises(SpecError, match="steps is 0"):
        LmOptions(steps=0)
