"""The letters each language is written with, so that a model's tokens do not depend on which words a corpus holds.

Lower-case letters of the standard orthographies, as in the Unicode CLDR's main exemplar sets (letters used only in
loans, such as k w y in Portuguese, are included because names in real recordings have them).
"""

from __future__ import annotations

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


def alphabet(language: str) -> str:
    """Letters of a language ("pt-br" counts as "pt"); empty for one not listed, whose corpus then decides alone."""
    return ALPHABETS.get(Language.of(language).base, "")
