"""Transcripts with numbers in digits: a number is one word that lasts from its first word to its last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from vizinho.errors import SpecError
from vizinho.recognition.segments import marks_around, mean_confidence, text_of
from vizinho.records import Transcript, Word
from vizinho.text.digits import Written, has_numbers, in_digits

PAUSE_SECONDS = 0.8
"""Words farther apart are not one number."""


def prepare(language: str) -> bool:
    """Read the number words of a language, which may take seconds; whether they are known."""
    in_digits(("0",), language)
    return has_numbers(language)


def check_numerals(language: str) -> None:
    """Raises SpecError for a language whose number words are not known."""
    if not prepare(language):
        raise SpecError(f"the number words of {language!r} are not known", where="numerals", fix="leave it out")


def with_digits(words: Sequence[Word], language: str) -> tuple[Word, ...]:
    """Words with numbers in digits; words stay as they are where the language's number words are not known."""
    texts = [marks_around(word.text)[1] for word in words]
    result: list[Word] = []
    place = 0
    for start, end in _parts(words):
        for number in in_digits(texts[start:end], language):
            first, last = start + number.start, start + number.end
            result += [*words[place:first], _merged(words[first:last], number)]
            place = last
    return (*result, *words[place:])


def transcript_with_digits(transcript: Transcript, language: str) -> Transcript:
    """A transcript whose text, words, segments and alternatives have numbers in digits."""
    words = with_digits(transcript.words, language)
    segments = tuple(
        replace(segment, words=inside, text=text_of(inside))
        for segment in transcript.segments
        for inside in [with_digits(segment.words, language)]
    )
    n_best = tuple(
        replace(a, text=text_of(written), words=written)
        for a in transcript.n_best
        for written in [with_digits(a.words, language)]
    )
    return replace(transcript, words=words, text=text_of(words), segments=segments, n_best=n_best)


def _merged(words: Sequence[Word], number: Written) -> Word:
    """Signs around the words, such as a comma after the last, stay."""
    before, after = marks_around(words[0].text)[0], marks_around(words[-1].text)[2]
    text, confidence = f"{before}{number.text}{after}", mean_confidence(words)
    return replace(words[0], text=text, end_seconds=words[-1].end_seconds, confidence=confidence)


def _parts(words: Sequence[Word]) -> list[tuple[int, int]]:
    """Stretches of words without a pause or a sign between them, in which a number may lie."""
    starts = [0]
    for place, (word, following) in enumerate(pairwise(words), start=1):
        pause = following.start_seconds - word.end_seconds >= PAUSE_SECONDS
        _, bare, after = marks_around(word.text)
        if pause or after or not bare or marks_around(following.text)[0]:
            starts.append(place)
    return list(zip(starts, [*starts[1:], len(words)], strict=True))
