"""Scripts of words, and words of two scripts in Latin letters, so that languages are compared and not their scripts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from vizinho.text.language import Language

Words = tuple[tuple[str, float], ...]
"""Words with their frequency per word of text, the most frequent first."""
_TOGETHER = {"CJK": "HAN", "HIRAGANA": "HAN", "KATAKANA": "HAN"}
UNSPACED = frozenset({"HAN", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"})
"""Scripts that put no spaces between words, so that words cannot be counted in running text."""
ROMANISED = "romanised by uroman (Hermjakob et al. 2018)"
CONSONANTS = f"consonants alone, {ROMANISED}, because one of the scripts leaves vowels out"
LEAST_CONSONANTS = 3
"""Words with fewer are alike in any two languages."""
_WITHOUT_VOWELS = frozenset({"ARABIC", "HEBREW", "SYRIAC"})
_VOWELS = re.compile("[aeiouwyv]")
"""Vowels and the letters that Arabic and Hebrew writing has for some of them."""
_DOUBLED = re.compile(r"(.)\1+")


def main_script(words: Words) -> str:
    """The script that most of the running words are in, by Unicode's names: "LATIN", "DEVANAGARI"; "" for no words."""
    shares: Counter[str] = Counter()
    for word, frequency in words:
        shares[script_of(word[0])] += frequency  # type: ignore[assignment]
    return max(shares, key=lambda script: (shares[script], script), default="")


@lru_cache(maxsize=4096)
def script_of(letter: str) -> str:
    """The script of a letter; that of Japanese and of Chinese is one."""
    name = unicodedata.name(letter, "").partition(" ")[0]
    return _TOGETHER.get(name, name)


def of_main_script(words: Words) -> Words:
    """The words of the main script alone: lists of Hindi have English words in Latin letters among them."""
    script = main_script(words)
    return tuple((w, f) for w, f in words if all(script_of(c) == script for c in w if c.isalpha()))


def in_one_script(words: Words, language: Language, others: Words, other: Language) -> tuple[Words, Words, str]:
    """Both lists in Latin letters where their scripts differ, else as they are; and how they were changed, in words.

    Beside a script that leaves vowels out, words are their consonants.
    """
    how = way_to_compare(words, others)
    if not how:
        return words, others, ""
    # Arabic "ktab" and Hindi "kitaab" both become "ktb".
    consonants = how == CONSONANTS
    return romanised(words, language.base, consonants), romanised(others, other.base, consonants), how


def way_to_compare(words: Words, others: Words) -> str:
    """How words of two scripts are compared: ROMANISED or CONSONANTS; "" for those of one script."""
    scripts = {main_script(words), main_script(others)}
    if not words or not others or len(scripts) == 1:
        return ""
    return CONSONANTS if scripts & _WITHOUT_VOWELS else ROMANISED


def romanised(words: Words, language: str, consonants: bool = False) -> Words:
    """Words in Latin letters by their sound, those that become one word added up; too short ones are left out."""
    sums: Counter[str] = Counter()
    forms = latin_forms(words, language, consonants)
    for word, frequency in words:
        if len(forms[word]) >= (LEAST_CONSONANTS if consonants else 2):
            sums[forms[word]] += frequency  # type: ignore[assignment]
    return tuple(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


@lru_cache(maxsize=32)
def latin_forms(words: Words, language: str, consonants: bool = False) -> Mapping[str, str]:
    """Each word in Latin letters, or its consonants alone, a doubled one once."""
    lines = romanised_text(spellings(words), language)
    forms = {word: "".join(filter(str.isalpha, line)) for word, line in zip(spellings(words), lines, strict=True)}
    return {word: _DOUBLED.sub(r"\1", _VOWELS.sub("", form)) for word, form in forms.items()} if consonants else forms


def romanised_text(lines: Sequence[str], language: str) -> list[str]:
    """Lines in Latin letters, in lower case."""
    from langcodes import Language as Tag

    code = Tag.get(language).to_alpha3()
    return [_uroman().romanize_string(line, lcode=code).lower() for line in lines]


def text_script(lines: Sequence[str]) -> str:
    """The script that most letters of a text are in."""
    counts = Counter(script_of(c) for line in lines[:200] for c in line if c.isalpha())
    return max(counts, key=lambda script: (counts[script], script), default="")


def spellings(words: Words) -> tuple[str, ...]:
    """The words without their frequencies."""
    return tuple(word for word, _ in words)


@cache
def _uroman() -> Any:
    from uroman import Uroman  # its tables take a second to load

    return Uroman()
