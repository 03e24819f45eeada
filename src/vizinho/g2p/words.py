"""The most frequent words of a language, from wordfreq's lists (Speer 2022); no other file reads and filters them."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from functools import lru_cache

from vizinho.errors import TextError
from vizinho.text.alphabets import alphabet
from vizinho.text.language import Language
from vizinho.text.normalize import get_normalizer
from vizinho.text.orthography import default_orthography

_LISTED_AS = {"bs": "sh", "hr": "sh", "sr": "sh", "no": "nb"}
"""Wordfreq's names where they are not the base of the language's code."""


def frequent_words(language: str, count: int, *, letters: Collection[str] = (), shortest: int = 1) -> list[str]:
    """The `count` most frequent words of letters and marks, most frequent first, of `shortest` characters or more.

    With `letters`, words written with these characters alone, which may include an apostrophe or a middle dot. Raises
    TextError for a language without a list.
    """
    chosen: list[str] = []  # of equally frequent words the first by alphabet, as wordfreq lists them
    allowed = set(letters)
    spelt = get_normalizer(language) if default_orthography(language).apostrophe else str
    for listed in _ranked(list_name(language)):
        word = spelt(listed) if "'" in listed else listed  # lists have the typewriter's sign for the letter
        if len(chosen) == count:
            break
        if len(word) >= shortest and (allowed.issuperset(word) if allowed else is_word(word)):
            chosen.append(word)
    return chosen


@lru_cache(maxsize=64)
def letters_of(language: str) -> tuple[str, ...]:
    """The letters that a language is written with, sorted: its alphabet, or those of its frequent words.

    Raises TextError for a language with neither an alphabet nor a list of words.
    """
    return tuple(sorted(set(alphabet(language) or "".join(frequent_words(language, 1000)))))


def word_frequencies(language: str) -> dict[str, float]:
    """Every token of a language's list with its share of running text, most frequent first. Raises TextError."""
    import wordfreq

    return dict(wordfreq.get_frequency_dict(list_name(language), "best"))


def is_word(text: str) -> bool:
    """Whether a text is letters with their marks: vowel signs and tone marks belong to a word ("हिन्दी", "ภาษา")."""
    return text[:1].isalpha() and all(c.isalpha() or unicodedata.category(c).startswith("M") for c in text)


def list_name(language: str) -> str:
    """Wordfreq's name of a language. Raises TextError for a language without a list."""
    base = Language.of(language).base
    if not is_listed(base):
        raise TextError(f"wordfreq has no words of {base!r}", where="frequent words", fix="give a list of your own")
    return _LISTED_AS.get(base, base)


def is_listed(language: str) -> bool:
    """Whether there is a list of a language's frequent words."""
    import wordfreq

    base = Language.of(language).base
    return _LISTED_AS.get(base, base) in wordfreq.available_languages("best")


@lru_cache(maxsize=16)
def _ranked(name: str) -> tuple[str, ...]:
    import wordfreq

    return tuple(wordfreq.iter_wordlist(name, "best"))
