"""Counts what a corpus holds, per split and speaker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vizinho.records import Utterance


@dataclass(frozen=True, slots=True)
class Counts:
    """One row of the table; an empty `speaker` stands for the whole split, an empty `split` for the whole corpus.

    `characters` counts normalised text with spaces, `letters_per_second` without.
    """

    split: str
    speaker: str
    speakers: int
    utterances: int
    minutes: float
    characters: int
    distinct_texts: int
    letters_per_second: float


def corpus_stats(utterances: Iterable[Utterance], normalizer: Callable[[str], str] = str) -> list[Counts]:
    """The whole corpus first, then each split followed by its speakers, by name. Durations are the manifest's."""
    rows = [(u, normalizer(u.text)) for u in utterances]
    return list(_groups(rows)) if rows else []


_Row = tuple[Utterance, str]


def _groups(rows: list[_Row]) -> Iterator[Counts]:
    yield _count(rows, "", "")
    for split in sorted({u.split for u, _ in rows} - {""}):  # those without a split are in the row of all
        within = [row for row in rows if row[0].split == split]
        yield _count(within, split, "")
        for speaker in sorted({u.speaker for u, _ in within}):
            yield _count([row for row in within if row[0].speaker == speaker], split, speaker or "(unknown)")


def _count(rows: list[_Row], split: str, speaker: str) -> Counts:
    seconds = sum(u.duration_seconds for u, _ in rows)
    letters = sum(len(text.replace(" ", "")) for _, text in rows)
    return Counts(
        split=split,
        speaker=speaker,
        speakers=len({u.speaker for u, _ in rows}),
        utterances=len(rows),
        minutes=round(seconds / 60, 3),
        characters=sum(len(text) for _, text in rows),
        distinct_texts=len({text for _, text in rows}),
        letters_per_second=round(letters / seconds, 2) if seconds else 0.0,
    )
