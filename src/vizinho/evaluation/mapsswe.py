"""The matched-pairs sentence-segment word error test (MAPSSWE), as NIST's sc_stats makes it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vizinho.errors import CorpusError
from vizinho.records import UtteranceErrors

SUBSTITUTION, INSERTION, DELETION = 4, 3, 3
"""Costs of sclite's alignment: a substitution costs more than an insertion or deletion, and less than one of each."""
GOOD_WORDS = 2
"""Words in a row that both systems got right end a segment (Gillick & Cox 1989)."""


@dataclass(frozen=True, slots=True)
class SegmentTest:
    """Errors of a minus errors of b per segment: their number, mean, deviation, z and two-sided p.

    z and p are None where there are fewer than two segments, or all differences are equal.
    """

    segments: int
    mean: float
    deviation: float
    z: float | None
    p: float | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One hypothesis against its reference: right words, and insertions before each and at the end."""

    right: tuple[bool, ...]
    inserted: tuple[int, ...]


def mapsswe(a: Sequence[UtteranceErrors], b: Sequence[UtteranceErrors]) -> SegmentTest:
    """Test the word errors of two systems on the same utterances.

    Utterances are cut where both systems have two words in a row right, so that the errors of the segments in between
    are nearly independent; the mean difference per segment with an error is compared with the normal distribution
    (Gillick & Cox 1989; Pallett et al. 1990). Raises CorpusError when the utterances are not the same.
    """
    first, second = ({e.id: e for e in side} for side in (a, b))
    if differing := first.keys() ^ second.keys():
        what = "the systems were not scored on the same utterances"
        raise CorpusError(what, where=min(differing), fix="score the same test set")
    differences: list[int] = []
    for id_, errors in sorted(first.items()):
        texts = (errors.reference.split(), errors.hypothesis.split(), second[id_].hypothesis.split())
        differences += [left - right for left, right in segment_errors(*texts)]
    return _test(np.array(differences, dtype=np.float64))


def _test(differences: np.ndarray[tuple[int], np.dtype[np.float64]]) -> SegmentTest:
    count = len(differences)
    mean = float(differences.mean()) if count else 0.0
    deviation = float(differences.std(ddof=1)) if count > 1 else 0.0
    z = mean / (deviation / math.sqrt(count)) if deviation else None
    # Two-sided p of a standard normal: erfc(|z| / sqrt(2)).
    return SegmentTest(count, mean, deviation, z, None if z is None else math.erfc(abs(z) / math.sqrt(2)))


def segment_errors(reference: Sequence[str], a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Word errors of both systems in each segment of one utterance that has any."""
    left, right = _outcome(reference, a), _outcome(reference, b)
    errors, good = [0, 0], 0
    for place in range(len(reference) + 1):
        # Before each word the words inserted there, then the word itself; after the last word only insertions.
        slots = [(left.inserted[place], right.inserted[place])]
        if place < len(reference):
            slots.append((int(not left.right[place]), int(not right.right[place])))
        for number, (of_a, of_b) in enumerate(slots):
            if of_a or of_b:
                errors, good = [errors[0] + of_a, errors[1] + of_b], 0
            elif number == 1:  # a word that both systems have right
                good += 1
                if good == GOOD_WORDS and any(errors):
                    yield errors[0], errors[1]
                    errors = [0, 0]
    if any(errors):
        yield errors[0], errors[1]


def _outcome(reference: Sequence[str], hypothesis: Sequence[str]) -> _Outcome:
    """The cheapest alignment (edit distance by dynamic programming), followed back from the end."""
    rows, columns = len(reference), len(hypothesis)
    cost = [[0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows + 1):
        for j in range(columns + 1):
            cost[i][j] = min(
                ([cost[i - 1][j - 1] + _swap(reference[i - 1], hypothesis[j - 1])] if i and j else [])
                + ([cost[i - 1][j] + DELETION] if i else [])
                + ([cost[i][j - 1] + INSERTION] if j else [])
                or [0]
            )
    right, inserted = [False] * rows, [0] * (rows + 1)  # insertions before each word, and after the last
    i, j = rows, columns
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + _swap(reference[i - 1], hypothesis[j - 1]):
            i, j = i - 1, j - 1
            right[i] = reference[i] == hypothesis[j]
        elif j and cost[i][j] == cost[i][j - 1] + INSERTION:
            j -= 1
            inserted[i] += 1
        else:
            i -= 1
    return _Outcome(tuple(right), tuple(inserted))


def _swap(word: str, other: str) -> int:
    return 0 if word == other else SUBSTITUTION
