"""A restriction goes from a recording to a model and to what starts from it; out of the store only with a reason."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from commands import RECIPE, Done, vizinho
from tones import tone_corpus

from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.store.card import README
from vizinho.store.store import Store

pytestmark = pytest.mark.pipeline
ALL = ("train", "train", "dev")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """es@1 from a restricted corpus, pt@1 transferred from it."""
    folder = tmp_path_factory.mktemp("rights")
    (folder / "recipe.toml").write_text(RECIPE.replace("steps = 200", "steps = 4").replace("= 50", "= 4"))
    es = tone_corpus(folder / "es", count=12, lang="es", splits=ALL)
    first, *others = read_manifest(es)
    limits = ("not for export", "Community Only", "ask Ana")
    write_manifest(es, [replace(first, restrictions=limits), *(replace(u, licence="CC0-1.0") for u in others)])
    tone_corpus(folder / "pt", count=12, lang="pt", seed=5, splits=ALL)
    trained = typed(folder, "train", "--lang", "es", "--corpus", es, "--preset", "micro")
    assert trained.returncode == 0, trained.stderr
    moved = typed(folder, "transfer", "es", "--to", "pt", "--corpus", folder / "pt" / "pt.jsonl")
    assert moved.returncode == 0, moved.stderr
    return folder


def typed(folder: Path, *words: object) -> Done:
    recipe = ("--recipe", folder / "recipe.toml", "--quiet") if words[0] in ("train", "transfer") else ()
    return vizinho(*words, *recipe, home=folder / "home")


def overrides(folder: Path) -> list[dict]:
    path = folder / "home" / "overrides.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def test_a_card_lists_all_speech_through_the_lineage(world):
    shown = json.loads(typed(world, "models", "show", "pt", "--json").stdout)
    rows = [(r["model"], r["corpus"], r["licence"], r["restrictions"], r["utterances"]) for r in shown["sources"]]
    assert rows == [
        ("es@1", "es.jsonl", "", ["not for export", "community only", "ask Ana"], 1),
        ("es@1", "es.jsonl", "CC0-1.0", [], 11),
        ("pt@1", "pt.jsonl", "", [], 12),
    ]
    assert "learnt from es@1: es.jsonl" in typed(world, "models", "show", "pt").stdout
    readme = (Store(world / "home").resolve("pt") / README).read_text("utf-8")
    assert "not for export; community only; ask Ana" in readme


def test_a_model_of_a_restricted_donor_leaves_only_with_a_reason(world):
    out = world / "exported"
    refused = typed(world, "export", "pt", "--out", out)
    assert refused.returncode == 2 and not out.exists()
    assert "pt@1: it learnt from speech that is not for export, community only (es.jsonl)" in refused.stderr
    assert "--override" in refused.stderr and "Traceback" not in refused.stderr
    assert typed(world, "export", "pt", "--out", out, "--override", "").returncode == 2
    assert not out.exists() and not overrides(world)
    exported = typed(world, "export", "pt", "--out", out, "--override", "agreed with the council")
    assert exported.returncode == 0, exported.stderr
    (row,) = overrides(world)
    assert (row["act"], row["model"], row["why"]) == ("export", "pt@1", "agreed with the council")
    assert "agreed with the council" in typed(world, "models", "show", "pt").stdout
    # The restriction goes with the export, which has no card.
    served = typed(world, "serve", out, "--no-auth", "--port", 0)
    assert served.returncode == 2 and "community only (es.jsonl), which refuses serving" in served.stderr


def test_a_restricted_model_is_not_served(world):
    for ref in ("pt", "pt@1", "es"):
        refused = typed(world, "serve", ref, "--no-auth", "--port", 0)
        assert refused.returncode == 2 and "community only" in refused.stderr and "Traceback" not in refused.stderr


def test_a_reproduction_leaves_the_store_only_with_a_reason(world):
    refused = typed(world, "models", "reproduce", "pt", "--out", world / "again", "--quiet")
    assert refused.returncode == 2 and "which refuses export" in refused.stderr
    assert typed(world, "models", "reproduce", "pt", "--quiet").returncode == 0


def test_a_third_model_inherits_what_the_first_one_heard(world):
    manifest = tone_corpus(world / "pt2", count=9, lang="pt", seed=7, splits=ALL)
    moved = typed(world, "transfer", "pt@1", "--to", "pt", "--corpus", manifest, "--name", "grandchild")
    assert moved.returncode == 0, moved.stderr
    assert typed(world, "export", "grandchild", "--out", world / "no").returncode == 2
    rows = json.loads(typed(world, "models", "show", "grandchild", "--json").stdout)["sources"]
    assert [r["model"] for r in rows] == ["es@1", "es@1", "pt@1", "grandchild@1"]


@pytest.mark.parametrize("rights", [{"restrictions": ("not for training",)}, {"consent": "withdrawn"}], ids=str)
def test_nothing_is_trained_on_speech_that_refuses_it(rights, world, tmp_path):
    manifest = tone_corpus(tmp_path, count=9, lang="pt", splits=ALL)
    first, *others = read_manifest(manifest)
    write_manifest(manifest, [replace(first, **rights), *others])
    refused = typed(world, "train", "--lang", "pt", "--corpus", manifest, "--name", "no", "--preset", "micro")
    assert refused.returncode == 2 and "may not be trained on: 1, such as pt-000" in refused.stderr
    assert typed(world, "corpus", "check", manifest).returncode == 0
    clean = manifest.with_name("pt.clean.jsonl")
    trained = typed(world, "train", "--lang", "pt", "--corpus", clean, "--name", "yes", "--preset", "micro")
    assert trained.returncode == 0, trained.stderr
