"""Transcripts with the marks and capitals that a tagger of text gives them, with the help of the pauses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise
from typing import Protocol

from vizinho.recognition.segments import text_of
from vizinho.records import Transcript, Word
from vizinho.text.written import without_marks


class Punctuation(Protocol):
    """A tagger of text, such as `text_models.punctuation`."""

    def texts(self, words: Sequence[str], pauses: Sequence[float] | None = None) -> list[str]:
        """The words with marks and capitals; `pauses` are the seconds after each, where they are known."""


def punctuated(words: Sequence[Word], punctuation: Punctuation) -> tuple[Word, ...]:
    """Words with marks and capitals; the last one ends a sentence. Words that have some already stay as they are."""
    if any(word.text != word.text.lower() or without_marks(word.text) != word.text for word in words):
        return tuple(words)  # of a recogniser that writes them by itself, which heard more than a tagger reads
    pauses = [after.start_seconds - word.end_seconds for word, after in pairwise(words)]
    texts = punctuation.texts([word.text for word in words], [*pauses, math.inf] if words else [])
    return tuple(replace(word, text=text) for word, text in zip(words, texts, strict=True))


def punctuated_transcript(transcript: Transcript, punctuation: Punctuation) -> Transcript:
    """A transcript whose text, words, segments and alternatives have marks and capitals."""
    words = punctuated(transcript.words, punctuation)
    rest = iter(words)  # segments have the transcript's words, in their order
    segments = tuple(
        replace(segment, words=inside, text=text_of(inside))
        for segment in transcript.segments
        for inside in [tuple(islice(rest, len(segment.words)))]
    )
    n_best = tuple(
        replace(a, text=text_of(marked), words=marked)
        for a in transcript.n_best
        for marked in [punctuated(a.words, punctuation)]
    )
    return replace(transcript, words=words, text=text_of(words), segments=segments, n_best=n_best)
