"""What a model learnt from, through its donors; cards of earlier versions, and models from elsewhere."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vizinho.errors import SpecError, StoreError
from vizinho.rights import EXPORT, SERVING
from vizinho.store.card import README, Card, read_card
from vizinho.store.rights import FILE, OVERRIDES, overrides_of, permit, restrictions_of, source_line, sources_of
from vizinho.store.store import Store

CARD = Card(name="x", language="pt", created="2026-01-01T00:00:00+00:00", tokens=9, normalizer="pt-v1", steps=1, seed=1)
ROW = {"corpus": "pt.jsonl", "language": "pt", "practice": False, "licence": "CC0-1.0", "restrictions": [],
       "utterances": 5, "minutes": 1.0, "with_consent": 0}  # fmt: skip


def add(store: Store, tmp_path: Path, name: str, card: Card) -> str:
    folder = tmp_path / f"new-{name}"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return store.add(name, folder, card)


def with_sources(*rows: dict, **values: object) -> Card:
    return replace(CARD, data={"sources": list(rows)}, **values)


def test_a_chain_of_new_and_old_cards(tmp_path):
    store = Store(tmp_path / "home")
    old = replace(CARD, data={"minutes": 3.0}, donor={"ref": "gone@1", "language": "ca"})
    add(store, tmp_path, "es", old)
    rows = sources_of(store, "es@1", store.resolve("es@1"))
    assert [(r["model"], r["corpus"], r["language"]) for r in rows] == [("gone@1", None, "ca"), ("es@1", None, "pt")]
    add(store, tmp_path, "pt", with_sources(*rows, ROW | {"restrictions": ["not for export"]}))
    new = sources_of(store, "pt", store.resolve("pt"))
    assert [r["model"] for r in new] == ["gone@1", "es@1", "pt@1"]
    assert restrictions_of(store.resolve("pt")) == ("not for export",)
    assert restrictions_of(store.resolve("es")) == ()
    assert source_line(new[0]) == "gone@1: not recorded"
    assert source_line(new[2]) == "pt@1: pt.jsonl: 1.0 min, pt, CC0-1.0, not for export"


def test_cards_that_name_each_other_end(tmp_path):
    store = Store(tmp_path / "home")
    add(store, tmp_path, "a", replace(CARD, data={"minutes": 1}, donor={"ref": "b@1"}))
    add(store, tmp_path, "b", replace(CARD, data={"minutes": 1}, donor={"ref": "a@1"}))
    assert len(sources_of(store, "a@1", store.resolve("a@1"))) <= 4


def test_a_model_from_elsewhere_has_the_licence_of_its_readme(tmp_path):
    (tmp_path / README).write_text("---\nlicense: mit\n---\n# Model\n")
    (row,) = sources_of(Store(tmp_path / "home"), "owner/model", tmp_path)
    assert (row["model"], row["licence"], row["corpus"]) == ("owner/model", "mit", None)


def test_an_override_needs_a_reason_and_is_recorded_before_the_act(tmp_path):
    store = Store(tmp_path / "home")
    ref = add(store, tmp_path, "pt", with_sources(ROW | {"restrictions": ["community only", "ask Ana"]}))
    folder = store.resolve(ref)
    with pytest.raises(StoreError, match=r"pt@1: .*community only \(pt\.jsonl\), which refuses serving.*--override"):
        permit(store, ref, folder, SERVING)
    with pytest.raises(SpecError, match="no reason"):
        permit(store, ref, folder, SERVING, " ")
    assert not (store.home / OVERRIDES).exists()
    permit(store, ref, folder, EXPORT, "agreed with the council", "out")
    (row,) = overrides_of(store, store.find("pt"))
    assert (
        row["why"] == "agreed with the council" and row["act"] == "export" and row["restrictions"] == ["community only"]
    )
    assert row["who"] and row["when"] and row["place"] == "out"
    (store.home / OVERRIDES).unlink()
    (store.home / OVERRIDES).mkdir()  # cannot be written
    with pytest.raises(StoreError, match="cannot be written"):
        permit(store, ref, folder, EXPORT, "again")


def test_nothing_refused_needs_no_override_and_records_none(tmp_path):
    store = Store(tmp_path / "home")
    ref = add(store, tmp_path, "pt", with_sources(ROW | {"restrictions": ["ask Ana"]}))
    permit(store, ref, store.resolve(ref), EXPORT, "just in case")
    assert not (store.home / OVERRIDES).exists()


def test_the_readme_lists_all_speech(tmp_path):
    store = Store(tmp_path / "home")
    row = ROW | {"model": "es@1", "corpus": "a|b.jsonl", "restrictions": ["not for export"]}
    ref = add(store, tmp_path, "pt", with_sources(row, ROW))
    text = (store.resolve(ref) / README).read_text("utf-8")
    assert "| es@1 | a/b.jsonl | pt | 1.0 | CC0-1.0 | not for export |" in text
    assert "| pt@1 | pt.jsonl | pt | 1.0 | CC0-1.0 | none recorded |" in text
    assert read_card(store.resolve(ref)).data["sources"] == [row, ROW]


def test_an_export_without_its_record_is_as_free_as_it_was_and_a_broken_one_is_refused(tmp_path):
    assert restrictions_of(tmp_path) == ()
    (tmp_path / FILE).write_text(
        json.dumps({"model": "pt@1", "sources": [ROW | {"restrictions": ["not for serving"]}]})
    )
    assert restrictions_of(tmp_path) == ("not for serving",)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(Exception, match="export the model again"):
        restrictions_of(tmp_path)
