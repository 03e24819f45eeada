"""Counts of a corpus add up over splits and speakers."""

from __future__ import annotations

from pathlib import Path

from vizinho.corpora.stats import corpus_stats
from vizinho.records import Utterance


def utterance(name: str, text: str, seconds: float, speaker: str, split: str) -> Utterance:
    return Utterance(name, Path(f"/x/{name}"), text, "pt", speaker, seconds, split)


def test_counts_by_split_and_speaker() -> None:
    rows = corpus_stats(
        [
            utterance("1", "Bom dia", 30, "a", "train"),
            utterance("2", "bom dia", 30, "b", "train"),
            utterance("3", "olá", 6, "", "test"),
        ],
        normalizer=str.lower,
    )
    table = {(r.split, r.speaker): (r.speakers, r.utterances, r.minutes, r.characters, r.distinct_texts) for r in rows}
    assert table == {
        ("", ""): (3, 3, 1.1, 17, 2),
        ("test", ""): (1, 1, 0.1, 3, 1),
        ("test", "(unknown)"): (1, 1, 0.1, 3, 1),
        ("train", ""): (2, 2, 1.0, 14, 1),
        ("train", "a"): (1, 1, 0.5, 7, 1),
        ("train", "b"): (1, 1, 0.5, 7, 1),
    }
    assert rows[0].letters_per_second == round(15 / 66, 2)
    assert rows[0].utterances == 3


def test_an_empty_corpus_has_no_rows() -> None:
    assert corpus_stats([]) == []
