"""Words put into phrases by the pauses between them, with a capital and a full stop where those are asked for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from vizinho.recognition.segments import mean_confidence
from vizinho.records import Word

UTTERANCE_PAUSE_SECONDS = 0.8  # a longer pause ends an utterance (Deepgram's default for utt_split)
PARAGRAPH_PAUSE_SECONDS = 2.0
_SIGNS = "%‰*]"
"""Punctuation by Unicode that ends no sentence: a percentage, a masked word, what stands for a redacted one."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words without a long pause between them, and the same words as one would write them."""

    words: tuple[Word, ...]
    written: tuple[str, ...]

    @property
    def start_seconds(self) -> float:
        """Where the first word starts."""
        return self.words[0].start_seconds

    @property
    def end_seconds(self) -> float:
        """Where the last word ends."""
        return self.words[-1].end_seconds

    @property
    def speaker(self) -> int | None:
        """Who says it, where people were told apart."""
        return self.words[0].speaker

    @property
    def confidence(self) -> float:
        """Mean of the words'."""
        return mean_confidence(self.words)

    @property
    def text(self) -> str:
        """The words as written."""
        return " ".join(self.written)


T = TypeVar("T", Word, Phrase)


def phrases(
    words: Sequence[Word],
    *,
    punctuate: bool,
    pause_seconds: float = UTTERANCE_PAUSE_SECONDS,
    marked: Sequence[Word] | None = None,
) -> tuple[Phrase, ...]:
    """Group words by pauses and turns; with `punctuate`, a phrase starts with a capital and ends with a full stop.

    CTC models write neither capitals nor marks, so a pause is all that is known about where a sentence ends, unless
    a tagger has read them: `marked` are the words as it writes them.
    """
    groups = _by_pauses(words, pause_seconds)
    if punctuate and marked is not None:
        texts = iter([word.text for word in marked])
        return tuple(Phrase(tuple(group), tuple(islice(texts, len(group)))) for group in groups)
    return tuple(Phrase(tuple(group), written(group, begins=punctuate, ends=punctuate)) for group in groups)


def paragraphs(of: Sequence[Phrase]) -> tuple[tuple[Phrase, ...], ...]:
    """Phrases put into paragraphs: a longer pause starts a new one."""
    return tuple(map(tuple, _by_pauses(of, PARAGRAPH_PAUSE_SECONDS)))


def written(words: Sequence[Word], *, begins: bool, ends: bool) -> tuple[str, ...]:
    """Words with a capital where a sentence begins and a full stop where it ends, unless the model wrote a mark."""
    texts = [w.text for w in words]
    if begins and texts:
        texts[0] = texts[0][:1].upper() + texts[0][1:]
    if ends and texts and (texts[-1][-1] in _SIGNS or not unicodedata.category(texts[-1][-1]).startswith("P")):
        texts[-1] += "."
    return tuple(texts)


def _by_pauses(items: Sequence[T], pause_seconds: float) -> list[list[T]]:
    groups: list[list[T]] = []
    for item in items:
        turn = bool(groups) and item.speaker != groups[-1][-1].speaker
        if groups and not turn and item.start_seconds - groups[-1][-1].end_seconds < pause_seconds:
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups
