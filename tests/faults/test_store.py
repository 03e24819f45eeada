"""Clocks that jump, stores that cannot be written, two processes at once, a folder of recordings half transcribed."""

import json
from pathlib import Path

import pytest
import torch
from faulting import Fault, moments, read_only, rounds, vizinho
from safetensors.torch import load_file
from tones import tone_corpus, tone_speech

from vizinho.audio.io import save_audio
from vizinho.store.store import Store

pytestmark = pytest.mark.faults
RECIPE = """
steps = 2
batch_seconds = 4.0
evaluate_every = 2
checkpoint_every = 1
workers = 0
"""


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> tuple[object, ...]:
    folder = tmp_path_factory.mktemp("store")
    (folder / "recipe.toml").write_text(RECIPE)
    corpus = tone_corpus(folder, count=6, splits=("train", "train", "dev"))
    return ("train", "--lang", "pt", "--corpus", corpus, "--preset", "micro", "--recipe", folder / "recipe.toml")


def test_a_clock_that_jumps_changes_nothing_but_dates(words, tmp_path):
    """A run in the future, then one in the past: versions follow their numbers, and the weights are the same."""
    for number, clock in enumerate(("ahead", "back")):
        done = vizinho(*words, home=tmp_path / "home", log=tmp_path / f"log{number}", fault=Fault(clock=clock))
        assert done.wait() == 0, done.said
    store = Store(tmp_path / "home")
    assert [(e.ref, e.current) for e in store.versions("pt")] == [("pt@1", False), ("pt@2", True)]
    first, second = (load_file(store.resolve(ref) / "model.safetensors") for ref in ("pt@1", "pt@2"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_read_only_store_can_be_read_and_says_that_it_cannot_be_written(words, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with read_only(home):
        done = vizinho(*words, home=home, log=tmp_path / "train")
        assert done.wait() == 2, done.said
        assert "cannot be written (Read-only file system)" in done.said
        assert "VIZINHO_HOME" in done.said
        assert "Traceback" not in done.said
        listed = vizinho("models", "list", "--json", home=home, log=tmp_path / "list")
        assert listed.wait() == 0, listed.said
    assert not list(home.iterdir())


def test_runs_at_once_become_versions_side_by_side_and_the_same_run_twice_is_refused(words, tmp_path):
    home = tmp_path / "home"
    started = [vizinho(*words, "--seed", seed, home=home, log=tmp_path / f"log{n}") for n, seed in enumerate((1, 2, 2))]
    codes = [child.wait() for child in started]
    assert codes[0] == 0, started[0].said
    same = started[1:]
    assert 0 in codes[1:]
    for child, code in zip(same, codes[1:], strict=True):
        assert code == 0 or (code == 2 and "going on in another process" in child.said), child.said
    store = Store(home)
    assert [e.ref for e in store.versions("pt")] == [f"pt@{n + 1}" for n in range(codes.count(0))]
    for entry in store.versions("pt"):
        store.resolve(entry.ref)


def recordings(folder: Path) -> Path:
    for number in range(24):
        word = "abcdefgh"[number % 6 :][:3]
        save_audio(folder / f"{number:02d}.wav", tone_speech(word, seed=number))
    return folder


def texts(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "transcribed.jsonl"}


def test_a_folder_is_transcribed_through_kills_and_by_two_processes_at_once(tmp_path):
    folder, random = recordings(tmp_path / "speech"), moments("transcribe")

    def transcribe(out: Path, log: str, fault: Fault = Fault()):
        words = ("transcribe", "es-demo", folder, "--out", out, "--engine", "torch", "--json")
        return vizinho(*words, home=tmp_path / "home", log=tmp_path / log, fault=fault)

    alone = transcribe(tmp_path / "alone", "alone")
    assert alone.wait() == 0, alone.said
    expected = texts(tmp_path / "alone")
    assert len(expected) == 24
    for number in range(rounds(1)):
        out = tmp_path / f"out{number}"
        killed = transcribe(out, "killed", Fault(random.randrange(3, 70), str(out)))
        assert killed.wait() == -9
        done = {name for name in texts(out) if not name.startswith(".")}
        assert all(texts(out)[name] == expected[name] for name in done)
        both = [transcribe(out, f"again{n}") for n in range(2)]
        assert [child.wait() for child in both] == [0, 0], both[0].said + both[1].said
        assert {name: text for name, text in texts(out).items() if not name.startswith(".")} == expected
        for line in (out / "transcribed.jsonl").read_text().splitlines():
            json.loads(line)
        last = transcribe(out, "last")
        assert last.wait() == 0
        assert json.loads(last.out.read_text())["skipped"] == 24
        assert texts(out) == expected
