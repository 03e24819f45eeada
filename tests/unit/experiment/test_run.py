import dataclasses
import json

import pytest
from tones import tone_corpus

from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import InterruptedRunError, SpecError, StoreError
from vizinho.experiment.guard import hold_to_settings
from vizinho.experiment.read_spec import read_spec
from vizinho.experiment.spec import store_name
from vizinho.job.data import read_dataset
from vizinho.store.store import Store


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

    from vizinho.experiment.run import arm_task
    from vizinho.experiment.starts import arms_of, donor_task

    spec = spec_over(tmp_path, utterances)
    task = (arm_task, donor_task, spec, arms_of(spec))
    assert pickle.loads(pickle.dumps(task)) == task


def test_arms_of_an_earlier_format_are_not_mixed_in(tmp_path, utterances):
    spec = spec_over(tmp_path, utterances)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "settings.json").write_text('{"target": "pt"}')
    with pytest.raises(SpecError, match="arms in format 1, not 3"):
        hold_to_settings(spec, tmp_path / "out")


def test_the_target_s_orthography_is_used_and_another_one_is_refused(tmp_path, utterances):
    (tmp_path / "pt.toml").write_text('language = "pt"\n[same]\n"k" = "c"\n', encoding="utf-8")
    spec = spec_over(tmp_path, utterances)
    own = dataclasses.replace(spec, orthography=tmp_path / "pt.toml")
    assert own.normalizer("pt-BR")("kasa") == "casa" and own.normalizer("es") == spec.normalizer("es")
    from vizinho.experiment.starts import Start, arms_of, job_of

    assert job_of(own, arms_of(own)[0], Start()).normalizer == own.normalizer("pt")
    hold_to_settings(spec, tmp_path / "out")
    with pytest.raises(SpecError, match=r"normalizer was pt-v2-[0-9a-f]{8}, is pt-v2-"):
        hold_to_settings(own, tmp_path / "out")
    path = tmp_path / "out" / "settings.json"
    older = {k: v for k, v in json.loads(path.read_text()).items() if k != "normalizer"}
    path.write_text(json.dumps(older))
    with pytest.raises(SpecError, match="normalizer was pt-v1, is pt-v2-"):
        hold_to_settings(spec, tmp_path / "out")


def test_one_bar_goes_over_everything_that_is_not_done(tmp_path, utterances):
    from vizinho.experiment.run import WHOLE, _over_everything
    from vizinho.experiment.starts import Workspace

    spec = dataclasses.replace(spec_over(tmp_path, utterances), seeds=(1, 2, 3))
    done = tmp_path / "out" / "arms" / "scratch.all.seed2.json"
    done.parent.mkdir(parents=True)
    done.write_text("{}")
    seen = []
    shown = _over_everything(spec, Workspace(tmp_path / "out"), lambda *event: seen.append(event))
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

    for name, heard in minutes.items():
        folder = tmp_path / f"new-{name}"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        data = {} if heard is None else {"minutes": heard}
        Store(tmp_path / "h").add(name, folder, Card(name, "es", "2026", 9, "es-v1", 100, 1, data=data))
    spec = dataclasses.replace(spec_over(tmp_path, utterances), starts=starts)
    assert [b.matched for b in budgets_of(spec, tmp_path / "h")] == matched


def test_a_start_that_nothing_gives_is_refused_before_anything_is_trained(tmp_path, utterances):
    from vizinho.experiment.run import run_experiment

    spec = dataclasses.replace(spec_over(tmp_path, utterances), starts=("scratch", "es-demo", "nobody"))
    with pytest.raises(StoreError, match="no model 'nobody'"):
        run_experiment(spec, tmp_path / "out", home=tmp_path / "h")
    assert not (tmp_path / "out").exists()


def test_a_small_corpus_can_come_more_often(tmp_path):
    real, made = tone_corpus(tmp_path / "a", count=4), tone_corpus(tmp_path / "b", count=6, seed=9)
    for path, prefix in ((real, "r"), (made, "s")):
        write_manifest(path, [dataclasses.replace(u, id=prefix + u.id) for u in read_manifest(path)])
    once, often = (read_dataset((real, made), "pt", None, 1, repeat).train for repeat in ((), (3, 1)))
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
    data = read_dataset((real,), "pt", 0.1, 1, (), (made,))
    assert sorted(u.id for u in data.train if u.id.startswith("s")) == ["spt-000", "spt-002", "spt-004", "spt-006"]
    assert sum(u.duration_seconds for u in data.train if not u.id.startswith("s")) <= 6
    assert not [u for u in data.dev if u.id.startswith("s")]


def test_a_donor_trained_the_same_way_elsewhere_is_taken_over(tmp_path, utterances):
    from vizinho.experiment.spec import DonorSpec
    from vizinho.experiment.starts import Workspace, prepare_starts
    from vizinho.training.options import TrainingOptions

    spec = spec_over(tmp_path, utterances)
    options = TrainingOptions(steps=2, evaluate_every=2, checkpoint_every=2, workers=0)
    donor = DonorSpec("es", "pt", spec.corpora, training=options)

    def prepared(folder, donor):
        notes = []
        prepare_starts(
            dataclasses.replace(spec, preset="micro", donors=(donor,)),
            Workspace(tmp_path / folder, tmp_path / "h"),
            1,
            lambda *event: notes.append(event[3]),
            None if folder == "first" else tmp_path / "first",
        )
        weights = (Store(tmp_path / folder / "store").resolve(f"donor_{donor.name}") / "model.safetensors").read_bytes()
        return weights, "taken over" in notes

    weights, taken = prepared("first", donor)
    assert not taken
    with pytest.raises(SpecError, match="no donors of an experiment are here"):
        prepare_starts(spec, Workspace(tmp_path / "other"), 1, lambda *event: None, tmp_path / "nowhere")
    assert prepared("second", dataclasses.replace(donor, name="iberian")) == (weights, True)
    longer = dataclasses.replace(donor, training=dataclasses.replace(options, steps=3))
    others, taken = prepared("third", longer)
    assert (others != weights, taken) == (True, False)


def test_names_in_the_store_stay_apart():
    assert store_name("es/ours/0.5min/seed1") == "es.ours.0.5min.seed1"
    names = ("es.x/all/seed1", "es/x/all/seed1", "es x/all/seed1", "Es x/all/seed1", "日本/all/seed1", "日/all/seed1")
    assert len(set(map(store_name, names))) == len(names)
    for name in names:
        Store().check_name(store_name(name))


def test_an_experiment_that_was_killed_goes_on_to_the_same_result(tmp_path, utterances):
    """Killed in the middle of an arm, then between the model and the result of one."""
    from vizinho.experiment import run as running
    from vizinho.experiment.run import run_experiment
    from vizinho.training.options import TrainingOptions

    options = TrainingOptions(steps=6, evaluate_every=3, checkpoint_every=2, workers=0)
    spec = dataclasses.replace(spec_over(tmp_path, utterances), preset="micro", seeds=(1, 2), training=options)
    spec = dataclasses.replace(spec, scratch=options)
    whole = run_experiment(spec, tmp_path / "whole")
    advanced = []

    def kill(name, of, amount, note=""):
        advanced.append(amount if name == "scratch/all/seed2" else 0)
        if sum(advanced) >= 4:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError, match=r"scratch\.all\.seed2.* what was trained is saved"):
        run_experiment(spec, tmp_path / "out", show=kill)
    assert [p.name for p in (tmp_path / "out" / "arms").iterdir()] == ["scratch.all.seed1.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "write_value", lambda *_args, **_options: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(InterruptedRunError, match=r"scratch\.all\.seed2"):
            run_experiment(spec, tmp_path / "out")
    resumed = run_experiment(spec, tmp_path / "out")
    assert [e.ref for e in Store(tmp_path / "out" / "store").entries() if not e.bundled] == [
        "scratch.all.seed1@1",
        "scratch.all.seed2@1",
    ]
    assert resumed.arms == whole.arms
    card = Store(tmp_path / "out" / "store").card("scratch.all.seed2")
    assert [score["split"] for score in card.scores] == ["dev", "test"]
    assert card.scores[1]["cer"] == resumed.arms[1].test.cer
    assert not list((tmp_path / "out" / "store" / "runs").glob("*"))
