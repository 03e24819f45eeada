"""Which voices speak a language: its own, or its neighbours', which read its letters by their rules or by a table."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from vizinho.errors import SpecError
from vizinho.g2p.espeak import SPEECH_ONLY, spoken_languages, voices_of
from vizinho.text.language import Language

Table = Mapping[str, Mapping[str, Mapping[str, str]]]
"""By language and voice: letters of the language, as they are written for the voice."""
_FORM = 'write [LANGUAGE.VOICE] above lines such as x = "sh"'


@dataclass(frozen=True, slots=True)
class Reader:
    """A voice that reads a language."""

    voice: str
    borrowed: bool = False
    """Whether it is a neighbour's."""
    letters: tuple[tuple[str, str], ...] = ()
    """Letters of the language and what the voice is given in their place."""

    def written(self, text: str) -> str:
        """A text as the voice reads it."""
        table = dict(self.letters)
        if not table:
            return text
        # All at once, the longest first: what was replaced is not replaced again.
        longest = sorted(table, key=lambda letters: (-len(letters), letters))
        return re.sub("|".join(map(re.escape, longest)), lambda match: table[match[0]], text)


@dataclass(frozen=True, slots=True)
class Speech:
    """How a language can be spoken."""

    language: Language
    readers: tuple[Reader, ...]
    remark: str
    """"voice of its own", or whose it borrows, or what is not known of it."""


def readers_of(language: str, like: Sequence[str] = (), table: Path | None = None) -> tuple[Reader, ...]:
    """The voices that speak a language; empty where nothing does.

    Its own voices, unless `like` names languages to borrow from; else those of borrowed.toml, or of `table`, a file of
    that form. Raises SpecError for a language in `like` that has no voice and for a malformed table.
    """
    spoken = Language.of(language)
    own = _own(spoken)
    rows = (_read(table) if table else _built_in()).get(spoken.base, {})
    if like:
        return tuple(_borrowed(code, rows) for code in like)
    if own and table is None:
        return tuple(Reader(voice) for voice in own)
    return tuple(_borrowed(code, rows) for code in rows) or tuple(Reader(voice) for voice in own)


def speakable() -> tuple[Speech, ...]:
    """Every language that can be spoken, sorted by its code."""
    codes = sorted({Language.of(code).base for code in (*spoken_languages(), *_built_in())})
    return tuple(_described(Language.of(code)) for code in codes)


def _described(language: Language) -> Speech:
    readers = readers_of(language.code)
    if readers[0].borrowed:
        return Speech(language, readers, "borrowed")
    partly = language.base in SPEECH_ONLY
    return Speech(language, readers, "own, leaves out a part of the spelling or is unchecked" if partly else "own")


def _own(language: Language) -> tuple[str, ...]:
    return voices_of(language.code) or SPEECH_ONLY.get(language.base, ())


def _borrowed(code: str, rows: Mapping[str, Mapping[str, str]]) -> Reader:
    voices = _own(Language.of(code))
    if not voices:
        fix = "choose languages of `vizinho corpus speak --list`"
        raise SpecError(f"eSpeak NG has no voice for {code!r} to borrow", where="borrowed voice", fix=fix)
    letters = rows.get(code, rows.get(Language.of(code).base, {}))
    return Reader(voices[0], True, tuple(sorted(letters.items())))


@cache
def _built_in() -> Table:
    file = resources.files("vizinho.g2p") / "borrowed.toml"
    return _checked(tomllib.loads(file.read_text(encoding="utf-8")), "borrowed.toml")


def _read(path: Path) -> Table:
    try:
        return _checked(tomllib.loads(path.read_text(encoding="utf-8")), path)
    except (OSError, ValueError) as error:
        raise SpecError(f"cannot be read ({error})", where=path, fix=_FORM) from error


def _checked(table: Mapping[str, Any], where: object) -> Table:
    for language, voices in table.items():
        if not isinstance(voices, dict) or not all(isinstance(letters, dict) for letters in voices.values()):
            raise SpecError(f"{language!r} has no voices below it", where=where, fix=_FORM)
        for voice, letters in voices.items():
            wrong = next((k for k, v in letters.items() if not k or not isinstance(v, str)), None)
            if wrong is not None:
                raise SpecError(f"{language}.{voice}: {wrong!r} is not letters for letters", where=where, fix=_FORM)
    return table
