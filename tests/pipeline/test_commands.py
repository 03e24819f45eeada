"""The commands as a user types them, on the tone language: what they print, what they leave, how they fail."""

import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import RECIPE, vizinho
from tones import tone_corpus, tone_speech
from transformers import AutoModelForCTC, AutoProcessor

from vizinho.audio.io import save_audio
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.store.store import Store

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A home with es@1 trained on the tone language and pt@1 transferred from it."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "recipe.toml").write_text(RECIPE)
    es = tone_corpus(folder / "es", count=30, lang="es", letters="abcdef", splits=("train", "train", "dev"))
    pt = tone_corpus(
        folder / "pt", count=30, lang="pt", letters="abcdefgh", seed=5, splits=("train", "train", "dev", "test")
    )
    trained = vizinho(
        "train",
        "--lang",
        "es",
        "--corpus",
        es,
        "--preset",
        "micro",
        "--recipe",
        folder / "recipe.toml",
        "--json",
        home=folder / "home",
    )
    assert trained.returncode == 0, trained.stderr
    moved = vizinho(
        "transfer",
        "es@1",
        "--to",
        "pt",
        "--corpus",
        pt,
        "--name",
        "pt",
        "--recipe",
        folder / "recipe.toml",
        home=folder / "home",
    )
    assert moved.returncode == 0, moved.stderr
    return folder, trained, moved


def test_train_prints_one_json_object(world):
    made = json.loads(world[1].stdout)
    assert (made["model"], made["steps"], made["movement"]) == ("es@1", 200, None)


def test_transfer_prints_plan_and_movement(world):
    summary = (
        world[2].stdout.split("transfer plan (--show-plan prints every row):\n")[1].split("pt@1: ")[0].splitlines()
    )
    assert any(line.startswith("  copied as they are: ") for line in summary) and len(summary) <= 10
    assert any(line.startswith("  copied by name: ") for line in summary)
    assert "pt@1: 200 steps" in world[2].stdout
    assert "of the weights moved" in world[2].stdout


def test_what_is_saved_loads_with_hugging_face_and_agrees_with_our_transcript(world):
    home = world[0] / "home"
    place = Store(home).resolve("pt@1")
    model, processor = AutoModelForCTC.from_pretrained(place), AutoProcessor.from_pretrained(place)
    samples = tone_speech("abc defg")
    save_audio(world[0] / "a.wav", samples)
    inputs = processor(samples, sampling_rate=16000)
    with torch.inference_mode():
        rows = model.generate(**inputs)
    theirs = processor.batch_decode(rows)[0].strip()
    ours = vizinho("transcribe", "pt", world[0] / "a.wav", home=home)
    assert theirs
    assert ours.stdout.strip() == theirs


def test_ctrl_c_saves_and_the_same_command_goes_on(world, tmp_path):
    import signal
    import time

    home = tmp_path / "home"
    corpus = world[0] / "es" / "es.jsonl"
    (tmp_path / "long.toml").write_text(RECIPE.replace("steps = 200", "steps = 300"))
    command = ("train", "--lang", "es", "--corpus", corpus, "--preset", "micro", "--recipe", tmp_path / "long.toml")
    environment = os.environ | {"VIZINHO_HOME": str(home), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    running = subprocess.Popen(
        [sys.executable, "-m", "vizinho.cli.main", *map(str, command)], stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=environment,
    )  # fmt: skip
    while not list(home.glob("runs/*/step-*")) and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate()
    assert running.returncode == 130
    assert "the state is saved -> run the same command again to go on" in errors
    assert not Store(home).versions("es")
    again = vizinho(*command, home=home)
    assert again.returncode == 0, again.stderr
    assert "going on from step" in again.stderr
    assert Store(home).find("es").ref == "es@1"
    assert not list(home.glob("runs/*"))


def test_dry_run_has_the_plan_and_writes_nothing(world):
    home = world[0] / "home"
    before = sorted(home.rglob("*"))
    found = vizinho(
        "transfer", "es@1", "--to", "pt", "--corpus", world[0] / "pt" / "pt.jsonl", "--dry-run", "--json", home=home
    )
    plan = json.loads(found.stdout)["plan"]
    assert set(plan[0]) == {"target", "token", "source", "action", "shape", "reason"}
    assert {row["action"] for row in plan} >= {"copy", "row copy", "drop"}
    assert sorted(home.rglob("*")) == before


def test_evaluate_has_the_promised_keys_and_agrees_with_itself(world):
    corpus = world[0] / "pt" / "pt.jsonl"
    found = json.loads(vizinho("evaluate", "pt@1", "--corpus", corpus, "--json", home=world[0] / "home").stdout)
    assert found.keys() >= {"cer", "wer", "cer_ci", "wer_ci", "utterances", "signature"}
    assert found["split"] == "test"
    assert found["cer_ci"][0] <= found["cer"] <= found["cer_ci"][1]
    shown = vizinho("evaluate", "pt@1", "--corpus", corpus, home=world[0] / "home").stdout
    assert f"CER {found['cer']:.3f}" in shown
    assert found["signature"] in shown


def test_common_voice_is_a_corpus_as_it_is(world, tmp_path):
    home, manifest = tmp_path / "home", world[0] / "pt" / "pt.jsonl"
    shutil.copytree(world[0] / "home" / "models", home / "models")
    release = tmp_path / "cv" / "pt"
    (release / "clips").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        rows = ["client_id\tpath\tsentence"]
        for utterance in (u for u in read_manifest(manifest) if u.split == split):
            (release / "clips" / utterance.audio.name).symlink_to(utterance.audio)
            rows.append(f"{utterance.speaker}\t{utterance.audio.name}\t{utterance.text}")
        (release / f"{split}.tsv").write_text("\n".join(rows), "utf-8")
    recipe = ("--recipe", world[0] / "recipe.toml", "--steps", 50)
    moved = vizinho("transfer", "es@1", "--to", "pt", "--corpus", release, *recipe, "--json", home=home)
    assert moved.returncode == 0, moved.stderr
    assert "30 utterances" in moved.stderr and "common-voice" in moved.stderr
    model = json.loads(moved.stdout)["model"]
    scores = [
        json.loads(vizinho("evaluate", model, "--corpus", corpus, "--json", home=home).stdout)["cer"]
        for corpus in (release, manifest)
    ]
    assert scores[0] == scores[1]
    tuned = vizinho("lm", "tune", model, "--corpus", release, "--json", home=home)
    assert tuned.returncode == 0, tuned.stderr


def test_one_broken_file_does_not_cost_the_others(world):
    (world[0] / "broken.mp3").write_bytes(b"no")
    save_audio(world[0] / "good.flac", tone_speech("abc"))
    found = vizinho(
        "transcribe", "pt", world[0] / "broken.mp3", world[0] / "good.flac", "--json", home=world[0] / "home"
    )
    assert found.returncode == 2
    printed = json.loads(found.stdout)
    assert [len(printed["transcripts"]), len(printed["failed"])] == [1, 1]
    assert "broken.mp3: cannot decode the audio" in found.stderr


def test_a_folder_is_transcribed_once_and_goes_on_where_it_stopped(world, tmp_path):
    home, folder = world[0] / "home", tmp_path / "in"
    for name, text in {"a": "abc defg", "sub/b": "gab", "c": "hac fed"}.items():
        save_audio(folder / f"{name}.wav", tone_speech(text))
    (folder / "notes.txt").write_text("no audio")
    (folder / "broken.ogg").write_bytes(b"no")
    command = ("transcribe", "pt@1", folder, "--format", "srt", "--out", tmp_path / "out")
    first = vizinho(*command, home=home)
    assert first.returncode == 2
    assert "skipped, not audio: 1 .txt" in first.stderr
    assert "broken.ogg: cannot decode" in first.stderr
    assert "3 transcribed, 0 done before, 1 failed" in first.stdout
    assert "-->" in (tmp_path / "out" / "sub" / "b.srt").read_text()
    (folder / "broken.ogg").unlink()
    (tmp_path / "out" / "c.srt").unlink()
    again = vizinho(*command, home=home)
    assert again.returncode == 0, again.stderr
    assert "1 transcribed, 2 done before, 0 failed" in again.stdout


def test_standard_input_and_an_exported_model(world, tmp_path, monkeypatch):
    home = world[0] / "home"
    save_audio(tmp_path / "a.wav", tone_speech("abc defg"))
    made = vizinho("export", "pt", "--out", tmp_path / "export", "--json", home=home)
    assert json.loads(made.stdout)["largest_difference"] < 1e-4
    expected = vizinho("transcribe", "pt", tmp_path / "a.wav", "--engine", "torch", home=home).stdout
    assert expected.strip()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "a.wav").read_bytes())))
    assert vizinho("transcribe", tmp_path / "export", "-", home=home).stdout == expected
    again = vizinho("export", "pt", "--out", tmp_path / "export", home=home)
    assert (again.returncode, "the folder exists" in again.stderr) == (2, True)


def test_channels_can_be_transcribed_apart(world, tmp_path):
    import numpy as np
    import soundfile

    left, right = tone_speech("abc defg"), np.pad(tone_speech("hac fed"), (0, 1920))
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), 16_000)
    soundfile.write(tmp_path / "left.wav", left, 16_000)
    soundfile.write(tmp_path / "right.wav", right, 16_000)
    home = world[0] / "home"
    found = vizinho("transcribe", "pt", tmp_path / "call.wav", "--split-channels", "--json", home=home)
    alone = vizinho("transcribe", "pt", tmp_path / "left.wav", tmp_path / "right.wav", "--json", home=home)
    texts = [[t["text"] for t in json.loads(made.stdout)["transcripts"]] for made in (found, alone)]
    assert texts[0] == texts[1]
    assert len(set(texts[0])) == 2


def test_models_list_show_lineage_rollback(world):
    home = world[0] / "home"
    listed = {m["ref"]: m for m in json.loads(vizinho("models", "list", "--json", home=home).stdout)["models"]}
    assert listed["pt@1"]["donor"] == "es@1"
    shown = json.loads(vizinho("models", "show", "pt", "--json", home=home).stdout)
    assert shown["recipe"]["steps"] == 200
    assert shown["files"].keys() >= {"model.safetensors", "config.json"}
    chain = json.loads(vizinho("models", "lineage", "pt", "--json", home=home).stdout)["lineage"]
    assert [link["ref"] for link in chain] == ["es@1", "pt@1"]
    assert json.loads(vizinho("models", "rollback", "pt@1", "--json", home=home).stdout) == {"current": "pt@1"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("transcribe", "nosuch", "a.wav"), "no model 'nosuch'"),
        (("evaluate", "pt", "--corpus", "nosuch.jsonl"), "nosuch.jsonl"),
        (("transfer", "{pt}", "--to", "pt", "--corpus", "{pt}"), "this is a file, not a model"),
        (("transfer", "es@1", "--to", "pt", "--corpus", "{es}"), "in 'es', not in 'pt'"),
        (
            ("transfer", "es@1", "--to", "portugese", "--corpus", "{pt}"),
            "--to: 'portugese' is no language code -> did you mean \"pt\"",
        ),
        (("transfer", "es@1", "--to", "pt", "--corpus", "{empty}"), "no utterances"),
        (("transfer", "es@1", "--to", "pt", "--corpus", "{pt}", "--preset", "tiny"), "the donor has width 32"),
        (("transfer", "{headless}", "--to", "pt", "--corpus", "{pt}"), "weights are missing: ctc_head.bias"),
        (("transfer", "es@1", "--to", "pt", "--corpus", "{pt}", "--row", "h=9"), "no donor token '9'"),
        (("transfer", "es@1", "--to", "pt", "--corpus", "{pt}", "--name", "Not Good"), "is not a name"),
        (("transfer", "es@1", "--to", "pt", "--corpus", "{pt}", "--repeat", "0"), "give 1 or more"),
        (("train", "--lang", "pt", "--corpus", "{pt}", "--preset", "huge"), "unknown preset 'huge'"),
        (("train", "--lang", "pt", "--corpus", "{pt}", "--recipe", "{typo}"), "unknown key lerning_rate"),
        (("models", "show", "pt@9"), "no model 'pt@9'"),
        (("transcribe", "es@1", "nosuch.wav"), "nosuch.wav: no such file or folder"),
        (("transcribe", "es@1", "{pt}", "--format", "doc"), "unknown format 'doc'"),
        (("transcribe", "es@1", "{pt}", "{es}", "--format", "srt"), "srt of several files needs a folder"),
        (("report", "nosuch.json"), "nosuch.json: no such file"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_two(world, tmp_path, arguments, message):
    folder = world[0]
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "typo.toml").write_text("lerning_rate = 3")
    headless = tmp_path / "headless"
    shutil.copytree(Store(folder / "home").resolve("es@1"), headless)
    (headless / "card.json").unlink()
    from safetensors.torch import load_file, save_file

    weights = load_file(headless / "model.safetensors")
    del weights["ctc_head.bias"]
    save_file(weights, headless / "model.safetensors", metadata={"format": "pt"})
    places = {
        "pt": folder / "pt" / "pt.jsonl",
        "es": folder / "es" / "es.jsonl",
        "empty": tmp_path / "empty.jsonl",
        "typo": tmp_path / "typo.toml",
        "headless": headless,
    }
    before = sorted(p for p in (folder / "home").rglob("*"))
    found = vizinho(*(str(a).format(**places) for a in arguments), home=folder / "home")
    assert found.returncode == 2, found.stderr
    errors = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in found.stderr
    assert sorted(p for p in (folder / "home").rglob("*")) == before


def test_a_small_experiment_ends_in_results_a_page_and_cards(world, tmp_path):
    synthetic = tone_corpus(tmp_path / "sy", count=12, letters="abcdefgh", seed=9, splits=("train", "dev"))
    (tmp_path / "e.toml").write_text(f"""
name = "tones"
target = "pt"
corpora = ["{world[0] / "pt" / "pt.jsonl"}"]
starts = ["es", "long", "scratch", "scratch+synthetic"]
seeds = [1]
preset = "micro"
drop_test_texts = true
untrained = true
interpolation = [0, 1]
[training]
steps = 20
batch_seconds = 8.0
learning_rate = 5e-3
evaluate_every = 10
workers = 0
[synthetic]
corpora = ["{synthetic}"]
training = {{ steps = 10, batch_seconds = 8.0, workers = 0 }}
[[donors]]
name = "es"
language = "es"
corpora = ["{world[0] / "es" / "es.jsonl"}"]
base = "es@1"
training = {{ steps = 10, batch_seconds = 8.0, workers = 0 }}
[[donors]]
name = "long"
language = "es"
corpora = ["{world[0] / "es" / "es.jsonl"}"]
base = "es"
matched = false
training = {{ steps = 12, batch_seconds = 8.0, workers = 0 }}
[[controls]]
name = "permuted"
of = "es"
kind = "permuted-rows"
[[controls]]
name = "goes on"
of = "es"
kind = "same-language"
""")
    home = world[0] / "home"
    command = ("experiment", tmp_path / "e.toml", "--out", tmp_path / "out", "--json")
    found = vizinho(*command, home=home)
    assert found.returncode == 0, found.stderr
    results = json.loads(found.stdout)
    assert [a["arm"] for a in results["arms"]] == [
        f"{arm}/all/seed1"
        for arm in (
            "es",
            "es/untrained",
            "long",
            "long/untrained",
            "scratch",
            "scratch+synthetic",
            "scratch+synthetic/untrained",
            "permuted",
        )
    ]
    arms = {a["start"]: a for a in results["arms"] if a["recipe"] != "untrained"}
    assert {a["steps"] for a in (*arms.values(), *results["updates"])} == {20}
    untrained = next(a for a in results["arms"] if a["arm"] == "es/untrained/all/seed1")
    assert (untrained["steps"], untrained["chosen"], untrained["movement"]) == (0, "step 0", None)
    assert untrained["curve"][0]["dev_cer"] == untrained["dev_cer"] == arms["es"]["curve"][0]["dev_cer"]
    assert [a["kind"] for a in arms.values()] == ["donor", "donor", "scratch", "synthetic", "permuted-rows"]
    assert [a["matched"] for a in arms.values()] == [True, False, True, True, True]
    assert arms["es"]["retention"]["lang"] == arms["permuted"]["retention"]["lang"] == "es"
    assert arms["es"]["retention"]["donor_cer"] < arms["permuted"]["retention"]["donor_cer"]
    way = arms["es"]["interpolation"]
    assert [point["place"] for point in way] == [0, 1]
    assert way[0]["cer"] == arms["es"]["curve"][0]["dev_cer"]
    assert way[1]["cer"] == arms["es"]["dev_cer"]
    assert (results["updates"][0]["language"], results["updates"][0]["start"]) == ("es", "goes on")
    assert {c["family"] for c in results["comparisons"]} == {
        "starts",
        "recipes",
        "synthetic",
        "controls",
        "unmatched",
    }
    assert results["leaks"]["unchecked"] == ["es@1"]
    assert results["questions"].keys() == {
        "final_rates", "steps_to_target", "data_efficiency", "adjustments", "retention",
    }  # fmt: skip
    again = vizinho(*command, home=home)
    assert json.loads(again.stdout)["arms"] == results["arms"]
    drawn = vizinho(
        "report", tmp_path / "out" / "results.json", "--out", tmp_path / "r.html", "--cards", "--json", home=home
    )
    assert drawn.returncode == 0, drawn.stderr
    assert len(json.loads(drawn.stdout)["cards"]) == 8
    text = (tmp_path / "r.html").read_text()
    assert text.count("data:audio/mpeg") == len(results["worst"]) > 0
    assert 'class="comparisons"' in text


def test_a_new_version_is_measured_on_the_pinned_test_set(world, tmp_path):
    home, corpus = tmp_path / "home", world[0] / "pt" / "pt.jsonl"
    shutil.copytree(world[0] / "home", home)
    evaluated = vizinho("evaluate", "pt@1", "--corpus", corpus, "--json", home=home)
    assert json.loads(evaluated.stdout)["pinned"]
    more = tone_corpus(tmp_path / "more", count=12, letters="abcdefgh", seed=12, splits=("train", "train", "dev"))
    wrong = _with_wrong_texts(more, tmp_path / "wrong.jsonl")
    (tmp_path / "bad.toml").write_text(RECIPE.replace("steps = 200", "steps = 80"))
    (tmp_path / "still.toml").write_text(RECIPE.replace("steps = 200", "steps = 1").replace("5e-3", "1e-9"))

    def update(recipe, learnt):
        command = ("transfer", "pt@1", "--to", "pt", "--corpus", learnt, "--recipe", tmp_path / recipe)
        done = vizinho(*command, home=home)
        assert done.returncode == 0, done.stderr
        return done

    worse = update("bad.toml", wrong)
    assert "pt@2 is worse than pt@1 (CER " in worse.stdout or "pt@2 has a higher CER" in worse.stdout
    assert "it is kept, pt@1 stays current" in worse.stdout
    assert Store(home).find("pt").ref == "pt@1"
    same = update("still.toml", more)
    assert "pt@3 takes the place of pt@1" in same.stdout
    assert Store(home).find("pt").ref == "pt@3"
    card = Store(home).card("pt@3")
    assert card.donor["ref"] == "pt@1"
    assert [s["split"] for s in card.scores] == ["dev", "test"]
    assert {row["action"] for row in card.plan} == {"copy", "row copy"}
    tree = vizinho("models", "lineage", "pt", home=home).stdout.splitlines()
    assert [line.split()[0].lstrip("├└│─ ") or line.split()[1] for line in tree] == ["es@1*", "pt@1", "pt@2", "pt@3*"]
    assert all("test CER" in line for line in tree[1:])
    back = vizinho("models", "rollback", "pt@2", "--json", home=home)
    assert json.loads(back.stdout) == {"current": "pt@2"}
    leaked = vizinho(
        "transfer", "pt@1", "--to", "pt", "--corpus", _all_as_train(corpus, tmp_path / "leak.jsonl"), home=home
    )
    assert leaked.returncode == 2
    assert "recordings of the pinned test set of pt are in the corpus" in leaked.stderr


def _with_wrong_texts(corpus, out):
    """Every letter written as the next one: a model that learns from it, and is chosen on it, unlearns the rest."""
    from dataclasses import replace

    from vizinho.corpora.manifest import read_manifest, write_manifest

    wrong = str.maketrans("abcdefgh", "bcdefgha")
    write_manifest(out, [replace(u, text=u.text.translate(wrong)) for u in read_manifest(corpus)])
    return out


def _all_as_train(corpus, out):
    from dataclasses import replace

    from vizinho.corpora.manifest import read_manifest, write_manifest

    write_manifest(out, [replace(u, split="train") for u in read_manifest(corpus)])
    return out


def test_the_same_run_twice_at_once_is_refused(tmp_path):
    from vizinho.errors import StoreError
    from vizinho.job.publish import sole_run

    store = Store(tmp_path)
    with sole_run(store, tmp_path / "runs" / "pt-1"):
        with (
            pytest.raises(StoreError, match="going on in another process"),
            sole_run(store, tmp_path / "runs" / "pt-1"),
        ):
            pass
        with sole_run(store, tmp_path / "runs" / "pt-2"):
            pass
    with sole_run(store, tmp_path / "runs" / "pt-1"):
        pass


def test_practice_stands_beside_the_real_speech_which_comes_more_often(world, tmp_path):
    practice = read_manifest(tone_corpus(tmp_path / "made", count=8, seed=11))
    write_manifest(tmp_path / "made.jsonl", [replace(u, id=f"made-{u.id}") for u in practice])
    real = read_manifest(world[0] / "pt" / "pt.jsonl")
    made = vizinho(
        *("transfer", "es@1", "--to", "pt", "--corpus", world[0] / "pt" / "pt.jsonl", "--name", "practised"),
        *("--beside", tmp_path / "made.jsonl", "--repeat", "3", "--steps", "2", "--json"),
        home=world[0] / "home",
    )
    assert made.returncode == 0, made.stderr
    card = Store(world[0] / "home").card("practised")
    spoken = [u for u in real if u.split == "train"]
    assert card.data["utterances"] == len(spoken)
    assert card.data["minutes"] == pytest.approx(sum(u.duration_seconds for u in spoken) / 60, abs=0.01)
    assert card.data["practice"]["utterances"] == len(practice)
    told = json.loads(made.stdout)
    assert (told["minutes"], told["practice_minutes"]) == (
        card.data["minutes"],
        card.data["practice"]["minutes"],
    )
    assert [c["beside"] for c in card.job["corpora"]] == [False, True]
    assert card.job["repeat"] == [3, 1]


def test_practice_is_made_by_the_transfer_itself_and_can_be_reproduced(world):
    pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
    home, corpus = world[0] / "home", world[0] / "pt" / "pt.jsonl"
    command = ("transfer", "es@1", "--to", "pt", "--corpus", corpus, "--steps", "2", "--seed", "3")
    plain = vizinho(*command, "--name", "plain", home=home)
    assert "minutes are little: if few people speak in them, try --practice 90" in plain.stderr
    made = vizinho(*command, "--practice", "0.3", "--name", "practising", "--json", home=home)
    assert made.returncode == 0, made.stderr
    card = Store(home).card("practising")
    spanish, real = (read_manifest(world[0] / lang / f"{lang}.jsonl") for lang in ("es", "pt"))
    heard = [line for line in made.stderr.splitlines() if line.startswith("practice: ")]
    assert len(heard) == 2 and "of synthetic pt" in heard[0] and "es.jsonl in the letters of pt" in heard[1]
    beside = [read_manifest(Path(c["place"])) for c in card.job["corpora"] if c["beside"]]
    assert len(beside[1]) <= sum(u.split == "train" for u in spanish)
    assert card.data["utterances"] == sum(u.split == "train" for u in real)
    assert card.data["practice"]["utterances"] == sum(map(len, beside))
    assert card.recipe["augment"]["warp_share"] == 0.5
    assert "an epoch has the target's own recordings 1 times (--repeat)" in made.stderr and card.job["repeat"] == []
    own = vizinho(*command, "--practice", "0.3", "--repeat", "2", "--name", "own", home=home)
    assert own.returncode == 0 and Store(home).card("own").job["repeat"] == [2, 1, 1]
    again = vizinho("models", "reproduce", "practising", home=home)
    assert again.returncode == 0, again.stderr
    for more, words in (
        (("--practice", "0"), "0.0 minutes were asked for"),
        (("--practice", "nan"), "Invalid value for '--practice'"),
        (("--practice", "0.3", "--minutes", "nan"), "Invalid value for '--minutes'"),
        (("--practice", "0.3", "--repeat", "0"), "give 1 or more"),
        (("--practice", "0.3", "--name", "Bad!"), "is not a name"),
    ):
        refused = vizinho(*command, *more, home=home)
        assert refused.returncode == 2 and words in refused.stderr and "practice: " not in refused.stderr


def test_the_text_of_a_pinned_test_set_is_not_practised(world, tmp_path):
    pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
    home, corpus = tmp_path / "home", world[0] / "pt" / "pt.jsonl"
    shutil.copytree(world[0] / "home", home)
    command = ("transfer", "pt@1", "--to", "pt", "--corpus", corpus, "--steps", "2", "--practice", "0.3")
    assert vizinho(*command, "--name", "first", home=home).returncode == 0
    practised = read_manifest(next((home / "practice").glob("pt-spoken-*.jsonl")))
    speech = read_manifest(tone_corpus(tmp_path / "pinned", count=2, lang="pt", seed=9))
    pinned = [replace(u, id=f"pin-{u.id}", text=p.text) for u, p in zip(speech, practised, strict=False)]
    write_manifest(tmp_path / "pinned.jsonl", pinned)
    assert vizinho("models", "pin", "pt", "--corpus", tmp_path / "pinned.jsonl", home=home).returncode == 0
    second = vizinho(*command, home=home)
    assert second.returncode == 0, second.stderr
    places = [c["place"] for c in Store(home).card("pt@2").job["corpora"] if c["beside"]]
    texts = {u.text for u in read_manifest(Path(places[0]))}
    assert texts and not texts & {u.text for u in pinned}
