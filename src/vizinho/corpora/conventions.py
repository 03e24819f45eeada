"""Separates what was spoken from what transcribers write beside it: events, guesses, and words nobody understood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

PARENTHESES = ("words", "events", "leave")
"""What (round brackets) hold: words that the transcriber is not sure of, events, or neither: they stay as they are."""

_NOT_UNDERSTOOD = (
    "unclear|unintelligible|inaudible|incomprehensible|indistinct|inint|inintelligible|inintelligível|ininteligível"
    "|ininteligible|incomprensible|inaudível|inaudible|inaudibile|unverständlich|incompréhensible"
)
_UNCLEAR = re.compile(
    rf"[\[<{{(]+\s*(?:{_NOT_UNDERSTOOD})\b[^\])}}>]*[\])}}>]+|\(\s*\)|\(\s*\?+\s*\)|\*{{3,}}|\?{{3,}}"
    r"|\(?(?<![^\W_])[xX]{3,}(?![^\W_])\)?"
)
_EVENT = re.compile(r"\[[^\[\]]*\]|<[^<>]*>|\{[^{}]*\}|\(\([^()]*\)\)|&=\S+|[♪♫]+|\((?:[.\-–]+|\d+[.,]?\d*s?)\)")
"""Tags in brackets, comments in double ones, music, and pauses such as (.) and (0.5)."""
_ROUND = re.compile(r"\(([^()]*)\)")
_LETTER = re.compile(r"[^\W\d_]|\d")
_LABEL = re.compile(r"\s*([^\W_][\w .'-]{0,24}?)\s?:\s+(?=\S)")
_FEWEST_LABELLED = 3  # one sentence with a colon names nobody


@dataclass(frozen=True, slots=True)
class Speech:
    """What a transcriber's text says was spoken, and what it says besides."""

    text: str
    events: tuple[str, ...] = ()
    """Sounds and comments that are no words, as they were written."""
    uncertain: tuple[str, ...] = ()
    """Words that the transcriber guessed; they are part of `text`."""
    unclear: bool = False
    """Words were spoken that the text does not have."""

    @property
    def has_words(self) -> bool:
        """Whether a letter or digit is left."""
        return _LETTER.search(self.text) is not None


def spoken(text: str, parentheses: str = "words") -> Speech:
    """Read a text by the conventions that most transcribers share; `parentheses` is one of PARENTHESES.

    `[laugh]`, `<noise>`, `{cough}`, `((comment))` and `(.)` are events, `xxx`, `***`, `(?)` and `[unclear]` stand for
    words that were not understood, `(perhaps)` holds a guess.
    """
    # First, because [unclear] and (?) would count as an event and as a guess.
    text, unclear = _UNCLEAR.subn(" ", text)
    events = _EVENT.findall(text)
    text = _EVENT.sub(" ", text)
    uncertain: list[str] = []
    if parentheses == "events":
        events += [f"({inside})" for inside in _ROUND.findall(text)]
        text = _ROUND.sub(" ", text)
    elif parentheses == "words":
        uncertain = _ROUND.findall(text)
        text = _ROUND.sub(r"\1", text)
    return Speech(" ".join(text.split()), tuple(events), tuple(uncertain), bool(unclear))


def speaker_labels(texts: Iterable[str]) -> frozenset[str]:
    """Names that most texts of a tier begin with, again and again ("Ana: sim"): several speakers share the tier."""
    everything = list(texts)
    labels = Counter(match[1] for match in map(_LABEL.match, everything) if match)
    labelled = sum(labels.values())
    repeated = len(labels) * 2 <= labelled and labelled >= _FEWEST_LABELLED
    return frozenset(labels) if repeated and labelled * 2 > len(everything) else frozenset()


def split_labels(text: str, labels: frozenset[str]) -> list[tuple[str, str]]:
    """A text as (speaker, words) at each label; the speaker is empty for words before the first one."""
    if not labels:
        return [("", text)]
    marks = re.compile(rf"(?:^|(?<=\s))({'|'.join(map(re.escape, sorted(labels)))})\s?:\s+")
    # A split at a group gives the group too.
    parts = marks.split(text)  # words before, then label and words by turns
    turns = [("", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
    return [(speaker, words.strip()) for speaker, words in turns if words.strip()] or [("", text)]
