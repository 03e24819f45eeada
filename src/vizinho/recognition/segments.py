"""Words put together: their text, how sure they are, and the segments between pauses and turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vizinho.records import Segment, Word


def text_of(words: Sequence[Word]) -> str:
    """The words with spaces between them."""
    return " ".join(word.text for word in words)


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
