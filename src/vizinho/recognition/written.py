"""Recognised words as one writes them, in one order for files and servers: marks, then digits.

A tagger of marks and capitals learnt from words, so it reads numbers as words; the commas it writes part numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from vizinho.recognition.numerals import transcript_with_digits, with_digits
from vizinho.recognition.punctuated import Punctuation, punctuated, punctuated_transcript
from vizinho.records import Transcript, Word

Change = Callable[[Sequence[Word]], tuple[Word, ...]]


def written_transcript(transcript: Transcript, punctuation: Punctuation | None, numerals: str = "") -> Transcript:
    """A transcript with marks and capitals by a tagger, and the numbers of the language `numerals` in digits."""
    if punctuation is not None:
        transcript = punctuated_transcript(transcript, punctuation)
    return transcript_with_digits(transcript, numerals) if numerals else transcript


def written_words(
    words: Sequence[Word], punctuation: Punctuation | None = None, numerals: str = "", change: Change | None = None
) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """Words without and with the tagger's marks and capitals, numbers in digits in both.

    `change` rewrites words before numbers are looked for; it sees their marks, and passes on words that it leaves.
    """
    marked = punctuated(words, punctuation) if punctuation is not None else tuple(words)
    spoken = dict(zip(marked, words, strict=True))
    # By its end, a word that was put together of several knows the mark of the last one.
    marks = {word.end_seconds: word.text[len(bare.text) :] for word, bare in spoken.items()}
    changed = change(marked) if change is not None else marked
    finished = with_digits(changed, numerals) if numerals else changed
    plain = tuple(
        spoken[word] if word in spoken else replace(word, text=word.text.removesuffix(marks.get(word.end_seconds, "")))
        for word in finished
    )
    return plain, finished
