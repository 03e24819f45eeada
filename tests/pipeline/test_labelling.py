"""Pseudo-labels: what a model hears becomes a manifest; a killed run loses nothing and hears nothing twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import CorpusError, SpecError
from vizinho.evaluation.score import error_rates
from vizinho.recognition import label as labelling
from vizinho.recognition.files import Work, collect
from vizinho.recognition.label import PseudoLabelOptions, from_files, pseudo_label
from vizinho.store.card import Card
from vizinho.store.store import Store

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("speech"), count=20, letters="abcdef", seed=4)


def typed(*words, code=0):
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_a_manifest_is_labelled_and_every_row_says_by_whom(tone_model, speech, tmp_path):
    theirs = {u.id: u for u in read_manifest(speech)}
    write_manifest(tmp_path / "in.jsonl", [replace(u, text="", source="radio") for u in theirs.values()])
    made = json.loads(typed("corpus", "label", tone_model, tmp_path / "in.jsonl", "--out", tmp_path / "o.jsonl",
                            "--engine", "torch", "--json").stdout)  # fmt: skip
    ours = read_manifest(tmp_path / "o.jsonl")
    assert made["accepted"] + made["silent"] == len(theirs)
    cer, _ = error_rates({u.id: theirs[u.id].text for u in ours}, {u.id: u.text for u in ours})
    assert cer < 0.25
    assert {u.source for u in ours} == {f"labelled by {tone_model.name}; radio"}
    assert {u.split for u in ours} == {"train"}
    assert all(0 <= json.loads(line)["confidence"] <= 1 for line in (tmp_path / "o.jsonl").read_text().splitlines())


def test_labels_have_the_restrictions_of_their_recording_and_of_the_model(tone_model, speech, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(tone_model, model)
    rows = [{"corpus": "es.jsonl", "restrictions": ["not for export", "ask Ana"]}, {"corpus": None}]
    card = Card("x", "pt", "2026-01-01T00:00:00+00:00", 9, "pt-v2", 1, 1, data={"sources": rows})
    store = Store(tmp_path / "home")
    store.add("x", model, card)
    utterances = [replace(u, restrictions=("in winter",)) for u in read_manifest(speech)[:3]]
    write_manifest(tmp_path / "in.jsonl", utterances)
    typed(
        "corpus", "label", store.resolve("x"), tmp_path / "in.jsonl", "--out", tmp_path / "o.jsonl", "--engine", "torch"
    )
    labelled = read_manifest(tmp_path / "o.jsonl")
    assert {u.restrictions for u in labelled} == {("in winter", "not for export", "ask Ana")}


def test_another_threshold_needs_no_second_hearing(tone_model, speech, tmp_path, monkeypatch):
    utterances = read_manifest(speech)
    everything = pseudo_label(Work(tone_model, "torch"), "pt@1", utterances, tmp_path / "o.jsonl")
    monkeypatch.setattr(labelling, "transcribe_files", lambda _work, files, *_rest, **_more: iter(files and 1 / 0))
    least = everything.median_confidence
    fewer = pseudo_label(Work(tone_model, "torch"), "pt@1", utterances, tmp_path / "o.jsonl", PseudoLabelOptions(least))
    assert fewer.done_before == len(utterances)
    assert 0 < fewer.accepted < everything.accepted
    assert fewer.accepted + fewer.unsure + fewer.silent == len(utterances)
    rows = written(tmp_path / "o.jsonl")
    assert len(rows) == fewer.accepted
    assert min(row["confidence"] for row in rows) >= least


def test_files_of_a_folder_and_broken_ones_among_them(tone_model, speech, tmp_path):
    for utterance in read_manifest(speech)[:4]:
        (tmp_path / "in" / "a").mkdir(parents=True, exist_ok=True)
        shutil.copy(utterance.audio, tmp_path / "in" / "a")
    (tmp_path / "in" / "broken.wav").write_bytes(b"no audio")
    found = typed("corpus", "label", tone_model, tmp_path / "in", "--out", tmp_path / "o.jsonl", "--lang", "pt",
                  "--engine", "torch", code=2)  # fmt: skip
    assert "error: broken: " in found.stderr
    assert [u.id for u in read_manifest(tmp_path / "o.jsonl")] == [f"a/pt-{n:03d}" for n in range(4)]
    assert from_files(collect([tmp_path / "in"]).files, "pt")[-1].id == "broken"


def test_a_changed_recording_is_heard_again_and_a_new_model_hears_all(tone_model, speech, tmp_path):
    shutil.copytree(speech.parent, tmp_path / "in")
    utterances = read_manifest(tmp_path / "in" / speech.name)[:5]
    pseudo_label(Work(tone_model, "torch"), "pt@1", utterances, tmp_path / "o.jsonl")
    shutil.copy(utterances[1].audio, utterances[0].audio)
    os.utime(utterances[0].audio, (1, 1))
    again = pseudo_label(Work(tone_model, "torch"), "pt@1", utterances, tmp_path / "o.jsonl")
    assert again.done_before == 4
    texts = {u.id: u.text for u in read_manifest(tmp_path / "o.jsonl")}
    assert texts[utterances[0].id] == texts[utterances[1].id]


RUN = """
import sys
from pathlib import Path
import torch
from vizinho.corpora.manifest import read_manifest
from vizinho.recognition.label import pseudo_label
from vizinho.recognition.files import Work
torch.set_num_threads(1)
pseudo_label(Work(Path(sys.argv[1]), "torch"), "pt@1", read_manifest(Path(sys.argv[2])), Path(sys.argv[3]))
"""


def written(manifest: Path) -> list[dict]:
    return [json.loads(line) for line in manifest.read_text().splitlines()]


def start(model: Path, manifest: Path, out: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(model), str(manifest), str(out)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


def test_a_killed_run_goes_on_with_nothing_lost_and_nothing_twice(tone_model, speech, tmp_path):
    pseudo_label(Work(tone_model, "torch"), "pt@1", read_manifest(speech), tmp_path / "alone.jsonl")
    ledger = tmp_path / "killed.heard.jsonl"
    killed = start(tone_model, speech, tmp_path / "killed.jsonl")
    while not (ledger.is_file() and ledger.read_bytes().count(b"\n")) and killed.poll() is None:
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    before = ledger.read_bytes().count(b"\n")
    assert before > 0
    with ledger.open("ab") as file:
        file.write(b'{"audio": "/cut/o')
    assert start(tone_model, speech, tmp_path / "killed.jsonl").wait() == 0
    # Heard in other batches: the confidence may round otherwise in its last place.
    killed_rows, rows = (written(tmp_path / f"{name}.jsonl") for name in ("killed", "alone"))
    assert killed_rows == [row | {"confidence": pytest.approx(row["confidence"], abs=2e-4)} for row in rows]
    lines = [line for line in ledger.read_text().splitlines() if line.endswith("}")]
    heard = [json.loads(line)["audio"] for line in lines]
    assert sorted(heard) == sorted(str(u.audio) for u in read_manifest(speech))


def test_processes_hear_the_same(tone_model, speech, tmp_path):
    utterances = read_manifest(speech)
    alone = pseudo_label(Work(tone_model, "torch"), "pt@1", utterances, tmp_path / "a.jsonl")
    several = pseudo_label(
        Work(tone_model, "torch"), "pt@1", utterances, tmp_path / "b.jsonl", PseudoLabelOptions(processes=2)
    )
    assert alone.accepted == several.accepted
    assert (tmp_path / "a.jsonl").read_text() == (tmp_path / "b.jsonl").read_text()


def test_nothing_left_and_impossible_options_are_said(tone_model, speech, tmp_path):
    utterances = read_manifest(speech)
    with pytest.raises(CorpusError, match="nothing to keep of 2 recordings: 2 below"):
        pseudo_label(Work(tone_model, "torch"), "pt@1", utterances[:2], tmp_path / "o.jsonl", PseudoLabelOptions(1.0))
    with pytest.raises(SpecError, match="use 0 to 1"):
        PseudoLabelOptions(1.5)
    with pytest.raises(CorpusError, match="occurs more than once"):
        pseudo_label(Work(tone_model, "torch"), "pt@1", [utterances[0]] * 2, tmp_path / "o.jsonl")


def test_the_leak_guard_knows_a_test_recording_whoever_labelled_it(tone_model, tmp_path):
    from vizinho.experiment.guard import refuse_leaks
    from vizinho.experiment.read_spec import read_spec

    corpus = tone_corpus(tmp_path, count=12, letters="abcdef", splits=("train", "dev", "test"))
    utterances = read_manifest(corpus)
    stolen = next(u for u in utterances if u.split == "test")
    write_manifest(tmp_path / "raw.jsonl", [replace(stolen, id="raw", text="", speaker="", split="train")])
    pseudo_label(Work(tone_model, "torch"), "pt@1", read_manifest(tmp_path / "raw.jsonl"), tmp_path / "labelled.jsonl")
    spec = tmp_path / "experiment.toml"
    spec.write_text(
        f"""
        name = "leak"
        target = "pt"
        corpora = ["{corpus}"]
        starts = ["scratch"]
        seeds = [1]
        [[recipes]]
        name = "self-trained"
        beside = ["{tmp_path}/labelled.jsonl"]
        """
    )
    with pytest.raises(SpecError, match="1 recordings of test are in train of recipe self-trained"):
        refuse_leaks(read_spec(spec))
