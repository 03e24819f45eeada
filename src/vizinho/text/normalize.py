"""Versioned text normalisers: what counts as the same text, per language; diacritics are kept."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from num2words import num2words

from vizinho.errors import TextError

VERSION = 1
_NUMBER_LANGUAGES = {"pt": "pt_BR"}
_APOSTROPHE = {"en", "fr", "it", "ca"}
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Lower case, NFC, numbers as words, no punctuation. `name` is part of every score's signature."""

    lang: str
    version: int = VERSION

    @property
    def name(self) -> str:
        """Such as "pt-v1"."""
        return f"{self.lang}-v{self.version}"

    def __call__(self, text: str) -> str:
        """Normalise one text; idempotent."""
        text = unicodedata.normalize("NFC", text).lower().replace("’", "'")
        text = _NUMBER.sub(lambda m: f" {self._words(m.group())} ", text)
        kept = "".join(
            c if c.isalpha() or unicodedata.category(c) == "Mn" or (c == "'" and self.lang in _APOSTROPHE) else " "
            for c in text
        )
        return " ".join(kept.split())

    def _words(self, digits: str) -> str:
        try:
            return str(num2words(int(digits), lang=_NUMBER_LANGUAGES.get(self.lang, self.lang)))
        except (NotImplementedError, OverflowError) as error:
            raise TextError(
                f"the number {digits} cannot be written as words in {self.lang!r}", fix="write it out in the corpus"
            ) from error


def get_normalizer(name: str) -> Normalizer:
    """The normaliser of a language ("pt", "pt-br") or of a recorded name ("pt-v1")."""
    return Normalizer(name.split("-")[0].lower())
