"""The API's two calls: what the command line does, one call in Python does, with every corpus opened once."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tones import tone_corpus

import vizinho
from vizinho import train, transfer
from vizinho.audio.augment import NO_AUGMENT
from vizinho.errors import InterruptedRunError, SpecError, StoreError
from vizinho.job.card import recorded_job
from vizinho.job.publish import sole_run
from vizinho.job.run import Reporting
from vizinho.store.card import read_card
from vizinho.store.folder import rewrite_card
from vizinho.store.pins import pin
from vizinho.store.store import Store
from vizinho.text.normalize import get_normalizer
from vizinho.training.options import TrainingOptions

FAST = TrainingOptions(
    steps=4, batch_seconds=4, evaluate_every=4, checkpoint_every=4, workers=0, augment=NO_AUGMENT
)  # fmt: skip
QUIET = Reporting(quiet=True)
opened: list[str] = []
"""Every file this process opens to read while a test counts."""
counting = False


def _count(event: str, arguments: tuple) -> None:
    if counting and event == "open" and isinstance(arguments[0], str) and arguments[1] in ("r", "rb", None):
        opened.append(arguments[0])


sys.addaudithook(_count)  # it cannot be removed again, so it counts only while it is told to


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A home with a Spanish model of a few steps, and a corpus of each language."""
    folder = tmp_path_factory.mktemp("api")
    for lang in ("es", "pt"):
        tone_corpus(folder / lang, count=12, lang=lang, splits=("train", "train", "train", "dev"), seed=ord(lang[0]))
    store = Store(folder / "home")
    outcome = train(
        lang="es", corpus=folder / "es" / "es.jsonl", preset="micro", recipe=FAST, store=store, reporting=QUIET
    )
    assert outcome.ref == "es@1" and outcome.as_json()["plan"] is None
    return folder


def test_a_transfer_with_practice_is_one_call_and_opens_the_target_once(place, capsys):
    pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
    global counting
    manifest = place / "pt" / "pt.jsonl"
    try:
        counting = True
        outcome = transfer(
            "es@1", to="pt", corpus=manifest, practice_minutes=0.2, recipe=FAST, store=Store(place / "home"),
            reporting=QUIET,
        )  # fmt: skip
    finally:
        counting = False
    assert opened.count(str(manifest)) == 1
    assert outcome.ref == "pt@1" and outcome.as_json()["practice_minutes"] > 0
    assert len(outcome.ready.dataset.sources) == 3
    assert capsys.readouterr() == ("", "")


def test_a_model_is_loaded_transcribes_and_is_scored_by_name(place, monkeypatch):
    monkeypatch.setenv("VIZINHO_HOME", str(place / "home"))
    audio = next((place / "es" / "audio").glob("*.wav"))
    recognizer = vizinho.load("es@1")
    assert vizinho.transcribe(recognizer, audio) == vizinho.transcribe("es@1", str(audio))
    evaluation = vizinho.evaluate("es@1", place / "es" / "es.jsonl", split="dev", recognizer=recognizer)
    assert (evaluation.split, evaluation.scores.utterances, evaluation.pinned) == ("dev", 3, False)
    with pytest.raises(StoreError, match="no model 'xx'"):
        vizinho.load("xx")
    assert set(dir(vizinho)) == set(vizinho.__all__) and all(getattr(vizinho, name) for name in dir(vizinho))


def test_a_dry_run_has_the_plan_and_publishes_nothing(place):
    store = Store(place / "home")
    outcome = transfer(
        "es@1", to="pt", corpus=[place / "pt" / "pt.jsonl"], name="dry", recipe=FAST, dry_run=True, store=store,
        reporting=QUIET,
    )  # fmt: skip
    assert outcome.ref is None and outcome.as_json()["plan"]
    assert store.find("dry") is None


def test_the_result_is_reported_before_the_run_is_forgotten(place):
    runs = place / "home" / "runs"
    seen = []
    reporting = Reporting(True, on_published=lambda o: seen.append((o.ref, [p.name for p in runs.glob("order-*")])))
    outcome = transfer(
        "es@1", to="pt", corpus=place / "pt" / "pt.jsonl", name="order", recipe=FAST, store=Store(place / "home"),
        reporting=reporting,
    )  # fmt: skip
    ((ref, folders),) = seen
    assert ref == outcome.ref and len(folders) == 1
    assert list(runs.glob("order-*")) == []


def test_a_large_dev_is_chosen_on_in_part_and_a_card_of_before_means_all_of_it(place, tmp_path, capsys):
    store = Store(tmp_path)
    corpus = tone_corpus(tmp_path / "pt", count=12, lang="pt", splits=("train", "dev"), seed=3)
    few = train(lang="pt", corpus=corpus, preset="micro", recipe=replace(FAST, dev_minutes=0.05), store=store)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("dev: "))
    assert "minutes choose the weights (dev_minutes in --recipe)" in line
    assert 0 < store.card("pt").data["dev_utterances"] < len(few.ready.dataset.dev) == 6
    card = store.card("pt")
    recipe = {key: value for key, value in card.recipe.items() if key != "dev_minutes"}
    assert recorded_job(store, "pt@1", card).options.dev_minutes == 0.05
    assert recorded_job(store, "pt@1", replace(card, recipe=recipe)).options.dev_minutes == 0.0


def test_repeats_below_one_are_refused_before_anything_is_made(place):
    with pytest.raises(SpecError, match="give 1 or more"):
        transfer(
            "es@1", to="pt", corpus=place / "pt" / "pt.jsonl", repeat=0, practice_minutes=0.2, name="zero",
            store=Store(place / "home"), reporting=QUIET,
        )  # fmt: skip
    assert not list((place / "home" / "practice").glob("*zero*"))


def test_a_model_keeps_its_orthography_and_is_scored_and_continued_with_it(place, tmp_path, capsys):
    (tmp_path / "o.toml").write_text('language = "es"\nletters = "abcdefgh"\n[same]\n"h" = "g"\n', encoding="utf-8")
    corpus, store = place / "es" / "es.jsonl", Store(tmp_path / "home")
    options = {"corpus": corpus, "recipe": FAST, "store": store, "reporting": Reporting()}
    train(lang="es", preset="micro", orthography=tmp_path / "o.toml", **options)
    card = store.card("es@1")
    assert card.orthography["same"] == {"h": "g"} and "h" not in card.text_normalizer()("hada")
    evaluation = vizinho.evaluate("es@1", corpus, split="dev", store=store)
    assert f"norm:{card.normalizer}|" in evaluation.scores.signature != ""
    assert all("h" not in e.reference for e in evaluation.scores.errors)
    transfer("es@1", to="es", **options)
    assert store.card("es@2").normalizer == card.normalizer
    assert "dropped" not in capsys.readouterr().err


def test_a_run_names_what_is_dropped_of_the_texts(place, tmp_path, capsys):
    rows = (place / "es" / "es.jsonl").read_text(encoding="utf-8").splitlines()
    corpus = place / "es" / "signs.jsonl"
    signs = [row.replace('"text": "', '"text": "½ ♪ ', 1) if n < 3 else row for n, row in enumerate(rows)]
    corpus.write_text("\n".join(signs) + "\n", encoding="utf-8")
    train(lang="es", corpus=corpus, preset="micro", recipe=FAST, store=Store(tmp_path / "home"))
    said = "dropped from the texts, though it may be heard: ½ 3, ♪ 3; in 3 utterances, such as es-000"
    assert said in capsys.readouterr().err


def test_a_model_of_version_1_is_scored_with_version_1_and_compared_with_the_new_one(place, tmp_path):
    store, corpus = Store(tmp_path / "home"), place / "es" / "es.jsonl"
    options = {"corpus": corpus, "preset": "micro", "recipe": FAST, "store": store, "reporting": QUIET}
    train(lang="es", **options)
    folder = store.resolve("es@1")
    rewrite_card(folder, replace(read_card(folder), normalizer="es-v1", orthography=None))
    evaluation = vizinho.evaluate("es@1", corpus, split="dev", store=store)
    assert "norm:es-v1|" in evaluation.scores.signature
    pin(store, "es", corpus, "dev", replace=False)
    rows = corpus.read_text(encoding="utf-8").splitlines()
    training = place / "es" / "es-train.jsonl"
    training.write_text("\n".join(row for row in rows if '"split": "train"' in row), encoding="utf-8")
    outcome = transfer("es@1", to="es", **(options | {"corpus": training}))
    (score,) = [s for s in store.card("es@2").scores if s["split"] == "dev" and "data" in s]
    assert f"norm:{get_normalizer('es').name}|" in score["signature"]  # both versions are measured by the new one's
    assert outcome.as_json()["verdict"] is not None


def test_ctrl_c_after_training_says_that_its_state_is_saved(tmp_path):
    store, folder = Store(tmp_path), tmp_path / "runs" / "pt-0"
    with pytest.raises(KeyboardInterrupt), sole_run(store, folder):
        raise KeyboardInterrupt
    with pytest.raises(InterruptedRunError, match=r"saved .* same command"), sole_run(store, folder):
        (folder / "step-00000010").mkdir()
        raise KeyboardInterrupt
