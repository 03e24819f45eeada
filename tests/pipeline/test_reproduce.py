"""`vizinho models reproduce` on the tone language: the same weights again, or what is different."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import soundfile
from commands import RECIPE, vizinho
from safetensors.torch import load_file, save_file
from tones import tone_corpus

from vizinho.files import sha256, write_json
from vizinho.store.store import Store

pytestmark = pytest.mark.pipeline
SHORT = RECIPE.replace("steps = 200", "steps = 24").replace("evaluate_every = 50", "evaluate_every = 8")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """es@1 from scratch on half a minute, pt@1 from it, pt's test set pinned and scored."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "recipe.toml").write_text(SHORT)
    es = tone_corpus(folder / "es", count=24, lang="es", letters="abcdef", splits=("train", "train", "dev"))
    pt = tone_corpus(folder / "pt", count=20, seed=5, splits=("train", "train", "dev", "test"))
    recipe = ("--recipe", folder / "recipe.toml", "--quiet")
    for command in (
        ("train", "--lang", "es", "--corpus", es, "--preset", "micro", "--minutes", 0.2, *recipe),
        ("transfer", "es", "--to", "pt", "--corpus", pt, "--row", "h=a", *recipe),
        ("evaluate", "pt", "--corpus", pt),
    ):
        done = vizinho(*command, home=folder / "home")
        assert done.returncode == 0, done.stderr
    return folder


def test_a_chain_comes_out_bit_equal(world, tmp_path):
    done = vizinho("models", "reproduce", "pt@1", "--chain", "--json", "--out", tmp_path / "o", home=world / "home")
    assert done.returncode == 0, done.stdout + done.stderr
    made = json.loads(done.stdout)
    assert [m["ref"] for m in made["models"]] == ["es@1", "pt@1"]
    for model in made["models"]:
        assert (model["reproduced"], model["weights"]["differing"]) == (True, 0)
        assert (model["results"], model["causes"], model["unchecked"]) == ([], [], [])
        again = tmp_path / "o" / model["ref"] / "model.safetensors"
        assert sha256(again) == sha256(Store(world / "home").resolve(model["ref"]) / "model.safetensors")
    assert [s["split"] for s in made["models"][1]["scores"]] == ["dev", "test"]
    assert json.loads((tmp_path / "o" / "report.json").read_text()) == made
    assert not list((world / "home" / "runs").iterdir())


def test_an_altered_corpus_is_named_and_refused_or_shown(world, tmp_path):
    moved = tone_corpus(tmp_path, count=24, lang="es", letters="abcdef", splits=("train", "train", "dev"))
    same = vizinho("models", "reproduce", "es@1", "--corpus", moved, home=world / "home")
    assert same.returncode == 0, same.stdout + same.stderr
    manifest = moved.read_text()
    moved.write_text(manifest.replace('"text": "', '"text": "a', 1))
    command = ("models", "reproduce", "es@1", "--corpus", moved)
    refused = vizinho(*command, home=world / "home")
    assert refused.returncode == 2
    assert f"the data is not what es@1 was trained on: {moved}: fingerprint" in refused.stderr
    moved.write_text(manifest)
    first = tmp_path / json.loads(manifest.splitlines()[2])["audio"]  # of dev, which is used whole
    samples, rate = soundfile.read(first, dtype="int16")
    soundfile.write(first, samples // 2, rate, subtype="PCM_16")
    refused = vizinho(*command, home=world / "home")
    assert refused.returncode == 2
    assert f"{moved}: texts and sizes are as recorded" in refused.stderr


def test_other_training_data_gives_other_weights_with_anyway(world, tmp_path):
    moved = tone_corpus(tmp_path, count=24, lang="es", letters="abcdef", seed=1, splits=("train", "train", "dev"))
    done = vizinho("models", "reproduce", "es", "--corpus", moved, "--anyway", "--quiet", home=world / "home")
    assert done.returncode == 1
    assert "es@1: NOT reproduced" in done.stdout
    assert "tensors differ; relative distance" in done.stdout
    assert f"not as recorded: corpus: as in the card -> {moved}: fingerprint" in done.stdout


def test_weights_that_the_recorded_job_does_not_give_are_found(world, tmp_path):
    """A version whose weights were touched, card and all: no hash shows it, training again does."""
    home = shutil.copytree(world / "home", tmp_path / "home")
    folder = Store(home).resolve("es@1")
    weights = load_file(folder / "model.safetensors")
    weights["ctc_head.bias"][0] += 0.5
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    card = json.loads((folder / "card.json").read_text())
    card["files"]["model.safetensors"] = sha256(folder / "model.safetensors")
    card["software"]["numpy"] = "0.1"
    card["scores"][0]["cer"] = 0.5
    write_json(folder / "card.json", card)
    done = vizinho("models", "reproduce", "es@1", "--store", home, "--json", "--quiet", home=tmp_path / "other")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["models"][0]
    assert (found["weights"]["differing"], found["weights"]["where"]) == (1, "ctc_head.bias")
    assert found["weights"]["largest"] == pytest.approx(0.5, rel=1e-5)
    assert [(d["what"], d["recorded"]) for d in found["results"]] == [("dev cer", 0.5)]
    assert [(d["what"], d["recorded"]) for d in found["causes"]] == [("software: numpy", "0.1")]
    other = vizinho("models", "reproduce", "pt@1", home=home)
    assert (other.returncode, "the donor es@1 has other weights than it had" in other.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pt@7",), "no model 'pt@7'"),
        (("es-demo",), "es.jsonl: a corpus that es-demo@2 was trained on is not here"),
        (("pt@1", "--corpus", "{es}", "--corpus", "{es}"), "2 corpora are given, pt@1 was trained on 1"),
        (("pt@1", "--corpus", "nosuch.jsonl"), "nosuch.jsonl: a corpus that pt@1 was trained on is not here"),
        (("pt@1", "--corpus", "{es}"), "in 'es', not in 'pt'"),
        (("pt@1", "--corpus", "{es}", "--chain"), "--corpus and --chain were both given"),
    ],
)
def test_what_cannot_be_reproduced_is_refused(world, arguments, message):
    words = [str(a).format(es=world / "es" / "es.jsonl") for a in arguments]
    done = vizinho("models", "reproduce", *words, home=world / "home")
    assert done.returncode == 2
    assert message in done.stderr


def test_a_card_of_an_earlier_version_cannot_be_reproduced(world, tmp_path):
    home = shutil.copytree(world / "home", tmp_path / "home")
    card = home / "models" / "es" / "1" / "card.json"
    write_json(card, json.loads(card.read_text()) | {"job": {}, "software": {"vizinho": "0.1.0"}})
    done = vizinho("models", "reproduce", "es@1", home=home)
    assert done.returncode == 2
    assert "its card was written by a vizinho (0.1.0) that did not record the job" in done.stderr


def test_a_donor_that_is_gone_is_named(world, tmp_path):
    home = shutil.copytree(world / "home", tmp_path / "home")
    (home / "models" / "es").rename(home / "models" / "away")
    done = vizinho("models", "reproduce", "pt@1", home=home)
    assert (done.returncode, "the donor es@1 is no longer there" in done.stderr) == (2, True)


def test_an_interrupted_reproduction_goes_on(world, monkeypatch):
    """Ctrl-C after the first evaluation: the state is kept, and the same command ends bit-equal."""
    import vizinho.training.loop as loop

    evaluate, seen = loop.evaluate, []

    def interrupting(*arguments):
        evaluate(*arguments)
        seen.append(True)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop, "evaluate", interrupting)
    stopped = vizinho("models", "reproduce", "es@1", home=world / "home")
    assert (stopped.returncode, "stopped at step 8 of 24; the state is saved" in stopped.stderr) == (130, True)
    again = vizinho("models", "reproduce", "es@1", home=world / "home")
    assert again.returncode == 0, again.stdout
    assert "going on from step 8" in again.stderr


def test_a_model_of_shards_comes_out_bit_equal_and_other_shards_are_refused(tmp_path):
    home = tmp_path / "home"
    (tmp_path / "recipe.toml").write_text(SHORT.replace("steps = 24", "steps = 6"))
    for name, seed in (("shards", 0), ("others", 1)):
        corpus = tone_corpus(tmp_path / name, count=16, letters="abcdef", seed=seed, splits=("train", "train", "dev"))
        made = vizinho("corpus", "shard", corpus, "--out", tmp_path / name / "tars", home=home)
        assert made.returncode == 0, made.stderr
    shards, others = tmp_path / "shards" / "tars", tmp_path / "others" / "tars"
    command = ("train", "--lang", "pt", "--preset", "micro", "--recipe", tmp_path / "recipe.toml", "--corpus", shards)
    assert vizinho(*command, home=home).returncode == 0
    done = vizinho("models", "reproduce", "pt", home=home)
    assert done.returncode == 0, done.stdout + done.stderr
    refused = vizinho("models", "reproduce", "pt", "--corpus", others, home=home)
    assert (refused.returncode, f"{others}: fingerprint" in refused.stderr) == (2, True)
