"""Versioned text normalisers: what counts as the same text, per language; letters, marks and joiners are kept.

Language + orthography -> fold -> signs and numbers in words -> words. Version 1 is frozen in `version1.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vizinho.errors import TextError
from vizinho.text.language import Language
from vizinho.text.orthography import Orthography, default_orthography, orthography_of
from vizinho.text.readout import read_out
from vizinho.text.spelling import spelling_of

VERSION = 2
_RECORDED = re.compile(r"([a-z]{2,8})(?:[-_][a-z0-9]+)*-v(\d+)(?:-([0-9a-f]{8}))?")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text as a model learns it, and what is dropped of it although it may be heard."""

    text: str
    lost: str
    """Signs without words and marks without a letter, in their order."""


@dataclass(frozen=True, slots=True)
class Normalizer:
    """NFC, small letters, numbers and signs as words, no punctuation. `name` is part of every score's signature."""

    lang: str
    version: int = VERSION
    own: Orthography | None = None
    """None for the language's default orthography."""

    @property
    def orthography(self) -> Orthography:
        """Which characters are letters, joiners, marks and tones."""
        return self.own or default_orthography(self.lang)

    @property
    def name(self) -> str:
        """Such as "pt-v2-0123abcd": language, version, and from version 2 on the orthography's digest."""
        return f"{self.lang}-v{self.version}" + (f"-{self.orthography.digest}" if self.version > 1 else "")

    def recorded(self) -> dict[str, Any]:
        """`normalizer` and `orthography` as cards have them, for `get_normalizer`."""
        spelt = self.orthography.to_json() if self.version > 1 else None
        return {"normalizer": self.name, "orthography": spelt}

    def __call__(self, text: str) -> str:
        """Normalise one text; idempotent.

        Letters with their marks stay, joiners such as the apostrophe stay between letters; hyphens, brackets and other
        punctuation become spaces. Raises TextError for a number that cannot be written in words of the language.
        """
        return self.read(text).text

    def recognised(self, text: str) -> str:
        """Normalise what a recogniser wrote, which may be anything: a word that cannot be normalised stays as it is.

        A Whisper writes "3" where a language has no words for numbers here; that is a wrong word, not bad input.
        """
        try:
            return self(text)
        except TextError:
            return " ".join(filter(None, map(self._word, text.split())))

    def _word(self, word: str) -> str:
        try:
            return self(word)
        except TextError:
            return word.lower()

    def read(self, text: str) -> Normalised:
        """Normalise one text and say what is dropped (version 1 does not know). Raises TextError."""
        if self.version == 1:
            from vizinho.text import version1

            return Normalised(version1.normalise(text, self.lang), "")
        spelling = spelling_of(self.orthography)
        words = read_out(spelling.fold(text), self.lang, spelling.lower)
        return Normalised(*spelling.words(words))


def get_normalizer(name: str, orthography: Orthography | Mapping[str, Any] | None = None) -> Normalizer:
    """The normaliser of a language ("pt", "por", "pt_BR") or of a recorded name ("pt-v1", "pt-v2-0123abcd").

    A recorded name keeps its language as written, so that a model keeps the rules that it was trained with;
    `orthography` is the one recorded beside it, or a language's edited one. Raises TextError for an unknown language
    code, a version that does not exist, and a name whose orthography is another one.
    """
    recorded = _RECORDED.fullmatch(name.strip().lower())
    spelt = orthography if isinstance(orthography, Orthography | None) else orthography_of(orthography, name)
    if recorded is None:
        return _spelt(Language.parse(name, where="normaliser").base, spelt)
    lang, version, digest = recorded[1], int(recorded[2]), recorded[3]
    if version not in (1, VERSION) or (version == 1) != (digest is None):
        raise TextError(f"no version {version} of {lang}", where="normaliser", fix=f'use "{lang}" or "{lang}-v1"')
    if version == 1:
        return Normalizer(lang, 1)
    normalizer = _spelt(lang, spelt)
    if normalizer.orthography.digest != digest:
        what = f"{name} has another orthography than {lang} has here ({normalizer.name})"
        raise TextError(what, where="normaliser", fix="give the orthography that it was made with")
    return normalizer


def _spelt(lang: str, orthography: Orthography | None) -> Normalizer:
    """Two normalisers of a language are equal where one was given its default orthography."""
    if orthography is not None and Language.of(orthography.language).base != lang:
        what = f"it is of {orthography.language!r}, not of {lang!r}"
        raise TextError(what, where="orthography", fix="give the one of this language")
    return Normalizer(lang, own=None if orthography == default_orthography(lang) else orthography)
