import dataclasses
import json
import multiprocessing
import shutil
from pathlib import Path

import pytest
from tones import tone_corpus
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.errors import CorpusError, StoreError
from vizinho.store.card import README, Card, read_card, verify
from vizinho.store.pins import pin, pinned_utterances, read_pin, refuse_pinned
from vizinho.store.store import Store

CARD = Card(name="x", language="pt", created="2026-01-01T00:00:00+00:00", tokens=9, normalizer="pt-v1", steps=1, seed=1)
SCORE = {"split": "test", "cer": 0.5, "wer": 1.0, "signature": "one"}


def add(home: Path, number: int) -> str:
    folder = home / f"new-{number}"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return Store(home).add("pt", folder, CARD)


@pytest.fixture
def corpus(tmp_path):
    return tone_corpus(tmp_path / "c", count=9, splits=("train", "dev", "test"))


@pytest.fixture
def store(tmp_path):
    add(tmp_path / "home", 1)
    return Store(tmp_path / "home")


def test_the_test_split_is_pinned_and_an_earlier_pin_stays_unless_replaced(store, corpus, tmp_path):
    made = pin(store, "pt", corpus)
    assert (made.split, made.utterances) == ("test", 3)
    assert [u.split for u in pinned_utterances(store, "pt")] == ["test"] * 3
    other = tone_corpus(tmp_path / "d", count=4, seed=2)
    assert pin(store, "pt", other, replace=False) == made
    assert pin(store, "pt", other).utterances == 4
    assert pinned_utterances(store, "en") == []
    with pytest.raises(StoreError, match="no model 'gl'"):
        pin(store, "gl", corpus)


def test_a_test_set_that_changed_or_went_away_is_said(store, corpus):
    pin(store, "pt", corpus)
    before = read_manifest(corpus)
    write_manifest(corpus, [dataclasses.replace(u, text="outro") if u.split == "test" else u for u in before])
    with pytest.raises(CorpusError, match="has changed since it was pinned"):
        pinned_utterances(store, "pt")
    write_manifest(corpus, before)
    before[2].audio.unlink()
    with pytest.raises(CorpusError, match="cannot be read: no such audio file"):
        pinned_utterances(store, "pt")
    corpus.unlink()
    with pytest.raises(CorpusError, match="cannot be read: cannot read the manifest"):
        pinned_utterances(store, "pt")
    (store.models / "pt" / "pinned.json").write_text("[")
    with pytest.raises(StoreError, match="not a pin"):
        read_pin(store, "pt")


def test_pinned_recordings_may_not_be_trained_on_under_any_name(store, corpus, tmp_path):
    pin(store, "pt", corpus)
    everything = read_manifest(corpus)
    pinned = pinned_utterances(store, "pt")
    refuse_pinned("pt", pinned, [u for u in everything if u.split != "test"])
    test = next(u for u in everything if u.split == "test")
    shutil.copy(test.audio, tmp_path / "other.wav")
    renamed = dataclasses.replace(test, id="other", text="x", audio=tmp_path / "other.wav")
    with pytest.raises(CorpusError, match="1 recordings of the pinned test set of pt"):
        refuse_pinned("pt", pinned, [renamed])


def test_scores_go_into_the_card_once_and_spare_an_edited_readme(store):
    store.add_score("pt", SCORE)
    store.add_score("pt@1", {**SCORE, "cer": 0.25})
    assert [s["cer"] for s in store.card("pt").scores] == [0.25]
    folder = store.resolve("pt")
    verify(folder)
    assert "value: 0.2500" in (folder / README).read_text()
    (folder / README).write_text("mine")
    store.add_score("pt", {**SCORE, "signature": "two"})
    assert (folder / README).read_text() == "mine"
    assert len(store.card("pt").scores) == 2
    with pytest.raises(StoreError, match="no model 'gl'"):
        store.add_score("gl", SCORE)


def test_a_version_is_not_put_over_one_that_came_meanwhile(store, tmp_path):
    add(tmp_path / "home", 2)
    add(tmp_path / "home", 3)
    assert not store.replace_current("pt", 1, instead_of=2)
    assert store.find("pt").ref == "pt@3"
    assert store.replace_current("pt", 1, instead_of=3)
    assert store.find("pt").ref == "pt@1"


def _write_everything(arguments):
    home, corpus, worker = Path(arguments[0]), Path(arguments[1]), arguments[2]
    store = Store(home)
    for n in range(6):
        ref = add(home, worker * 100 + n)
        store.add_score(ref, {**SCORE, "signature": f"{worker}-{n}"})
        store.add_score("pt@1", {**SCORE, "signature": f"{worker}-{n}"})
        pin(store, "pt", corpus)
        store.replace_current("pt", int(ref.partition("@")[2]), instead_of=1)
    return True


def test_two_writers_of_versions_scores_and_pins_lose_nothing(store, corpus):
    home = str(store.home)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert all(pool.map(_write_everything, [(home, str(corpus), 1), (home, str(corpus), 2)]))
    assert [e.version for e in store.versions("pt")] == list(range(1, 14))
    assert {s["signature"] for s in store.card("pt@1").scores} == {f"{w}-{n}" for w in (1, 2) for n in range(6)}
    assert read_pin(store, "pt").utterances == 3
    for entry in store.versions("pt"):
        verify(entry.folder)
        assert len(read_card(entry.folder).scores) == (12 if entry.version == 1 else 1)


def test_pinning_as_typed(store, corpus, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(store.home))

    def typed(*words):
        found = CliRunner().invoke(app, ["models", "pin", *map(str, words)], catch_exceptions=False)
        return found.stdout.strip()

    assert typed("pt") == "pt has no pinned test set"
    assert typed("pt", "--corpus", corpus).startswith("pt: 3 utterances, test of ")
    assert json.loads(typed("pt", "--json"))["pin"]["utterances"] == 3
    assert typed("pt", "--remove") == "pt has no pinned test set"
    with pytest.raises(StoreError, match="both given"):
        typed("pt", "--remove", "--corpus", corpus)
