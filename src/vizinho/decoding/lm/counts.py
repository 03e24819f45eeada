"""Counts n-grams of sentences: words or characters become numbers, and every order's n-grams arrays.

Text is streamed; what stays in memory is four bytes a unit of text and the n-grams themselves.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vizinho.errors import TextError
from vizinho.progress import Advance, silent

UNKNOWN, START, END = "<unk>", "<s>", "</s>"
SPECIAL = (UNKNOWN, START, END)
START_ROW, END_ROW = 1, 2
"""Rows of the vocabulary; the unknown unit has row 0."""
MAX_ORDER = 6

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Level:
    """The M distinct n-grams of one order; all arrays are (M,).

    An n-gram is its prefix (a row of the level below) and its last word. Level 1 has one row a word of the vocabulary,
    in its order, seen or not.
    """

    prefix: Ints
    word: Ints
    suffix: Ints
    """Row, one level below, of the n-gram without its first word."""
    count: Ints
    opens: npt.NDArray[np.bool_]
    """Begins with the start of a sentence."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Vocabulary (the special units first) and n-grams of orders 1 to N."""

    vocabulary: tuple[str, ...]
    levels: tuple[Level, ...]
    sentences: int
    units: int
    """Running units, with each sentence's end; repeats of a sentence count."""
    unknown: int
    """Running units that are not in the vocabulary."""


@dataclass(slots=True)
class Collector:
    """Takes sentences one by one and numbers their units in order of appearance."""

    rows: dict[str, int] = field(default_factory=dict)
    _stream: array[int] = field(default_factory=lambda: array("i"))
    _weights: array[int] = field(default_factory=lambda: array("q"))

    def add(self, units: Sequence[str], weight: int = 1) -> None:
        """Add a sentence that occurs `weight` times in the text; an empty one is ignored."""
        if not units:
            return
        rows = self.rows
        self._stream.extend([-1, *(rows.setdefault(u, len(rows)) for u in units), -2])  # between its two marks
        self._weights.append(weight)

    def count(
        self, order: int, *, vocabulary: int | None = None, known: Iterable[str] = (), progress: Advance = silent
    ) -> Counts:
        """Count all n-grams up to `order`; `progress` moves by orders.

        Args:
            vocabulary: Most frequent units to keep; the others become the unknown one.
            known: Units of the vocabulary whether seen or not (the letters of an alphabet).

        Raises TextError for an order out of range, a limit below 1, or no text.
        """
        if not 1 <= order <= MAX_ORDER:
            raise TextError(f"order {order} is out of range", where="order", fix=f"give 1 to {MAX_ORDER}")
        if vocabulary is not None and vocabulary < 1:
            raise TextError(f"a vocabulary of {vocabulary}", where="vocabulary", fix="give at least 1")
        if not self._weights:
            raise TextError("there is no text to count", where="text", fix="give lines with words in them")
        words, tokens, weights = self._numbered(vocabulary, known)
        levels = [_unigrams(tokens, weights, len(words))]
        places: Ints = tokens
        progress(1, "order 1")
        for n in range(2, order + 1):
            level, places = _next_level(levels[-1], places, tokens, weights, len(words))
            levels.append(level)
            progress(1, f"order {n}: {level.count.size:,} n-grams")
        seen = levels[0].count
        return Counts(words, tuple(levels), len(self._weights), int(seen.sum() - seen[START_ROW]), int(seen[0]))

    def _numbered(self, limit: int | None, known: Iterable[str]) -> tuple[tuple[str, ...], Ints, Ints]:
        """Vocabulary, (N,) rows of all units in it, and (N,) weights."""
        stream = np.frombuffer(self._stream, dtype=np.intc).astype(np.int64)
        lengths = np.diff(np.flatnonzero(stream == -1), append=stream.size)  # of sentences, with both marks
        weights = np.repeat(np.frombuffer(self._weights, dtype=np.int64), lengths)
        inside = stream >= 0
        frequency = np.bincount(stream[inside], weights=weights[inside], minlength=len(self.rows))
        seen = sorted(self.rows, key=lambda w: (-frequency[self.rows[w]], w))
        frequent = [w for w in seen if w not in SPECIAL][:limit]
        words = (*SPECIAL, *dict.fromkeys([*frequent, *sorted(set(known) - set(SPECIAL))]))
        row_of = {word: row for row, word in enumerate(words)}
        # The stream's marks, -1 for a start and -2 for an end, index the table from its end.
        table = np.array([row_of.get(w, 0) if w != START and w != END else 0 for w in self.rows] + [END_ROW, START_ROW])
        return words, table[stream], weights


def _unigrams(tokens: Ints, weights: Ints, size: int) -> Level:
    nothing, words = np.zeros(size, dtype=np.int64), np.arange(size)
    return Level(nothing, words, nothing, _sums(tokens, weights, size), words == START_ROW)


def _next_level(below: Level, places: Ints, tokens: Ints, weights: Ints, size: int) -> tuple[Level, Ints]:
    """N-grams one longer than those of `below`, and the row of the one that ends at each place of the text, or -1."""
    valid = (places[:-1] >= 0) & (tokens[1:] != START_ROW)  # n-grams do not run over a sentence's end
    ends = np.flatnonzero(valid) + 1
    # An n-gram is one number: the row of its prefix, in base V, and its last word. Sorting numbers sorts n-grams.
    keys, first, inverse = np.unique(places[ends - 1] * size + tokens[ends], return_index=True, return_inverse=True)
    ending = np.full(tokens.size, -1, dtype=np.int64)
    ending[ends] = inverse
    prefix = keys // size
    counts = _sums(inverse, weights[ends], keys.size)
    return Level(prefix, keys % size, places[ends[first]], counts, below.opens[prefix]), ending


def _sums(rows: Ints, weights: Ints, size: int) -> Ints:
    return np.bincount(rows, weights=weights, minlength=size).astype(np.int64)
