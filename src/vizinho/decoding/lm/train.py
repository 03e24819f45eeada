"""Trains an n-gram model: texts are normalised, limited to an alphabet, counted, estimated and written with a card."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vizinho.decoding.lm.arpa import units_of, write_arpa
from vizinho.decoding.lm.counts import UNKNOWN, Collector
from vizinho.decoding.lm.kneser_ney import NgramModel, estimate
from vizinho.decoding.lm.model import LmCard, write_card
from vizinho.errors import TextError
from vizinho.files import sha256
from vizinho.g2p.words import word_frequencies
from vizinho.progress import Advance, silent

WORD_LIST = "wordfreq:"
_PER_MILLION = 1e6
_NOTE_EVERY_LINES = 2000


@dataclass(frozen=True, slots=True)
class LmOptions:
    """How a model is trained."""

    unit: str = "word"
    """word or char."""
    order: int = 3
    vocabulary: int | None = None
    """Most frequent words to keep; all if None."""
    prune: int = 0
    """N-grams of order 2 and more that occur at most this many times are left out."""


@dataclass(frozen=True, slots=True)
class Source:
    """A text: lines and how often each occurs."""

    name: str
    lines: Iterable[tuple[str, int]]
    size: int = 0
    """Lines, for showing progress."""
    word_list: bool = False
    """A list of a language's words is not text that somebody said: texts are excluded from it only on request."""


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How many of a source's lines were used."""

    name: str
    lines: int
    kept: int
    excluded: int
    """Lines that are texts to exclude."""
    empty: int
    """Lines without a word."""
    unreadable: int
    """Lines that could not be normalised (numbers without words in the language)."""
    first_unreadable: str


def text_file(path: Path) -> Source:
    """One sentence a line. Raises TextError when it cannot be read."""
    if not path.is_file():
        raise TextError("no such text file", where=path, fix="check the path")
    with path.open("rb") as file:
        size = sum(1 for _ in file)
    return Source(path.name, _lines_of(path), size)


def _lines_of(path: Path) -> Iterator[tuple[str, int]]:
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield line, 1
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"cannot be read as text in UTF-8 ({error})", where=path, fix="convert it to UTF-8") from error


def frequency_list(language: str, *, most: int | None = None, once: bool = False) -> Source:
    """The words of wordfreq's list (Speer 2022) as lines, each as often as in a million words of text, or once.

    Raises TextError for a language without a list.
    """
    words = sorted(word_frequencies(language).items(), key=lambda item: (-item[1], item[0]))[:most]
    counted = [(word, 1 if once else max(1, round(frequency * _PER_MILLION))) for word, frequency in words]
    return Source(f"wordfreq:{language}", counted, len(counted), word_list=True)


def source_of(text: str, *, most: int | None = None, once: bool = False) -> Source:
    """A text file, or `frequency_list` for "wordfreq:pt"."""
    if text.startswith(WORD_LIST):  # no file: the list that the package wordfreq brings
        return frequency_list(text.removeprefix(WORD_LIST), most=most, once=once)
    return text_file(Path(text))


def train_language_model(
    out: Path,
    sources: Iterable[Source],
    options: LmOptions,
    normalize: Any,
    letters: Collection[str],
    *,
    exclude: Collection[str] = (),
    exclude_from_lists: bool = False,
    progress: Advance = silent,
) -> tuple[LmCard, tuple[SourceReport, ...]]:
    """Train a model; write it and its card.

    Args:
        out: ARPA file.
        sources: Texts.
        options: Unit, order and limits.
        normalize: The recogniser's normaliser (a `Normalizer`).
        letters: The recogniser's letters. A word (or character) with others counts as unknown; none of them: any.
        exclude: Normalised texts of held-out speech: lines equal to one are skipped and counted.
        exclude_from_lists: Skip them in word lists too.
        progress: Moves by lines.

    Raises TextError for a unit other than word and char, an order out of range, or no text.
    """
    if options.unit not in ("word", "char"):
        raise TextError(f"unknown unit {options.unit!r}", where="unit", fix="use word or char")
    collector, digest = Collector(), hashlib.sha256()
    known = _Known(options.unit, frozenset(letters))
    reports = []
    for source in sources:
        excluded = frozenset(exclude) if exclude_from_lists or not source.word_list else frozenset()

        def take(text: str, count: int) -> None:
            digest.update(f"{count}\t{text}\n".encode())  # a fingerprint of what was learnt, not of the file
            collector.add(known(text), count)

        reports.append(_read(source, normalize, excluded, take, progress))
    counts = collector.count(
        options.order, vocabulary=options.vocabulary, known=known.units, progress=lambda _, note: progress(0, note)
    )
    model = estimate(counts, prune=options.prune)
    write_arpa(out, model.sizes, model.ngrams())
    card = LmCard(
        unit=options.unit, order=options.order, prune=options.prune, discounts=model.discounts, sizes=model.sizes,
        alphabet="".join(sorted(letters)) or _alphabet(model), language=normalize.lang, **normalize.recorded(),
        sentences=counts.sentences, units=counts.units, unknown=counts.unknown,
        sources=tuple(asdict(r) for r in reports), text_fingerprint=digest.hexdigest(), arpa_sha256=sha256(out),
    )  # fmt: skip
    write_card(out, card)
    return card, tuple(reports)


def _read(
    source: Source,
    normalize: Callable[[str], str],
    excluded: Collection[str],
    take: Callable[[str, int], None],
    progress: Advance,
) -> SourceReport:
    lines: Counter[str] = Counter()
    number, first = 0, ""
    for number, (line, count) in enumerate(source.lines, start=1):
        if number % _NOTE_EVERY_LINES == 0:
            progress(_NOTE_EVERY_LINES, source.name)
        try:
            text = normalize(line)
        except TextError:
            lines["unreadable"] += 1
            first = first or line.strip()[:80]
            continue
        kind = "excluded" if text in excluded else "kept" if text else "empty"
        lines[kind] += 1
        if kind == "kept":
            take(text, count)
    progress(number % _NOTE_EVERY_LINES, source.name)
    counts = {kind: lines[kind] for kind in ("kept", "excluded", "empty", "unreadable")}
    return SourceReport(source.name, number, **counts, first_unreadable=first)


class _Known:
    """Units of a text, those with letters that the recogniser lacks made unknown."""

    def __init__(self, unit: str, letters: frozenset[str]) -> None:
        self._unit, self._letters = unit, letters
        self.units = [*sorted(letters), "|"] if unit == "char" else []

    def __call__(self, text: str) -> list[str]:
        units = units_of(text, self._unit)
        if not self._letters:
            return units
        # A character model has "|" for the space.
        allowed = self._letters | {"|"} if self._unit == "char" else self._letters
        return [u if allowed.issuperset(u) else UNKNOWN for u in units]


def _alphabet(model: NgramModel) -> str:
    return "".join(sorted(set("".join(model.vocabulary[3:])) - {"|"}))
