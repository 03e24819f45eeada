import dataclasses
import json
from pathlib import Path

import donor_zoo
import pytest
from typer.testing import CliRunner

from vizinho.cli.main import app
from vizinho.errors import ModelError, StoreError
from vizinho.store.card import Card
from vizinho.store.store import Store

CARD = Card(
    name="x",
    language="es",
    created="2026-01-01T00:00:00+00:00",
    tokens=9,
    normalizer="es-v1",
    steps=1,
    seed=1,
    scores=[{"split": "dev", "cer": 0.25, "wer": 0.5, "signature": "s"}],
    plan=[{"target": "a"}, {"target": "b"}],
    curve=[{"step": 0}],
    movement={"encoder_distance": 0.16, "moved_share": 0.5},
)


@pytest.fixture
def store(tmp_path, monkeypatch) -> Store:
    monkeypatch.setattr("vizinho.store.store.BUNDLED", tmp_path / "none")
    made = Store()
    donor = {"ref": "es@1", "language": "es"}
    for number, (name, card) in enumerate((("es", CARD), ("pt", CARD), ("pt", CARD))):
        folder = tmp_path / f"new-{number}"
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        if name == "pt":
            card = dataclasses.replace(card, language="pt", donor=donor)
        made.add(name, folder, card)
    return made


def typed(*words: str) -> str:
    found = CliRunner().invoke(app, ["models", *words], catch_exceptions=False)
    assert found.exit_code == 0
    return found.stdout


def test_list_shows_every_version_and_marks_the_current_one(store):
    lines = typed("list").splitlines()
    assert [line[:6].strip() for line in lines] == ["* es@1", "pt@1", "* pt@2"]
    assert "from scratch" in lines[0]
    assert "from es@1" in lines[1]
    rows = json.loads(typed("list", "--json"))["models"]
    assert [(r["ref"], r["current"], r["language"], r["error"]) for r in rows] == [
        ("es@1", True, "es", None),
        ("pt@1", False, "pt", None),
        ("pt@2", True, "pt", None),
    ]


def test_an_empty_store_says_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("vizinho.store.store.BUNDLED", tmp_path / "none")
    assert typed("list").strip() == f"no models in {Store().models}"
    assert json.loads(typed("list", "--json"))["models"] == []


def test_a_broken_card_does_not_hide_the_other_models(store):
    (store.resolve("pt@1") / "card.json").write_text("[")
    lines = typed("list").splitlines()
    assert len(lines) == 3
    assert "pt@1" in lines[1]
    assert "not a card" in lines[1]
    assert "not a card" in json.loads(typed("list", "--json"))["models"][1]["error"]


def test_show_is_short_for_people_and_whole_for_programs(store):
    shown = typed("show", "pt")
    assert "started from es@1 (es), 2 rows of the plan" in shown
    assert "scored on dev 1 times" in shown
    assert "--json prints the whole card" in shown
    assert "movement: encoder distance 0.160, 50.0% of the weights moved" in shown
    card = json.loads(typed("show", "pt@1", "--json"))
    assert card["plan"] == [{"target": "a"}, {"target": "b"}]
    assert card["version"] == 1
    assert card["files"].keys() == {"README.md", "config.json"}


def test_a_card_that_says_little_is_shown(store, tmp_path):
    """Controls of experiments were never trained: their data has sources alone."""
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    store.add("control", folder, dataclasses.replace(CARD, data={"sources": []}, curve=(), scores=(), movement=None))
    shown = typed("show", "control")
    assert "started from scratch" in shown and "heard" not in shown


def test_lineage_draws_the_tree_and_names_what_is_gone(store, tmp_path):
    folder = tmp_path / "child"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    store.add("gl", folder, dataclasses.replace(CARD, language="gl", donor={"ref": "pt@1", "language": "pt"}))
    assert typed("lineage", "pt").splitlines() == [
        "es@1* (es)  dev CER 0.250",
        "├─ pt@1 (pt)  dev CER 0.250",
        "└─ pt@2* <- (pt)  dev CER 0.250",
    ]
    assert typed("lineage", "pt@1").splitlines()[1:] == [
        "├─ pt@1 <- (pt)  dev CER 0.250",
        "│  └─ gl@1* (gl)  dev CER 0.250",
        "└─ pt@2* (pt)  dev CER 0.250",
    ]
    store.add_score("pt@1", {"split": "test", "cer": 0.5, "wer": 1.0, "signature": "t"})
    assert "pt@1 <- (pt)  dev CER 0.250; test CER 0.500" in typed("lineage", "pt@1")
    store.resolve("es@1").rename(store.home / "elsewhere")
    assert typed("lineage", "pt").splitlines()[0] == "es@1 (es)  not in the store"
    made = json.loads(typed("lineage", "pt", "--json"))
    assert [(link["ref"], link["language"], link["note"]) for link in made["lineage"]] == [
        ("es@1", "es", "not in the store"),
        ("pt@2", "pt", ""),
    ]
    assert [child["ref"] for child in made["tree"]["children"]] == ["pt@1", "pt@2"]


def test_rollback_goes_back_and_forth(store):
    assert json.loads(typed("rollback", "pt@1", "--json")) == {"current": "pt@1"}
    assert Store().find("pt").ref == "pt@1"
    assert typed("rollback", "pt@2").strip() == "pt is pt@2 now"
    assert Store().find("pt").ref == "pt@2"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("rollback", "pt@9"), r"no version pt@9 -> the store has pt@1, pt@2"),
        (("rollback", "fr@1"), r"no version fr@1 -> the store has es@1, pt@1, pt@2"),
        (("rollback", "pt"), r"'pt' names no version -> give NAME@VERSION"),
        (("show", "fr"), r"no model 'fr' -> the store has es@1, pt@1, pt@2"),
        (("lineage", "pt@9"), r"no model 'pt@9'"),
    ],
)
def test_mistakes_say_what_there_is(store, words, message):
    with pytest.raises(StoreError, match=message):
        typed(*words)


def test_a_folder_without_a_card_that_is_no_model_is_named(tmp_path):
    (Path(tmp_path) / "config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"the folder lacks model\.safetensors"):
        typed("show", str(tmp_path))


def test_of_a_model_without_a_card_kind_and_roles_are_shown(tmp_path):
    model = donor_zoo.mms(tmp_path / "mms")
    said = typed("show", str(model))
    assert "Wav2Vec2ForCTC" in said
    assert "blank <pad>; special <s> </s>; unknown <unk>; space |; letter a b c d" in said
    assert "language adapter: eng; it has eng, spa" in said
