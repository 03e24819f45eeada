"""Words put together: across the cuts of a recording, as a text, and as the segments between pauses and turns."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from vizinho.records import Segment, Word

OnWords = Callable[[Sequence[Word]], None]
_SAME_WORD_SECONDS = 0.2
"""A word that both sides of a cut have begins within this time on either side."""


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


def later(words: Iterable[Word], seconds: float) -> list[Word]:
    """Words whose times are counted from `seconds` earlier."""
    return [replace(w, start_seconds=seconds + w.start_seconds, end_seconds=seconds + w.end_seconds) for w in words]


def joined(pieces: Iterable[tuple[float, Sequence[Word]]], on_words: OnWords | None = None) -> list[Word]:
    """Words of pieces in order of time, each with the time until which its words count; see `untaken`."""
    words: list[Word] = []
    for until_seconds, of_piece in pieces:
        new = untaken(of_piece, until_seconds, words[-1] if words else None)
        words += new
        if on_words and new:
            on_words(new)
    return words


def untaken(words: Sequence[Word], until_seconds: float, last: Word | None) -> list[Word]:
    """The words of a piece that are taken, given the last word taken before it.

    Of an overlap with the next piece, the words of its first half are taken (`Piece.until_seconds`); of one with the
    piece before, those that are not taken yet. So a word on the cut is neither lost nor doubled.
    """
    return [w for w in words if _middle(w) < until_seconds and not (last and _is_taken(w, last))]


def _is_taken(word: Word, last: Word) -> bool:
    same = word.text == last.text and abs(word.start_seconds - last.start_seconds) < _SAME_WORD_SECONDS
    # A word cut in two by a piece's end is another text on either side: then the place decides.
    return same or _middle(word) < last.end_seconds


def _middle(word: Word) -> float:
    return (word.start_seconds + word.end_seconds) / 2
