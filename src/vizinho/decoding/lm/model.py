"""A language model on disk: the ARPA file and its card, and whether it fits a recogniser."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vizinho.decoding.lm.arpa import read_arpa, read_unigrams
from vizinho.decoding.lm.counts import SPECIAL, UNKNOWN
from vizinho.errors import ModelError
from vizinho.files import sha256, write_json

FORMAT = 1
_NAMED = 12
"""Characters or words that a message names before it only counts."""


@dataclass(frozen=True, slots=True)
class LmCard:
    """The content of FILE.arpa.json. Of a file trained elsewhere only unit, order and alphabet are known."""

    unit: str
    """word or char."""
    order: int
    alphabet: str
    """Letters that its units are made of, in code point order."""
    normalizer: str | None = None
    language: str | None = None
    orthography: Mapping[str, Any] | None = None
    """How the normaliser spells, from its version 2 on."""
    sizes: tuple[int, ...] = ()
    """N-grams of each order."""
    sentences: int = 0
    """Distinct lines counted."""
    units: int = 0
    unknown: int = 0
    """Running units that are not in the vocabulary."""
    prune: int = 0
    discounts: tuple[tuple[float, float, float], ...] = ()
    sources: tuple[Mapping[str, Any], ...] = ()
    """Name, lines, and lines left out, of each text."""
    text_fingerprint: str = ""
    """SHA-256 of the normalised lines."""
    arpa_sha256: str = ""
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model read from disk: card, log10 probability of each unit alone, and KenLM's model for its rows."""

    path: Path
    card: LmCard
    unigrams: dict[str, float]
    kenlm: Any
    """flashlight's KenLM; it knows units by their place in `unigrams`."""
    rows: dict[str, int]
    """Place of each unit."""

    @property
    def unknown_row(self) -> int:
        """Place of the unknown unit."""
        return self.rows[UNKNOWN]


def card_path(arpa: Path) -> Path:
    """Where the card of an ARPA file lies."""
    return arpa.with_name(arpa.name + ".json")


def write_card(arpa: Path, card: LmCard) -> None:
    """Write the card of an ARPA file."""
    write_json(card_path(arpa), asdict(card))


def load_language_model(path: Path) -> LanguageModel:
    """Open an ARPA file, made here or elsewhere. Raises ModelError naming the line of a file that is broken."""
    order, unigrams = read_unigrams(path)
    card = _read_card(path) or _foreign(order, unigrams)
    if UNKNOWN not in unigrams:
        raise ModelError(f"the model has no {UNKNOWN}", where=path, fix="train it with an open vocabulary")
    kenlm = _kenlm(path, list(unigrams))  # flashlight's dictionary numbers units in this order
    return LanguageModel(path, card, unigrams, kenlm, {unit: row for row, unit in enumerate(unigrams)})


def check_fits(card: LmCard, letters: Collection[str], normalizer: str | None, where: object) -> None:
    """Refuse a model that was not made for a recogniser of these letters and this normaliser.

    Its words are spelt in another way (another normaliser), or some can never be written or known (other letters);
    decoding would work and only be worse. Raises ModelError that names them.
    """
    fix = "train it for this recogniser: `vizinho lm train TEXT --model MODEL --out FILE`"
    if card.normalizer and normalizer and card.normalizer != normalizer:
        what = f"its text went through the normaliser {card.normalizer}, the recogniser's through {normalizer}"
        raise ModelError(what, where=where, fix=fix)
    only_lm, only_recogniser = sorted(set(card.alphabet) - set(letters)), sorted(set(letters) - set(card.alphabet))
    sides = [f"the recogniser cannot write {quoted(only_lm)}"] * bool(only_lm)
    sides += [f"the language model lacks {quoted(only_recogniser)}"] * bool(only_recogniser)
    if sides:
        raise ModelError(f"the alphabets differ: {'; '.join(sides)}", where=where, fix=fix)


def quoted(things: Collection[str]) -> str:
    """The first characters or words, in quotes, and how many more there are."""
    more = f" and {len(things) - _NAMED} more" if len(things) > _NAMED else ""
    return " ".join(map(repr, list(things)[:_NAMED])) + more


def _read_card(arpa: Path) -> LmCard | None:
    path = card_path(arpa)
    if not path.is_file():
        return None
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        known = {f.name for f in fields(LmCard)}
        if row["format"] != FORMAT:
            raise ModelError(f"format {row['format']} is unknown", where=path, fix="use a newer vizinho")
        values: dict[str, Any] = {key: _frozen(value) for key, value in row.items() if key in known}
        card = LmCard(**values)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ModelError(
            f"not the card of a language model ({error})", where=path, fix="train the model again, or delete the card"
        ) from error
    if card.arpa_sha256 and sha256(arpa) != card.arpa_sha256:  # cards written by hand may have none
        read_arpa(arpa)  # raises an error that names the line, if one is broken
        raise ModelError(
            f"the file is not the one that {path.name} describes",
            where=arpa,
            fix="copy both files again, or delete the card if the file was changed on purpose",
        )
    return card


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _foreign(order: int, unigrams: Mapping[str, float]) -> LmCard:
    """What the file itself tells: units of one letter each are characters."""
    units = [u for u in unigrams if u not in SPECIAL]
    unit = "char" if units and all(len(u) == 1 for u in units) else "word"  # "|" stands for the space
    return LmCard(unit, order, "".join(sorted(set("".join(units)) - {"|"})))


def _kenlm(path: Path, units: list[str]) -> Any:
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    try:
        with _quiet():
            return KenLM(str(path), Dictionary(units))
    except Exception as error:  # KenLM's own kinds, translated into RuntimeError and others
        read_arpa(path)  # raises an error that names the line
        raise ModelError(
            f"KenLM cannot read it ({str(error).strip().splitlines()[-1][:200]})", where=path, fix="train it again"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """KenLM draws a bar of its own on the process's standard error and has no switch that flashlight passes on."""
    sys.stderr.flush()
    original, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.close(nowhere)
