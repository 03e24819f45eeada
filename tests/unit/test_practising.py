"""Practice made on the spot: what it is made of, what is kept out of it, and what cannot be practised with is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vizinho.audio.io import SAMPLE_RATE, save_audio
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.practice import phrase_books
from vizinho.errors import CorpusError, SpecError
from vizinho.practising import MOST_TIMES, SHARE, make_practice
from vizinho.records import Utterance
from vizinho.registry.card import Card
from vizinho.text.normalize import get_normalizer

pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
MINUTES = 0.4
SPANISH = ["una rana", "la montaña", "el gato", "una casa", "la luna"]


def corpus(folder: Path, lang: str, texts: list[str], split: str = "train", seconds: float = 2.0) -> Path:
    samples = np.random.default_rng(1).standard_normal(int(seconds * SAMPLE_RATE)).astype(np.float32) * 0.01
    made = []
    for number, text in enumerate(texts):
        audio = folder / f"{lang}-{split}-{number}.flac"
        save_audio(audio, samples)
        made.append(Utterance(f"{lang}-{split}-{number}", audio, text, lang, "someone", seconds, split))
    write_manifest(folder / f"{lang}.{split}.jsonl", made)
    return folder / f"{lang}.{split}.jsonl"


def card(*places: Path, beside: bool = False) -> Card:
    found = [{"place": str(p), "beside": beside} for p in places]
    return Card("es", "es", "2026-01-01T00:00:00+00:00", 30, "es", 10, 1, job={"corpora": found})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose practice speech all tests share, with a Spanish corpus and a Portuguese one."""
    folder = tmp_path_factory.mktemp("practice")
    corpus(folder, "es", SPANISH)
    corpus(folder, "pt", ["um dois", "três"])
    return folder


def test_both_kinds_are_made_and_said(place: Path) -> None:
    found = make_practice(place, "pt", MINUTES, [place / "pt.train.jsonl"], 0.2, card(place / "es.train.jsonl"))
    spoken, respelt = map(read_manifest, found.beside)
    assert {u.lang for u in (*spoken, *respelt)} == {"pt"} and {u.split for u in (*spoken, *respelt)} == {"train"}
    assert "una rana" in [u.text for u in respelt] and "la montanha" in [u.text for u in respelt]
    assert all(u.audio.is_file() for u in (*spoken, *respelt))
    minutes = [sum(u.duration_seconds for u in part) / 60 for part in (spoken, respelt)]
    assert [line.split(" minutes")[0] for line in found.said] == [f"practice: {m:.1f}" for m in minutes]
    assert found.times == max(1, min(MOST_TIMES, round(SHARE * sum(minutes) / 0.2)))


def test_the_next_call_finds_it_made(place: Path) -> None:
    first, second = (
        make_practice(place, "pt", MINUTES, [place / "pt.train.jsonl"], 0.2, card(place / "es.train.jsonl"))
        for _ in range(2)
    )
    assert first == second


def test_no_text_of_dev_and_test_is_practised(place: Path, tmp_path: Path) -> None:
    """Not even in other case or with other marks: what counts is what the normaliser writes."""
    whole = make_practice(place, "pt", MINUTES, [place / "pt.train.jsonl"], 0.2, card(place / "es.train.jsonl"))
    texts = [read_manifest(path)[0].text for path in whole.beside]
    held = [corpus(tmp_path, "pt", [f"¡{texts[0].upper()}!"], "dev"), corpus(tmp_path, "pt", [texts[1]], "test")]
    found = make_practice(place, "pt", MINUTES, [place / "pt.train.jsonl", *held], 0.2, card(place / "es.train.jsonl"))
    normalize = get_normalizer("pt")
    for before, after, text in zip(whole.beside, found.beside, texts, strict=True):
        left = [normalize(u.text) for u in read_manifest(after)]
        assert normalize(text) in [normalize(u.text) for u in read_manifest(before)]
        assert left and normalize(text) not in left


@pytest.mark.parametrize(("of_target", "times"), [(0.001, MOST_TIMES), (100.0, 1)])
def test_the_target_comes_at_least_once_and_not_too_often(place: Path, of_target: float, times: int) -> None:
    assert make_practice(place, "pt", MINUTES, [place / "pt.train.jsonl"], of_target, None).times == times


def test_what_cannot_be_practised_with_is_named_and_the_rest_is_made(place: Path, tmp_path: Path) -> None:
    target, gone, strange = [place / "pt.train.jsonl"], tmp_path / "gone.jsonl", tmp_path / "xx.jsonl"
    rows = read_manifest(place / "es.train.jsonl")
    write_manifest(strange, [replace(u, lang="xx") for u in rows])
    donor = card(gone, strange, place / "es.train.jsonl")
    found = make_practice(place, "pt", MINUTES, target, 0.2, donor)
    assert len(found.beside) == 2
    assert any(line.startswith(f"no practice from {gone}: it is not here") for line in found.said)
    assert any(line.startswith(f"no practice from {strange}: no voice for language 'xx'") for line in found.said)
    for donor, why in ((None, "no card names them"), (card(place / "es.train.jsonl", beside=True), "practice for the")):
        found = make_practice(place, "pt", MINUTES, target, 0.2, donor)
        assert len(found.beside) == 1 and any(why in line for line in found.said)


def test_an_update_of_the_same_language_has_synthetic_speech_only(place: Path) -> None:
    ours = replace(card(place / "pt.train.jsonl"), language="pt-BR")
    found = make_practice(place, "pt", MINUTES, [place / "pt.train.jsonl"], 0.2, ours)
    assert len(found.beside) == 1 and len(found.said) == 1


def test_a_language_without_a_phrase_book_has_its_frequent_words(place: Path) -> None:
    assert phrase_books() == {"en", "es", "pt"}
    found = make_practice(place, "ca", MINUTES, [place / "pt.train.jsonl"], 0.2, None)
    assert {u.lang for u in read_manifest(found.beside[0])} == {"ca"}


def test_shards_and_unspoken_languages_are_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.json").write_text("{}")
    with pytest.raises(SpecError, match="this is a sharded corpus"):
        make_practice(place, "pt", MINUTES, [tmp_path], 1.0, None)
    with pytest.raises(CorpusError, match="no voice for language 'xx'"):
        make_practice(place, "xx", MINUTES, [place / "pt.train.jsonl"], 1.0, None)
