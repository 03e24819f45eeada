import dataclasses
import json

import pytest
from tones import tone_corpus

from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import SpecError
from vizinho.experiment.guard import hold_to_settings
from vizinho.experiment.read_spec import read_spec
from vizinho.job.data import read_data


def spec_over(folder, utterances):
    write_manifest(folder / "pt.jsonl", utterances)
    (folder / "e.toml").write_text(
        f'name="e"\ntarget="pt"\ncorpora=["{folder}/pt.jsonl"]\nstarts=["scratch"]\nseeds=[1]'
    )
    return read_spec(folder / "e.toml")


@pytest.fixture
def utterances(tmp_path):
    return read_manifest(tone_corpus(tmp_path / "c", count=12, splits=("train", "dev", "test")))


def test_a_folder_keeps_to_the_settings_it_was_begun_with(tmp_path, utterances):
    spec = spec_over(tmp_path, utterances)
    hold_to_settings(spec, tmp_path / "out")
    hold_to_settings(dataclasses.replace(spec, seeds=(1, 2), minutes=(1.0,)), tmp_path / "out")
    other = dataclasses.replace(spec, training=dataclasses.replace(spec.training, steps=7))
    with pytest.raises(SpecError, match=r"training.steps was \d+, is 7"):
        hold_to_settings(other, tmp_path / "out")
    with pytest.raises(SpecError, match="corpora was"):
        hold_to_settings(spec_over(tmp_path, utterances[1:]), tmp_path / "out")


def test_a_folder_begun_before_an_option_there_was_had_its_default(tmp_path, utterances):
    spec = spec_over(tmp_path, utterances)
    hold_to_settings(spec, tmp_path / "out")
    file = tmp_path / "out" / "settings.json"
    older = json.loads(file.read_text())
    # As an earlier version wrote it: the layers' options in a table, one of them not yet there.
    layers = {k: older.pop(k) for k in list(older) if k.startswith("training.layers.")}
    table = {k.removeprefix("training.layers."): v for k, v in layers.items() if not k.endswith("pull")}
    file.write_text(json.dumps(older | {"training.layers": table}))
    pulled = dataclasses.replace(spec.training, layers=dataclasses.replace(spec.training.layers, pull=5.0))
    with pytest.raises(SpecError, match=r"training.layers.pull was 0.0, is 5.0"):
        hold_to_settings(dataclasses.replace(spec, training=pulled), tmp_path / "out")
    hold_to_settings(spec, tmp_path / "out")


def test_arms_and_donors_can_be_sent_to_processes(tmp_path, utterances):
    import pickle

    from vizinho.experiment.arms import arms_of
    from vizinho.experiment.run import arm_task
    from vizinho.experiment.starts import donor_task

    spec = spec_over(tmp_path, utterances)
    task = (arm_task, donor_task, spec, arms_of(spec))
    assert pickle.loads(pickle.dumps(task)) == task


def test_arms_of_an_earlier_format_are_not_mixed_in(tmp_path, utterances):
    spec = spec_over(tmp_path, utterances)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text('{"target": "pt"}')
    with pytest.raises(SpecError, match="arms of format 1, not 2"):
        hold_to_settings(spec, tmp_path / "out")


def test_one_bar_goes_over_everything_that_is_not_done(tmp_path, utterances):
    from vizinho.experiment.run import WHOLE, _over_everything

    spec = dataclasses.replace(spec_over(tmp_path, utterances), seeds=(1, 2, 3))
    done = tmp_path / "out" / "arms" / "scratch-all-seed2"
    done.mkdir(parents=True)
    (done / "arm.json").write_text("{}")
    seen = []
    shown = _over_everything(spec, tmp_path / "out", lambda *event: seen.append(event))
    shown("scratch/all/seed1", spec.training.steps, 5, "loss")
    assert seen == [
        (WHOLE, 2 * spec.training.steps, 0, ""),
        ("scratch/all/seed1", spec.training.steps, 5, "loss"),
        (WHOLE, 2 * spec.training.steps, 5, ""),
    ]


@pytest.mark.parametrize(
    ("starts", "minutes", "matched"),
    [
        (("a", "scratch"), {"a": None}, [True]),
        (("a", "b", "scratch"), {"a": 100.0, "b": 103.0}, [True, True]),
        (("a", "b", "scratch"), {"a": 100.0, "b": 120.0}, [True, False]),
    ],
)
def test_donors_of_the_store_are_matched_by_their_cards(tmp_path, utterances, starts, minutes, matched):
    from vizinho.experiment.starts import budgets_of
    from vizinho.store.card import Card
    from vizinho.store.store import Store

    for name, heard in minutes.items():
        folder = tmp_path / f"new-{name}"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        data = {} if heard is None else {"minutes": heard}
        Store(tmp_path / "h").add(name, folder, Card(name, "es", "2026", 9, "es-v1", 100, 1, data=data))
    spec = dataclasses.replace(spec_over(tmp_path, utterances), starts=starts)
    assert [b.matched for b in budgets_of(spec, tmp_path / "h")] == matched


def test_a_small_corpus_can_come_more_often(tmp_path):
    real, made = tone_corpus(tmp_path / "a", count=4), tone_corpus(tmp_path / "b", count=6, seed=9)
    for path, prefix in ((real, "r"), (made, "s")):
        write_manifest(path, [dataclasses.replace(u, id=prefix + u.id) for u in read_manifest(path)])
    once, often = (read_data((real, made), "pt", None, 1, repeat).train for repeat in ((), (3, 1)))
    kept = [u for u in once if u.id.startswith("r")]
    assert len(often) == len(once) + 2 * len(kept)
    assert len({u.id for u in often}) == len(often)
    assert {u.audio for u in often} == {u.audio for u in once}


@pytest.mark.parametrize(
    ("repeat", "message"),
    [("[1, 2]", "repeat does not fit"), ("[0]", r"repeat\[0\] is 0 -> it should be greater than or equal to 1")],
)
def test_repeat_fits_the_corpora(tmp_path, utterances, repeat, message):
    spec_over(tmp_path, utterances)
    path = tmp_path / "e.toml"
    path.write_text(path.read_text() + f"\nrepeat={repeat}")
    with pytest.raises(SpecError, match=message):
        read_spec(path)


def test_corpora_beside_come_whole_whatever_the_minutes(tmp_path):
    real = tone_corpus(tmp_path / "a", count=20, splits=("train", "dev"))
    made = tone_corpus(tmp_path / "b", count=8, seed=9, splits=("train", "dev"))
    write_manifest(made, [dataclasses.replace(u, id="s" + u.id) for u in read_manifest(made)])
    data = read_data((real,), "pt", 0.1, 1, (), (made,))
    assert sorted(u.id for u in data.train if u.id.startswith("s")) == ["spt-000", "spt-002", "spt-004", "spt-006"]
    assert sum(u.duration_seconds for u in data.train if not u.id.startswith("s")) <= 6
    assert not [u for u in data.dev if u.id.startswith("s")]


def test_a_donor_trained_the_same_way_elsewhere_is_taken_over(tmp_path, utterances):
    from vizinho.experiment.spec import DonorSpec
    from vizinho.experiment.starts import prepare_starts
    from vizinho.training.options import TrainingOptions

    spec = spec_over(tmp_path, utterances)
    options = TrainingOptions(steps=2, evaluate_every=2, checkpoint_every=2, workers=0)
    donor = DonorSpec("es", "pt", spec.corpora, training=options)

    def prepared(folder, donor):
        notes = []
        prepare_starts(
            dataclasses.replace(spec, preset="micro", donors=(donor,)),
            tmp_path / folder,
            tmp_path / "h",
            1,
            lambda *event: notes.append(event[3]),
            tmp_path / "first",
        )
        made = (tmp_path / folder / "donors" / donor.name / "model.safetensors").read_bytes()
        return made, "taken over" in notes

    weights, taken = prepared("first", donor)
    assert not taken
    assert prepared("second", dataclasses.replace(donor, name="iberian")) == (weights, True)
    longer = dataclasses.replace(donor, training=dataclasses.replace(options, steps=3))
    others, taken = prepared("third", longer)
    assert (others != weights, taken) == (True, False)
