import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tones import tone_corpus

from vizinho.audio.io import save_audio
from vizinho.corpora.batches import Batch, ListedSource
from vizinho.errors import CorpusError, ModelError
from vizinho.job.fit import fit_job
from vizinho.job.job import Job
from vizinho.job.publish import publish
from vizinho.job.start import make_ready
from vizinho.model.networks import weights
from vizinho.store.store import Store
from vizinho.training.health import MAX_SKIPPED, Health, bad_batch
from vizinho.training.options import TrainingOptions
from vizinho.training.skipped import SkippedList, read_skipped

OPTIONS = TrainingOptions(steps=4, batch_seconds=8.0, evaluate_every=4, checkpoint_every=4, workers=0)


def batch(ids=("a",), value=0.0, broken=()):
    none = torch.zeros(0, dtype=torch.long)
    features = torch.full((len(ids), 3, 2), value)
    return Batch(tuple(ids), features, torch.ones(len(ids), 3, dtype=torch.bool), none, none, none, 1.0, broken=broken)


def ready(folder, options=OPTIONS):
    corpus = tone_corpus(folder, count=12, splits=("train", "dev"))
    return make_ready(Job("pt", (corpus,), preset="micro", options=options))


def test_a_batch_that_is_not_a_number_leaves_no_trace(tmp_path, monkeypatch):
    """Neither in weights nor in the running statistics of the batch norms, which a forward pass would spoil."""
    made = ready(tmp_path / "c")
    extract = type(made.checkpoint.front).extract

    def spoilt(front, waveforms):
        found = extract(front, waveforms)
        found.features[:] = math.nan
        return found

    lines = []
    monkeypatch.setattr(type(made.checkpoint.front), "extract", spoilt)
    job = replace(made, dataset=replace(made.dataset, dev=()))
    with pytest.raises(ModelError, match="gave no usable update: a feature is not a number"):
        fit_job(
            replace(job, job=replace(job.job, options=replace(OPTIONS, steps=20))), tmp_path / "run", log=lines.append
        )
    after = weights(made.checkpoint.model)
    assert all(torch.equal(tensor, after[name]) for name, tensor in made.start.items())
    assert sum("skipped the batch of" in line for line in lines) == MAX_SKIPPED + 1


def test_a_run_with_one_bad_batch_goes_on(tmp_path, monkeypatch):
    made = ready(tmp_path / "c")
    seen = []
    gather = ListedSource.__call__

    def spoilt(self, number):
        found = gather(self, number)
        seen.append(number)
        return replace(found, samples=[s * np.nan for s in found.samples]) if number == 1 else found

    monkeypatch.setattr(ListedSource, "__call__", spoilt)
    finished = fit_job(made, tmp_path / "run")
    assert seen == [0, 1, 2, 3]
    assert finished.result.skipped_batches == 1
    assert all(bool(torch.isfinite(t).all()) for t in weights(made.checkpoint.model).values())


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"no audio"), "shorter"])
def test_a_recording_that_is_lost_is_left_out_and_named(tmp_path, spoil):
    made = ready(tmp_path / "c")
    lost = made.prepared.examples[0].utterance
    if spoil == "shorter":
        save_audio(lost.audio, np.full(800, 0.1, dtype=np.float32))
    else:
        spoil(lost.audio)
    finished = fit_job(made, tmp_path / "run")
    assert [name for name, _ in finished.skipped] == [lost.id]
    assert read_skipped(tmp_path / "run")[0][0] == lost.id


def test_too_many_lost_recordings_end_a_run(tmp_path):
    lost = batch(ids=(), broken=tuple((f"u{n}", "no such file") for n in range(6)))
    with pytest.raises(CorpusError, match="6 of 50 recordings can no longer be read"):
        list(SkippedList(tmp_path, lambda _line: None, of=50).watch([lost]))
    assert len(list(SkippedList(tmp_path / "2", lambda _line: None, of=500).watch([lost]))) == 1
    assert len(list(SkippedList(tmp_path / "3", lambda _line: None).watch([lost]))) == 1
    assert len((tmp_path / "skipped.jsonl").read_text().splitlines()) == 6


def test_a_list_that_was_cut_off_and_strange_names_are_read_back(tmp_path):
    """A name may hold a line separator of Unicode; a kill may cut the last line."""
    lost = batch(ids=(), broken=(("a\u2028b", "no such file"), ("c", "no such file")))
    list(SkippedList(tmp_path, lambda _line: None).watch([lost]))
    with (tmp_path / "skipped.jsonl").open("a") as file:
        file.write('{"id": "d", "rea')
    assert read_skipped(tmp_path) == (("a\u2028b", "no such file"), ("c", "no such file"))
    list(SkippedList(tmp_path, lambda _line: None).watch([batch(ids=(), broken=(("e", "gone"),))]))
    assert [name for name, _ in read_skipped(tmp_path)] == ["a\u2028b", "c", "e"]


def test_the_list_of_an_older_model_is_read(tmp_path):
    (tmp_path / "set-aside.jsonl").write_text('{"id": "a", "reason": "no text"}\n')
    assert read_skipped(tmp_path) == (("a", "no text"),)


def test_causes_are_counted_and_some_are_forgiven():
    assert bad_batch(batch()) == ""
    assert bad_batch(batch(ids=())) == "none of its recordings can be read"
    assert bad_batch(batch(value=math.inf)) == "a feature is not a number"
    health = Health()
    for step in range(0, 1000, 20):  # a bad batch in twenty is no reason to stop
        health.skip(step, "the loss is inf", ["a"], lambda _line: None)
        health.usable()
    assert json.loads(json.dumps(health.causes)) == {"the loss is inf": 50}
    with pytest.raises(ModelError, match="the loss is inf"):
        for step in range(1000, 1010):
            health.skip(step, "the loss is inf", ["a"], lambda _line: None)


def test_a_card_names_twenty_and_a_file_beside_it_all(tmp_path):
    store, found = Store(tmp_path / "home"), tuple((f"u{n}\u2028", "too short") for n in range(50))
    finished = replace(fit_job(ready(tmp_path / "c"), tmp_path / "run"), skipped=found)
    made = publish(store, "pt", finished, tmp_path / "run", donor=None, command=["vizinho"])
    data = store.card(made.ref).data
    assert data["set_aside_count"] == 50
    assert [tuple(pair) for pair in data["set_aside"]] == list(found[:20])
    assert read_skipped(store.resolve(made.ref)) == found
