"""A character n-gram model, interpolated after Witten and Bell (1991), and its cross-entropy on other text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

ORDER = 4
BASE = 1 << 15
"""Larger than the number of characters of any text here; an n-gram is a number in this base."""
_EDGE = "\n"


class CharacterModel:
    """Probabilities of characters given the ORDER - 1 before them, learnt from lines of text."""

    def __init__(self, lines: Sequence[str], alphabet: str) -> None:
        """`alphabet` is every character that can come up, here or in the text to be judged."""
        self._codes = {c: i + 1 for i, c in enumerate(sorted({*alphabet, _EDGE}))}
        codes, ends, _ = self._encode(lines)
        self._levels = [self._count(codes, ends, n) for n in range(1, ORDER + 1)]

    def bits(self, lines: Sequence[str]) -> npt.NDArray[np.float64]:
        """Bits that each line costs, its end included: (lines,)."""
        codes, ends, line_of = self._encode(lines)
        probability = np.full(len(ends), 1.0 / len(self._codes))  # order zero: every character alike
        for n, level in enumerate(self._levels, 1):
            probability = level.interpolate(_grams(codes, ends, n), probability)
        return np.asarray(np.bincount(line_of, weights=-np.log2(probability), minlength=len(lines)), dtype=np.float64)

    def _encode(
        self, lines: Sequence[str]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Codes of all lines; the positions that are predicted, and the line of each.

        A line begins after ORDER - 1 edges, the first of which is the end of the line before.
        """
        edges = _EDGE * (ORDER - 1)
        codes = np.array([self._codes[c] for c in edges + edges.join(lines) + _EDGE], dtype=np.int64)
        predicted = np.array([len(line) + 1 for line in lines], dtype=np.int64)  # characters and the end of each line
        starts = ORDER - 1 + np.concatenate(([0], np.cumsum(predicted + ORDER - 2)[:-1]))
        line_of = np.repeat(np.arange(len(lines)), predicted)
        # Number of predictions before each line; with it, a place within its line becomes a place in `codes`.
        before = np.concatenate(([0], np.cumsum(predicted)[:-1]))
        ends = np.arange(len(line_of)) - before[line_of] + starts[line_of]
        return codes, ends, line_of

    def _count(self, codes: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], n: int) -> _Level:
        grams, counts = np.unique(_grams(codes, ends, n), return_counts=True)
        return _Level(grams, counts)


class _Level:
    """Counts of the n-grams of one order and of their contexts."""

    def __init__(self, grams: npt.NDArray[np.int64], counts: npt.NDArray[Any]) -> None:
        self._grams, self._counts = grams, counts.astype(np.float64)
        self._contexts, first = np.unique(grams // BASE, return_index=True)  # sorted n-grams: contexts are runs
        self._context_counts = np.add.reduceat(self._counts, first)
        self._kinds = np.diff([*first, len(grams)]).astype(np.float64)  # different continuations of each context

    def interpolate(self, grams: npt.NDArray[np.int64], lower: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        count = _look_up(self._grams, self._counts, grams)
        context = _look_up(self._contexts, self._context_counts, grams // BASE)
        kinds = _look_up(self._contexts, self._kinds, grams // BASE)
        seen = context > 0
        # Witten and Bell: as many unseen continuations as kinds of seen ones. An unseen context backs off.
        return np.where(seen, (count + kinds * lower) / np.where(seen, context + kinds, 1.0), lower)


def _grams(codes: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """The n-gram that ends at each position of `ends`, as one number with the last character in the lowest place."""
    grams = np.zeros(len(ends), dtype=np.int64)
    for i in range(n - 1, -1, -1):
        grams = grams * BASE + codes[ends - i]
    return grams


def _look_up(
    keys: npt.NDArray[np.int64], values: npt.NDArray[np.float64], wanted: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0.0)
