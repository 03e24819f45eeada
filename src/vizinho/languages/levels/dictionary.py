"""Word pairs from sentences that translate each other, for testing alignments of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.errors import CorpusError
from vizinho.languages.levels.sampling import count_matrix
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language
from vizinho.vectors.static import tokenize

LEAST_TOGETHER = 3
"""Sentence pairs that two words must be in."""
LEAST_DICE = 0.5

Pairs = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
"""(target words, donor words) of each sentence pair."""


@lru_cache(maxsize=16)
def parallel_sentences(target: Language, donor: Language, sources: TextSources) -> Pairs:
    """Tokenised sentence pairs from parallel/*_A_B.tsv, in either order of the two languages; none without a file.

    Raises CorpusError naming a line without a tab.
    """
    made: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    for path in sorted((sources.folder / "parallel").glob("*.tsv")) if sources.folder else []:
        codes = set(pairwise(path.stem.split("_"))) & {(target.base, donor.base), (donor.base, target.base)}
        if codes:
            made += _read(path, swap=(donor.base, target.base) in codes)
    return tuple(made)


def _read(path: Path, *, swap: bool) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    wrong = next((i for i, row in enumerate(rows, 1) if len(row) != 2), None)
    if wrong is not None:
        raise CorpusError("not two sentences with a tab between them", where=f"{path}:{wrong}", fix="mend the line")
    first, second = (tokenize(row[i] for row in rows) for i in ((1, 0) if swap else (0, 1)))
    return [(tuple(a), tuple(b)) for a, b in zip(first, second, strict=True)]


def word_pairs(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[tuple[str, str]]:
    """(target word, donor word) that prefer each other by Dice's coefficient, where they are spelt differently.

    Pairs come with the most frequent target words first. Words of the same spelling are left out: they are the seeds
    of an alignment, and testing on them would test the seeds.
    """
    ours: dict[str, int] = {}
    theirs: dict[str, int] = {}
    first = count_matrix([dict.fromkeys(a) for a, _ in pairs], ours)
    second = count_matrix([dict.fromkeys(b) for _, b in pairs], theirs)
    if not ours or not theirs:
        return []
    together = (first.T @ second).tocoo()
    kept = together.data >= LEAST_TOGETHER
    rows, columns, counts = together.row[kept], together.col[kept], together.data[kept]
    f1, f2 = (np.asarray(m.sum(axis=0)).ravel() for m in (first, second))
    dice = 2 * counts / (f1[rows] + f2[columns])
    best_row, best_column = _best(rows, dice, len(ours)), _best(columns, dice, len(theirs))
    mutual = (dice >= best_row[rows]) & (dice >= best_column[columns]) & (dice >= LEAST_DICE)
    our_words, their_words = list(ours), list(theirs)
    found: dict[str, str] = {}
    for i in sorted(np.flatnonzero(mutual), key=lambda i: (-f1[rows[i]], rows[i], columns[i])):
        a, b = our_words[rows[i]], their_words[columns[i]]
        if a != b and len(a) > 2 and len(b) > 2:
            found.setdefault(a, b)
    return list(found.items())


def _best(index: Any, dice: Any, size: int) -> Any:
    made = np.zeros(size)
    np.maximum.at(made, index, dice)
    return made
