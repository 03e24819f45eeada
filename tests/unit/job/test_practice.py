"""Practice made on the spot: what it is made of, what is kept out of it, and what cannot be practised with is named."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vizinho.audio.io import SAMPLE_RATE, save_audio
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.shards.index import ShardIndex
from vizinho.corpora.synthetic import phrase_books
from vizinho.errors import SpecError, StoreError
from vizinho.job.data import Corpus, make_dataset, open_corpus
from vizinho.job.practice import MOST_REPEATS, TARGET_SHARE, Practice, Target, make_practice
from vizinho.records import Utterance
from vizinho.store.card import Card
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


def card(*places: Path, beside: bool = False, utterances: int = 1) -> Card:
    found = [{"place": str(p), "beside": beside, "utterances": utterances} for p in places]
    return Card("es", "es", "2026-01-01T00:00:00+00:00", 30, "es", 10, 1, job={"corpora": found})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose practice speech all tests share, with a Spanish corpus and a Portuguese one."""
    folder = tmp_path_factory.mktemp("practice")
    corpus(folder, "es", SPANISH)
    corpus(folder, "pt", ["um dois", "três"])
    return folder


def make(place: Path, donor: Card | None, language: str = "pt", of_target: float = 0.2, **more: Any) -> Practice:
    corpora = more.pop("corpora", (place / "pt.train.jsonl",))
    return make_practice(place, Target(language, tuple(map(open_corpus, corpora)), of_target, **more), MINUTES, donor)


def test_both_kinds_are_made_and_said(place: Path) -> None:
    found = make(place, card(place / "es.train.jsonl"))
    spoken, respelt = (read_manifest(corpus.place) for corpus in found.corpora)
    assert (tuple(spoken), tuple(respelt)) == tuple(corpus.utterances for corpus in found.corpora)
    assert {u.lang for u in (*spoken, *respelt)} == {"pt"} and {u.split for u in (*spoken, *respelt)} == {"train"}
    assert "una rana" in [u.text for u in respelt] and "la montanha" in [u.text for u in respelt]
    assert all(u.audio.is_file() for u in (*spoken, *respelt))
    minutes = [sum(u.duration_seconds for u in part) / 60 for part in (spoken, respelt)]
    assert minutes[0] == pytest.approx(MINUTES, abs=0.1)
    assert [line.split(" minutes")[0] for line in found.remarks] == [f"practice: {m:.1f}" for m in minutes]
    # 0.4 of some 0.6 minutes of practice is 0.24: the 0.2 minutes of target speech nearly have that share once.
    assert (TARGET_SHARE, found.repeat) == (0.4, 1)
    assert make(place, card(place / "es.train.jsonl"), of_target=0.08).repeat == 3


def test_the_next_call_finds_it_made_and_mends_what_is_damaged(place: Path) -> None:
    first = make(place, card(place / "es.train.jsonl"))
    recording = first.corpora[0].utterances[0].audio
    before = recording.read_bytes()
    recording.write_bytes(b"")
    assert make(place, card(place / "es.train.jsonl")) == first
    assert recording.read_bytes() == before


def test_a_corpus_that_moved_is_found_where_it_is_now(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path / "a", ignore=shutil.ignore_patterns("practice"))
    make(place, card(tmp_path / "a" / "es.train.jsonl"))
    (tmp_path / "a").rename(tmp_path / "b")
    found = make(place, card(tmp_path / "b" / "es.train.jsonl"))
    assert all(u.audio.is_file() for u in read_manifest(found.corpora[1].place))


def test_no_text_that_is_kept_back_is_practised(place: Path, tmp_path: Path) -> None:
    """Not even in other case, with other marks or with accents that respelling leaves out."""
    whole = make(place, card(place / "es.train.jsonl"))
    texts = [corpus.utterances[0].text for corpus in whole.corpora]
    assert texts[1] == "una rana"
    dev = corpus(tmp_path, "pt", [f"¡{texts[0].upper()}!"], "dev")
    pinned = read_manifest(corpus(tmp_path, "pt", ["uná rána"], "test"))
    found = make(place, card(place / "es.train.jsonl"), corpora=(place / "pt.train.jsonl", dev), held_out=tuple(pinned))
    normalize = get_normalizer("pt")
    for before, after, text in zip(whole.corpora, found.corpora, texts, strict=True):
        left = [normalize(u.text) for u in after.utterances]
        assert normalize(text) in [normalize(u.text) for u in before.utterances]
        assert left and normalize(text) not in left


def test_a_dev_part_that_is_cut_from_train_is_kept_back_too(tmp_path: Path) -> None:
    manifest = corpus(tmp_path, "pt", [f"palavra {chr(97 + n)}" for n in range(20)])
    opened = open_corpus(manifest)
    dev = make_dataset([opened], "pt").dev
    target = Target("pt", (opened,), opened.train_minutes, dev)
    assert target.minutes == pytest.approx(40 / 60)
    assert dev and target.held_out_texts() == {u.text for u in dev} < {u.text for u in read_manifest(manifest)}


@pytest.mark.parametrize(
    ("of_target", "beside", "times"), [(0.001, 0.0, MOST_REPEATS), (100.0, 0.0, 1), (100.0, 499.8, 2)]
)
def test_the_target_comes_at_least_once_and_not_too_often(
    place: Path, of_target: float, beside: float, times: int
) -> None:
    assert make(place, None, of_target=of_target, practice_minutes=beside).repeat == times


def test_what_cannot_be_practised_with_is_named_and_the_rest_is_made(place: Path, tmp_path: Path) -> None:
    good, gone = place / "es.train.jsonl", tmp_path / "gone.jsonl"
    found = make(place, card(gone, good))
    assert len(found.corpora) == 2
    assert any(line.startswith(f"no practice from {gone}: it is not here") for line in found.remarks)
    strange = tmp_path / "xx.jsonl"
    write_manifest(strange, [replace(u, lang="qaa") for u in read_manifest(good)])
    for donor, why in (
        (None, "there is no card"),
        (replace(card(good), job={}), "its card does not name them"),
        (replace(card(good), language="pt-BR"), "they are in pt-BR already"),
        (card(good, beside=True), "practice for the donor"),
        (card(good, utterances=99), "has 5 utterances now, the donor was trained on 99"),
        (card(place / "pt.train.jsonl"), "that is the target's corpus"),
        (card(strange), "it is in qaa now, not in es"),
        (replace(card(strange), language="qaa"), "no voice for qaa"),
    ):
        found = make(place, donor)
        assert len(found.corpora) == 1 and any(why in line for line in found.remarks), found.remarks


def test_several_corpora_of_the_donor_share_the_minutes(place: Path, tmp_path: Path) -> None:
    more = corpus(tmp_path, "es", [f"{word} verde" for word in SPANISH], seconds=4.0)
    write_manifest(more, [replace(u, id=f"more-{u.id}") for u in read_manifest(more)])
    found = make(place, card(more, place / "es.train.jsonl"))
    respelt = [u for corpus in found.corpora[1:] for u in corpus.utterances]
    assert len(found.corpora) == 3 and sum(u.duration_seconds for u in respelt) <= MINUTES * 60


def test_a_language_without_a_phrase_book_has_its_frequent_words(place: Path) -> None:
    assert phrase_books() == {"en", "es", "pt"}
    assert {u.lang for u in make(place, None, "ca").corpora[0].utterances} == {"ca"}
    assert {u.lang for u in make(place, None, "pt-BR").corpora[0].utterances} == {"pt"}


def test_a_language_without_a_voice_or_a_list_says_what_its_corpus_says_with_borrowed_voices(place: Path) -> None:
    spoken = make(place, None, "gl").corpora[0].utterances
    said = {word for u in open_corpus(place / "pt.train.jsonl").utterances for word in u.text.split()}
    assert {word for u in spoken for word in u.text.split()} <= said
    assert {u.accent for u in spoken} <= {"pt", "es-419"} and {u.lang for u in spoken} == {"gl"}


def test_shards_unspoken_languages_and_a_store_that_cannot_be_written_are_refused(place: Path, tmp_path: Path) -> None:
    sharded = Corpus(tmp_path, (), ShardIndex(tmp_path, "pt", "train", (), 0, "", {}, {}))
    with pytest.raises(SpecError, match="this is a sharded corpus"):
        make_practice(place, Target("pt", (sharded,), 1.0), MINUTES, None)
    with pytest.raises(SpecError, match="no voice of eSpeak NG speaks or can read 'tlh'"):
        make(place, None, "tlh")
    with pytest.raises(StoreError, match="cannot be written"):
        make_practice(Path("/proc/nowhere"), Target("pt", (open_corpus(place / "pt.train.jsonl"),), 1.0), MINUTES, None)


def test_two_at_once_make_the_same(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        first, second = pool.map(_spoken_into, [tmp_path, tmp_path])
    assert first == second


def _spoken_into(home: Path) -> list[bytes]:
    target = Target("pt", (open_corpus(corpus(home / str(os.getpid()), "pt", ["um"])),), 1.0)
    made = make_practice(home, target, 0.6, None)
    return [u.audio.read_bytes() for u in made.corpora[0].utterances]
