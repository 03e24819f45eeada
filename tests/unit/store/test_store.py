import dataclasses
import errno
import json
import multiprocessing
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from vizinho.errors import ModelError, StoreError
from vizinho.files import sha256
from vizinho.store.card import Card, read_card
from vizinho.store.folder import write_card
from vizinho.store.lineage import lineage
from vizinho.store.store import Store

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


def test_a_name_that_no_file_can_have_is_the_name_of_no_model(tmp_path):
    """Clients of a server may ask for anything."""
    assert Store(tmp_path).versions("a" * 300) == [] and Store(tmp_path).find("a" * 300 + "@2") is None


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
        ({k: v for k, v in values.items() if k != "language"}, "incomplete .*language"),
        (values | {"scores": None}, "scores is NoneType, not Sequence"),
        (values | {"seed": "one"}, "seed is str, not int"),
        ("[", "not a card"),
        ("[]", "not a card"),
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


def test_lineage_knows_donors_by_their_weights(tmp_path):
    store = Store(tmp_path)
    add(tmp_path, "es", 1)
    digest = sha256(store.resolve("es@1") / "model.safetensors")
    for name, recorded in (("pt", digest), ("gl", "0" * 64)):
        card = dataclasses.replace(CARD, donor={"ref": "es@1", "language": "es", "weights_sha256": recorded})
        store.add(name, folder(tmp_path / f"new-{name}"), card)
    assert [(a.ref, a.note) for a in lineage(store, "pt")] == [("es@1", ""), ("pt@1", "")]
    assert lineage(store, "gl")[0].note == "the store's model of this name has other weights than the donor had"


def test_bundled_donors_stay_reachable_beside_the_stores_own(tmp_path, monkeypatch):
    bundled = tmp_path / "donors" / "es-demo" / "1"
    write_card(folder(bundled), dataclasses.replace(CARD, name="es-demo", version=1))
    monkeypatch.setattr("vizinho.store.store.BUNDLED", tmp_path / "donors")
    store = Store(tmp_path / "home")
    assert store.resolve("es-demo") == bundled
    assert not store.home.exists()
    assert add(tmp_path / "home", "es-demo", 1) == "es-demo@2"
    assert [(e.ref, e.current, e.bundled) for e in store.versions("es-demo")] == [
        ("es-demo@1", False, True),
        ("es-demo@2", True, False),
    ]
    store.set_current("es-demo", 1)
    assert store.resolve("es-demo") == bundled


def test_a_current_version_that_is_gone_is_said_and_mended_by_rollback(tmp_path):
    add(tmp_path, "pt", 1)
    store = Store(tmp_path)
    for content in ("7\n", "seven"):
        (store.models / "pt" / "current").write_text(content)
        with pytest.raises(StoreError, match=r"the current version of 'pt' is gone.*rollback.*pt@1"):
            store.resolve("pt")
        assert store.resolve("pt@1").is_dir()
        store.set_current("pt", 1)
        assert store.find("pt").ref == "pt@1"


def test_a_folder_is_never_taken_for_a_name(tmp_path, monkeypatch):
    add(tmp_path / "home", "pt", 1)
    monkeypatch.chdir(tmp_path / "home" / "models")
    store = Store(tmp_path / "other")
    assert store.find(str(tmp_path / "home" / "models" / "pt")) is None
    assert store.find("../models/pt") is None
    assert store.resolve("pt/1") == Path("pt/1")


def test_what_is_no_model_is_not_added(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="empty: no model folder"):
        Store(tmp_path / "home").add("pt", tmp_path / "empty", CARD)
    assert not (tmp_path / "home").exists()


def test_a_store_that_cannot_be_written_says_so_and_leaves_the_model(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file where the store should be")
    new = folder(tmp_path / "new")
    with pytest.raises(StoreError, match=r"cannot be written.*VIZINHO_HOME"):
        Store(tmp_path / "home").add("pt", new, CARD)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vizinho.store.store.move_folder", full)
    with pytest.raises(StoreError, match="No space left"):
        Store(tmp_path / "room").add("pt", new, CARD)
    assert (new / "model.safetensors").is_file()
    assert Store(tmp_path / "room").versions("pt") == []


def test_home_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(tmp_path / "a"))
    assert Store().home == tmp_path / "a"
    monkeypatch.delenv("VIZINHO_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "b"))
    assert Store().home == tmp_path / "b" / "vizinho"


@pytest.mark.parametrize("language", ["pt", "no"])
def test_the_model_card_is_read_by_hugging_face(tmp_path, language):
    scores = [
        {"split": "dev", "cer": 0.2, "wer": None, "signature": "d"},
        {"split": "test", "cer": 0.25, "wer": 0.5, "signature": "s"},
    ]
    card = dataclasses.replace(
        CARD, language=language, licence="cc-by-4.0", scores=scores, donor={"ref": "es@1", "language": "es"}
    )
    store = Store(tmp_path)
    store.add("pt", folder(tmp_path / "new"), card)
    text = (store.resolve("pt") / "README.md").read_text()
    read = ModelCard(text).data
    assert (read.language, read.license, read.model_name) == (language, "cc-by-4.0", "pt")
    assert [(r.metric_type, r.metric_value) for r in read.eval_results] == [("cer", 0.25), ("wer", 0.5)]
    assert "started from `es@1` (es)" in text
    assert "- dev: CER 0.200, WER unknown (d)" in text


def test_a_readme_may_be_edited_and_files_in_folders_are_hashed(tmp_path):
    new = folder(tmp_path / "new")
    (new / "extra").mkdir()
    (new / "extra" / "lm.arpa").write_text("x")
    store = Store(tmp_path / "home")
    store.add("pt", new, CARD)
    place = store.resolve("pt")
    assert read_card(place).files.keys() == {"README.md", "config.json", "model.safetensors", "extra/lm.arpa"}
    (place / "README.md").write_text("my words")
    assert store.resolve("pt") == place
    (place / "extra" / "lm.arpa").write_text("y")
    with pytest.raises(ModelError, match=r"lm\.arpa: the file is not"):
        store.resolve("pt")
