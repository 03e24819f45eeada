"""Word pairs from sentences that translate each other, for testing alignments of vectors."""

from __future__ import annotations

from collections.abc import Sequence
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

SentencePair = tuple[Sequence[str], Sequence[str]]
"""(target words, donor words) of two sentences that translate each other."""
WordPairs = Sequence[tuple[str, str]]
"""(target word, donor word)"""


def parallel_sentences(target: Language, donor: Language, texts: TextSources) -> list[SentencePair]:
    """Tokenised sentence pairs from parallel/*_A_B.tsv, in either order of the two languages; none without a file.

    Raises CorpusError naming a line without a tab.
    """
    pairs: list[SentencePair] = []
    forth, back = (target.base, donor.base), (donor.base, target.base)
    for path in texts.parallel():
        codes = set(pairwise(path.stem.split("_"))) & {forth, back}
        if codes:
            pairs += _read(path, swap=back in codes)
    return pairs


def _read(path: Path, *, swap: bool) -> list[SentencePair]:
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    wrong = next((i for i, row in enumerate(rows, 1) if len(row) != 2), None)
    if wrong is not None:
        raise CorpusError("not two sentences with a tab between them", where=f"{path}:{wrong}", fix="mend the line")
    first, second = (tokenize(row[i] for row in rows) for i in ((1, 0) if swap else (0, 1)))
    return list(zip(first, second, strict=True))


def word_pairs(pairs: Sequence[SentencePair]) -> WordPairs:
    """Words that prefer each other by Dice's coefficient, where they are spelt differently.

    Pairs come with the most frequent target words first. Words of the same spelling are left out: they are the seeds
    of an alignment, and testing on them would test the seeds.
    """
    columns: tuple[dict[str, int], dict[str, int]] = ({}, {})
    # A word counts once in a sentence: counts (sentences, V) hold zeros and ones.
    first, second = (count_matrix([dict.fromkeys(pair[i]) for pair in pairs], columns[i]) for i in (0, 1))
    if not all(columns):
        return []
    together = (first.T @ second).tocoo()  # (V, V'), sparse: sentence pairs that both words are in
    often = together.data >= LEAST_TOGETHER
    rows, cols, counts = together.row[often], together.col[often], together.data[often]
    f1, f2 = (np.asarray(m.sum(axis=0)).ravel() for m in (first, second))
    # Twice the pairs in common over the pairs of each: 1 for words that only occur together.
    dice = 2 * counts / (f1[rows] + f2[cols])
    best_of_row, best_of_col = _best(rows, dice, len(columns[0])), _best(cols, dice, len(columns[1]))
    mutual = (dice >= best_of_row[rows]) & (dice >= best_of_col[cols]) & (dice >= LEAST_DICE)
    words, donor_words = (list(side) for side in columns)
    chosen: dict[str, str] = {}
    for i in sorted(np.flatnonzero(mutual), key=lambda i: (-f1[rows[i]], rows[i], cols[i])):
        a, b = words[rows[i]], donor_words[cols[i]]
        if a != b and len(a) > 2 and len(b) > 2:
            chosen.setdefault(a, b)
    return list(chosen.items())


def _best(index: Any, dice: Any, size: int) -> Any:
    best = np.zeros(size)
    np.maximum.at(best, index, dice)  # the greatest of each row (or column) of the sparse matrix
    return best
