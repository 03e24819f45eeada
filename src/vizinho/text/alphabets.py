"""The letters that languages are written with: the alphabets of some, and of 1,000 what Unicode's CLDR knows.

The alphabets are the lower-case letters of standard orthographies, so that a model's tokens do not depend on which
words a corpus holds; letters used only in loans, such as k w y in Portuguese, are among them because names in real
recordings have them. CLDR's lists are as the package `gflanguages` carries them.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from vizinho.text.language import Language

_LATIN = "abcdefghijklmnopqrstuvwxyz"

ALPHABETS = {
    "pt": _LATIN + "áâãàçéêíóôõúü",
    "es": _LATIN + "áéíñóúü",
    "gl": _LATIN + "áéíïñóúü",
    "ca": _LATIN + "àçèéíïòóúü·'",
    "it": _LATIN + "àèéìíîòóùú'",
    "fr": _LATIN + "àâæçèéêëîïôœùûüÿ'",
    "en": _LATIN + "'",
    "de": _LATIN + "äöüß",
}

_FILED_AS = {"no": ("nb",), "sh": ("sr", "bs", "hr")}
"""Codes that gflanguages files under other names."""
_SAMPLES = ("tester", "specimen_48", "specimen_36", "specimen_32", "specimen_21", "specimen_16")
"""Its texts to show a typeface with, without the single words."""


@dataclass(frozen=True, slots=True)
class Exemplars:
    """Characters of one language, over all the scripts it is written in; empty for a language that nobody listed."""

    letters: frozenset[str]
    """The main letters in lower case, each a character or a cluster such as "oʻ"."""
    auxiliary: frozenset[str]
    """Letters of loans and names."""
    marks: frozenset[str]


def alphabet(language: str) -> str:
    """Letters of a language ("pt-br" counts as "pt"); empty for one not listed, whose corpus then decides alone."""
    return ALPHABETS.get(Language.of(language).base, "")


@cache
def exemplars(language: str) -> Exemplars:
    """The exemplar characters of a language, by its code."""
    base = Language.of(language).base
    entries = [entry.exemplar_chars for entry in _entries(base)]
    letters, auxiliary, marks = (
        frozenset(sign for entry in entries for sign in _signs(getattr(entry, part) or ""))
        for part in ("base", "auxiliary", "marks")
    )
    return Exemplars(letters, auxiliary, frozenset("".join(marks)) - {"◌"})


@cache
def sample_sentences(language: str) -> tuple[str, ...]:
    """Some sentences of a language, mostly of the Universal Declaration of Human Rights; none for most languages.

    Of a language with several scripts those of the script that the code names, else of its usual one.
    """
    from langcodes import Language as Tag

    entries = _entries(Language.of(language).base)
    script = Tag.get(Language.of(language).tag).maximize().script
    # Where CLDR does not know the usual script there is one entry, in whatever it is.
    in_script = [entry for entry in entries if entry.script == script]
    for entry in in_script or entries:
        texts = [str(getattr(entry.sample_text, part)) for part in _SAMPLES]
        if lines := dict.fromkeys(line.strip() for text in texts for line in text.splitlines() if line.strip()):
            return tuple(lines)
    return ()


def _entries(base: str) -> list[Any]:
    return [_entry(name) for name in _names() if name.partition("_")[0] in (base, *_FILED_AS.get(base, ()))]


def _signs(listed: str) -> set[str]:
    """The text "{oʻ} a A b-d" as {"oʻ", "a", "b", "c", "d"}."""
    signs: set[str] = set()
    for sign in unicodedata.normalize("NFC", listed).split():
        if len(sign) == 3 and sign[1] == "-":
            signs |= {chr(code) for code in range(ord(sign[0]), ord(sign[2]) + 1)}
        else:
            signs.add("i" if sign == "İ" else sign.strip("{}").lower())
    return signs - {""}


@cache
def _names() -> tuple[str, ...]:
    files = resources.files("gflanguages").joinpath("data/languages").iterdir()
    return tuple(sorted(file.name.removesuffix(".textproto") for file in files if file.name.endswith(".textproto")))


def _entry(name: str) -> Any:
    from gflanguages import LanguageProto, text_format  # loaded when a language is first looked up

    file = resources.files("gflanguages").joinpath(f"data/languages/{name}.textproto")
    return text_format.Parse(file.read_text(encoding="utf-8"), LanguageProto())
