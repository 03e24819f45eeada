"""ARPA files: written whole or not at all, read with every line checked; and how well their models predict a text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vizinho.decoding.lm.counts import END, START, UNKNOWN
from vizinho.errors import ModelError, TextError
from vizinho.files import replacing

LN10 = math.log(10.0)
_COUNT = re.compile(r"ngram\s+(\d+)\s*=\s*(\d+)\s*")  # IRSTLM pads both sides of the number with spaces
_SECTION = re.compile(r"\\(\d+)-grams:\s*")
_FIX = "train it again with `vizinho lm train`, or copy the whole file again"

Rows = Iterable[tuple[str, float, float]]
"""N-grams of one order: units joined by spaces, log10 probability, log10 back-off weight."""


@dataclass(frozen=True, slots=True)
class Arpa:
    """A back-off model in memory: for each order, n-grams to log10 probability and log10 back-off weight."""

    tables: tuple[dict[str, tuple[float, float]], ...]

    @property
    def order(self) -> int:
        """Longest n-gram."""
        return len(self.tables)

    @property
    def vocabulary(self) -> list[str]:
        """All units, the special ones too, in the order of the file."""
        return list(self.tables[0])

    def __contains__(self, unit: object) -> bool:
        return unit in self.tables[0]

    def log10_probability(self, unit: str, context: Sequence[str]) -> float:
        """Of a unit after its context (Katz 1987): the longest known n-gram, and the weights of backing off to it."""
        if unit not in self.tables[0]:
            unit = UNKNOWN
        # At most N - 1 units of context for order N.
        history = [c if c in self.tables[0] else UNKNOWN for c in context[max(0, len(context) - self.order + 1) :]]
        weight = 0.0
        while True:
            values = self.tables[len(history)].get(" ".join([*history, unit]))
            if values is not None:
                return weight + values[0]
            if not history:
                return -math.inf  # a file without an unknown unit
            # A context that the file does not list has weight 1.
            weight += self.tables[len(history) - 1].get(" ".join(history), (0.0, 0.0))[1]
            history = history[1:]

    def log10_of(self, units: Sequence[str]) -> list[float]:
        """Of each unit of a sentence and of its end, given all before."""
        sentence = [START, *units, END]
        return [self.log10_probability(sentence[i], sentence[:i]) for i in range(1, len(sentence))]


def units_of(sentence: str, unit: str) -> list[str]:
    """Words, or characters with "|" for the space, of a normalised sentence."""
    return sentence.split() if unit == "word" else ["|" if c == " " else c for c in " ".join(sentence.split())]


def write_arpa(path: Path, sizes: Sequence[int], orders: Iterable[Rows]) -> None:
    """Write n-grams order by order; a reader sees the old file or the new one.

    KenLM wants at least two orders, so a model of single units gets an empty second one.
    """
    sizes, orders = ([*sizes, 0], [*orders, ()]) if len(sizes) == 1 else (sizes, orders)
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\\data\\\n" + "".join(f"ngram {n}={size}\n" for n, size in enumerate(sizes, start=1)))
        for n, rows in enumerate(orders, start=1):
            file.write(f"\n\\{n}-grams:\n")
            file.writelines(_lines(rows, last=n == len(sizes)))
        file.write("\n\\end\\\n")


def _lines(rows: Rows, *, last: bool) -> Iterator[str]:
    for ngram, probability, backoff in rows:
        shown = "-99" if probability <= -99.0 else f"{probability:.7g}"
        # A weight of zero may be left out; n-grams of the highest order never have one.
        yield f"{shown}\t{ngram}\n" if last or backoff == 0.0 else f"{shown}\t{ngram}\t{backoff:.7g}\n"


def read_arpa(path: Path) -> Arpa:
    """Read a whole file. Raises ModelError naming file and line for anything that is not ARPA, or not all of it."""
    lines = _numbered(path)
    sizes = _sizes(path, lines)
    tables: list[dict[str, tuple[float, float]]] = []
    for order, size in enumerate(sizes, start=1):
        tables.append(_section(path, lines, order, size, tables))
    number, line = _next(path, lines, "\\end\\")
    if line.strip() != "\\end\\":
        raise _wrong(path, number, f"expected \\end\\, found {line[:60]!r}: more {len(sizes)}-grams than announced")
    for special in (START, END):
        if special not in tables[0]:
            raise ModelError(f"the model has no {special}", where=path, fix="add sentence markers when training")
    return Arpa(tuple(tables))


def read_unigrams(path: Path) -> tuple[int, dict[str, float]]:
    """Order, and log10 probability of each unit alone, without reading the rest. Raises ModelError as `read_arpa`."""
    lines = _numbered(path)
    sizes = _sizes(path, lines)
    return len(sizes), {unit: values[0] for unit, values in _section(path, lines, 1, sizes[0], ()).items()}


def _numbered(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except OSError as error:
        what = f"cannot read the language model ({error.strerror})"
        raise ModelError(what, where=path, fix="check the path of the ARPA file") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"not text in UTF-8 ({error.reason})", where=path, fix=f"give an ARPA file; {_FIX}") from error


def _sizes(path: Path, lines: Iterator[tuple[int, str]]) -> list[int]:
    number, line = _next(path, lines, "\\data\\")
    while line.strip() != "\\data\\":
        if line.startswith("\\"):
            raise _wrong(path, number, f"expected \\data\\, found {line[:60]!r}")
        number, line = _next(path, lines, "\\data\\")
    sizes: list[int] = []
    number, line = _next(path, lines, "ngram 1=")
    while announced := _COUNT.fullmatch(line):
        if int(announced[1]) != len(sizes) + 1:
            raise _wrong(path, number, f"expected the number of {len(sizes) + 1}-grams, found {line!r}")
        sizes.append(int(announced[2]))
        number, line = _next(path, lines, "\\1-grams:")
    if not sizes or line.strip() != "\\1-grams:":
        raise _wrong(path, number, f"expected {'an order' if not sizes else chr(92) + '1-grams:'}, found {line[:60]!r}")
    return sizes


def _section(
    path: Path, lines: Iterator[tuple[int, str]], order: int, size: int, below: Sequence[dict[str, tuple[float, float]]]
) -> dict[str, tuple[float, float]]:
    if order > 1:
        number, line = _next(path, lines, f"\\{order}-grams:")
        if line.strip() != f"\\{order}-grams:":
            raise _wrong(path, number, f"expected \\{order}-grams:, found {line[:60]!r}: is the count above right?")
    table: dict[str, tuple[float, float]] = {}
    for done in range(size):
        number, line = _next(path, lines, f"{size - done} more {order}-grams")
        if line.startswith("\\") and (_SECTION.fullmatch(line) or line.strip() == "\\end\\"):
            raise _wrong(path, number, f"{size} {order}-grams were announced, but only {done} are there")
        ngram, values = _entry(path, number, line, order)
        if ngram in table:
            raise _wrong(path, number, f"{ngram!r} stands here twice")
        if below and ngram.rpartition(" ")[0] not in below[-1]:  # KenLM needs every n-gram's prefix
            raise _wrong(path, number, f"{ngram!r} is there, but not {ngram.rpartition(' ')[0]!r}")
        table[ngram] = values
    return table


def _entry(path: Path, number: int, line: str, order: int) -> tuple[str, tuple[float, float]]:
    # Tabs separate the columns in most writers, spaces in some; units never hold either.
    fields = line.split()
    if len(fields) not in (order + 1, order + 2):
        raise _wrong(path, number, f"expected a probability, {order} units and perhaps a weight, found {line[:60]!r}")
    try:
        probability, backoff = float(fields[0]), float(fields[order + 1]) if len(fields) == order + 2 else 0.0
    except ValueError as error:
        raise _wrong(path, number, f"not a number ({error})") from error
    if not (probability <= 0.0 and math.isfinite(backoff)):
        raise _wrong(path, number, f"{fields[0]} is no logarithm of a probability")
    return " ".join(fields[1 : order + 1]), (probability, backoff)


def _next(path: Path, lines: Iterator[tuple[int, str]], wanted: str) -> tuple[int, str]:
    line = next(lines, None)
    if line is None:
        raise ModelError(f"the file ends where {wanted} should come", where=path, fix=f"it is cut short; {_FIX}")
    return line


def _wrong(path: Path, number: int, what: str) -> ModelError:
    return ModelError(what, where=f"{path}:{number}", fix=_FIX)


@dataclass(frozen=True, slots=True)
class Prediction:
    """How well a model predicts a text, as sums over it; the end of each sentence is a unit too."""

    sentences: int
    units: int
    unknown: int
    """Units outside the vocabulary; they count with the unknown unit's probability, or not at all if it has none."""
    letters: int
    """Characters with the spaces between words, and one for each end: what `bits_per_letter` is relative to."""
    log10_probability: float
    log10_probability_known: float
    """Of the known units alone."""

    @property
    def perplexity(self) -> float:
        """Over all units (Jelinek et al. 1977)."""
        return float(10.0 ** (-self.log10_probability / self.units))

    @property
    def perplexity_known(self) -> float:
        """Over the units of the vocabulary."""
        return float(10.0 ** (-self.log10_probability_known / max(self.units - self.unknown, 1)))

    @property
    def bits_per_letter(self) -> float:
        """Comparable between units where no unit is unknown."""
        return -self.log10_probability * LN10 / math.log(2.0) / self.letters


def predict(arpa: Arpa, unit: str, sentences: Iterable[str]) -> Prediction:
    """Score normalised sentences. Raises TextError when there are none."""
    count = units = unknown = letters = 0
    total = known = 0.0
    for sentence in sentences:
        if not (parts := units_of(sentence, unit)):
            continue
        logs = arpa.log10_of(parts)
        count, units, letters = count + 1, units + len(logs), letters + len(sentence) + 1
        for part, log10 in zip([*parts, None], logs, strict=True):
            total += log10
            if part is None or part in arpa:
                known += log10
            else:
                unknown += 1
    if not count:
        raise TextError("there is no text to score", where="lm score", fix="give lines with words in them")
    return Prediction(count, units, unknown, letters, total, known)
