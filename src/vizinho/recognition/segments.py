"""Words put together: their text, how sure they are, and the segments between pauses and turns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from vizinho.records import Segment, Word


def text_of(words: Sequence[Word]) -> str:
    """The words with spaces between them."""
    return " ".join(word.text for word in words)


def marks_around(text: str) -> tuple[str, str, str]:
    """A word's text in three parts: the marks before it, what is between, and the marks after it."""
    signs = "".join(c for c in text if unicodedata.category(c).startswith("P"))
    rest = text.lstrip(signs)
    bare = rest.rstrip(signs)
    return text[: len(text) - len(rest)], bare, rest[len(bare) :]


def mean_confidence(words: Sequence[Word]) -> float:
    """Mean of the words' confidences; 0 without words."""
    return sum(word.confidence for word in words) / len(words) if words else 0.0


def segment_of(words: Sequence[Word]) -> Segment:
    """A segment of at least one word."""
    return Segment(words[0].start_seconds, words[-1].end_seconds, text_of(words), mean_confidence(words), tuple(words))


def segments_of(words: Sequence[Word], pause_seconds: float) -> Iterator[Segment]:
    """Words of one speaker without a longer pause."""
    group: list[Word] = []
    for word in words:
        # Where people were not told apart no word has a speaker, and all are of one.
        turn = bool(group) and word.speaker != group[-1].speaker
        if group and (turn or word.start_seconds - group[-1].end_seconds > pause_seconds):
            yield segment_of(group)
            group = []
        group.append(word)
    if group:
        yield segment_of(group)
