import dataclasses
import json
import multiprocessing
from pathlib import Path

import pytest

from vizinho.errors import ModelError, StoreError
from vizinho.registry.card import Card, read_card
from vizinho.registry.lineage import lineage
from vizinho.registry.store import Store

CARD = Card(name="x", language="pt", created="2026-01-01T00:00:00+00:00", tokens=9, normalizer="pt-v1", steps=1, seed=1)


def folder(place: Path, content: str = "{}") -> Path:
    place.mkdir(parents=True)
    (place / "config.json").write_text(content)
    (place / "model.safetensors").write_bytes(b"weights")
    return place


def add(home: Path, name: str, number: int) -> str:
    return Store(home).add(name, folder(home / f"new-{name}-{number}"), CARD)


def test_versions_count_up_and_the_newest_is_current(tmp_path):
    assert [add(tmp_path, "pt", n) for n in range(3)] == ["pt@1", "pt@2", "pt@3"]
    store = Store(tmp_path)
    assert store.resolve("pt") == store.resolve("pt@3")
    assert store.card("pt@2").version == 2
    store.set_current("pt", 1)
    assert store.find("pt").ref == "pt@1"
    assert add(tmp_path, "pt", 9) == "pt@4"


def test_a_worse_version_can_be_kept_without_becoming_current(tmp_path):
    add(tmp_path, "pt", 1)
    store = Store(tmp_path)
    store.add("pt", folder(tmp_path / "new"), CARD, make_current=False)
    assert store.find("pt").ref == "pt@1"
    assert [e.ref for e in store.versions("pt")] == ["pt@1", "pt@2"]


def test_unknown_models_list_what_there_is(tmp_path):
    add(tmp_path, "pt", 1)
    with pytest.raises(StoreError, match=r"no model 'fr'.*pt@1"):
        Store(tmp_path).resolve("fr")
    with pytest.raises(StoreError, match="no model 'pt@7'"):
        Store(tmp_path).resolve("pt@7")
    with pytest.raises(StoreError, match="no version pt@7"):
        Store(tmp_path).set_current("pt", 7)


def test_a_corpus_in_a_models_place_is_named(tmp_path):
    (tmp_path / "pt.jsonl").write_text("{}")
    with pytest.raises(ModelError, match="a file, not a model"):
        Store(tmp_path).resolve(str(tmp_path / "pt.jsonl"))


def test_changed_and_missing_files_are_noticed(tmp_path):
    add(tmp_path, "pt", 1)
    place = Store(tmp_path).resolve("pt")
    (place / "model.safetensors").write_bytes(b"others")
    with pytest.raises(ModelError, match=r"model\.safetensors: the file is not the one"):
        Store(tmp_path).resolve("pt")
    (place / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors: a file of the model is missing"):
        Store(tmp_path).resolve("pt")


@pytest.mark.parametrize("name", ["", "Pt", "pt@1", "../pt", "p t", ".pt"])
def test_names_are_checked(tmp_path, name):
    with pytest.raises(StoreError, match="is not a name"):
        Store(tmp_path).add(name, folder(tmp_path / "new"), CARD)


def _add_some(arguments):
    home, worker = arguments
    return [add(Path(home), "pt", worker * 10 + n) for n in range(5)]


def test_two_writers_at_once_get_versions_of_their_own(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        refs = [ref for made in pool.map(_add_some, [(str(tmp_path), 1), (str(tmp_path), 2)]) for ref in made]
    assert sorted(refs, key=lambda r: int(r.split("@")[1])) == [f"pt@{n}" for n in range(1, 11)]
    for entry in Store(tmp_path).versions("pt"):
        assert read_card(entry.folder).version == entry.version


def test_cards_of_other_formats_and_broken_cards_are_refused(tmp_path):
    add(tmp_path, "pt", 1)
    path = Store(tmp_path).resolve("pt") / "card.json"
    values = json.loads(path.read_text())
    for broken, message in (
        (values | {"format": 99}, "card format 99"),
        (values | {"colour": 1}, "unknown key colour"),
        ("[", "not a card"),
    ):
        path.write_text(broken if isinstance(broken, str) else json.dumps(broken))
        with pytest.raises(ModelError, match=message):
            Store(tmp_path).resolve("pt")


def test_lineage_goes_back_to_the_first_donor(tmp_path):
    store = Store(tmp_path)
    add(tmp_path, "es", 1)
    for name, donor in (("pt", "es@1"), ("gl", "pt@1"), ("ast", "gone@1")):
        card = dataclasses.replace(CARD, donor={"ref": donor, "language": "es", "weights_sha256": ""})
        store.add(name, folder(tmp_path / f"new-{name}"), card)
    assert [a.ref for a in lineage(store, "gl")] == ["es@1", "pt@1", "gl@1"]
    assert [(a.ref, a.card is None) for a in lineage(store, "ast")] == [("gone@1", True), ("ast@1", False)]


def test_the_model_card_has_front_matter(tmp_path):
    scores = [{"split": "test", "cer": 0.25, "wer": 0.5, "signature": "s"}]
    store = Store(tmp_path)
    store.add(
        "pt",
        folder(tmp_path / "new"),
        dataclasses.replace(CARD, scores=scores, donor={"ref": "es@1", "language": "es"}),
    )
    text = (store.resolve("pt") / "README.md").read_text()
    assert text.startswith("---\nlanguage: pt\n")
    assert "{type: cer, value: 0.2500}" in text
    assert "started from `es@1`" in text
