"""E-mail addresses in recognised words: written ("ana@example.org") or spoken ("ana at example dot org")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vizinho.text.number_grammar import fold, number_of


@dataclass(frozen=True, slots=True)
class _Spoken:
    """Words for the signs of an address, separated by spaces."""

    at: str
    dot: str
    line: str
    """Of hyphens and underscores; of those with two words ("guion bajo"), both."""


_SPOKEN = {
    "ca": _Spoken("arrova", "punt", "guió guionet baix"),
    "de": _Spoken("at ät klammeraffe", "punkt dot", "bindestrich minus unterstrich"),
    "en": _Spoken("at", "dot point period", "underscore under score hyphen dash"),
    "es": _Spoken("arroba", "punto", "guion guión bajo medio"),
    "fr": _Spoken("arobase arrobase arobas at", "point", "tiret bas underscore trait union"),
    "gl": _Spoken("arroba", "punto", "guion guión baixo"),
    "it": _Spoken("chiocciola at", "punto", "trattino basso underscore"),
    "nl": _Spoken("apenstaartje at", "punt", "streepje liggend"),
    "pt": _Spoken("arroba", "ponto", "hífen traço underline underscore sublinhado"),
}
_WRITTEN = re.compile(r"[\w.+%-]+@(?:[\w-]+\.)+\w+")
_HOST = re.compile(r"(?:[\w-]+\.)+\w+")
_BEFORE, _AFTER = re.compile(r"[\w.+%-]+@"), re.compile(r"@(?:[\w-]+\.)+\w+")
_AROUND = ".,;:!?¿¡…\"'()[]«»“”„"
# One letter for each word: w a word, d digits, s a single letter, h a host or a dotted name, E an address, A and B its
# parts where they have the sign; and the signs @ . - as they are spoken or written. What is spelled, or has digits,
# belongs together without a sign.
_PIECE = r"(?:w?d[sd]*|[sd]{2,}|[wsh])"
_LABEL = r"(?:[sd]{2,}|[wsd]{1,3})"  # recognisers split names of hosts into words
_NAME = rf"{_PIECE}(?:[.-]+{_PIECE})*"
_DOMAIN = rf"(?:h|(?:{_LABEL}(?:-+{_LABEL})*\.)+(?:s{{2,}}|[wsh]))"
_ADDRESS = re.compile(rf"E|{_NAME}B|(?:{_NAME}@|(?:{_PIECE}[.-]+)*A){_DOMAIN}(?![sd]*@)")


def knows_emails(language: str) -> bool:
    """Whether the words for the signs of an address are known in a language."""
    return _base(language) in _SPOKEN


def emails(words: Sequence[str], language: str) -> list[tuple[int, int]]:
    """First word of each address, and one past its last.

    Of a name in several words only the last one is known to belong to the address, unless signs are spoken between
    them, or it is spelled.

    >>> emails("escreva a ana ponto silva arroba exemplo ponto pt hoje".split(), "pt")
    [(2, 8)]
    """
    base = _base(language)
    kinds = "".join(_kind(word.lower(), _SPOKEN[base], base) for word in words)
    return [match.span() for match in _ADDRESS.finditer(kinds)]


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def _kind(word: str, spoken: _Spoken, language: str) -> str:
    if word in (".", "-", "_"):
        return word.replace("_", "-")
    word = word.strip(_AROUND)
    for sign, names in (("@", spoken.at), (".", spoken.dot), ("-", spoken.line)):
        if word in names.split() or word == sign:
            return sign
    for pattern, kind in ((_WRITTEN, "E"), (_BEFORE, "A"), (_AFTER, "B")):
        if pattern.fullmatch(word):
            return kind
    if word.isdecimal() or number_of(fold(word, language), language) is not None:
        return "d"
    if len(word) == 1:
        return "s"
    return "h" if _HOST.fullmatch(word) else "w"
