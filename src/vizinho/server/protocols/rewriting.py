"""What a request does to a finished transcript: phrases replaced, words masked, phrases searched; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from vizinho.records import Transcript, Word
from vizinho.server.security.refusals import bad_parameter

_MOST_HITS = 10
_LEAST_LIKE = 60.0
"""Of rapidfuzz's ratio, 0 to 100: what is less alike is no hit."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a phrase may have been said."""

    confidence: float
    start_seconds: float
    end_seconds: float
    snippet: str


def read_replacements(pairs: Sequence[str]) -> list[tuple[tuple[str, ...], str]]:
    """`FIND:REPLACE` as the words to find and what to write. Raises Refusal 400 where nothing is to be found."""
    rules = []
    for pair in pairs:
        find, _, text = pair.partition(":")
        words = tuple(find.lower().split())
        if not words:
            raise bad_parameter("replace", "write FIND:REPLACE")
        rules.append((words, text.strip()))
    return rules


def replaced(words: Sequence[Word], rules: Sequence[tuple[tuple[str, ...], str]]) -> tuple[Word, ...]:
    """Words with phrases replaced; the replacement lasts as long as its phrase, and an empty one leaves it out."""
    result: list[Word] = []
    place = 0
    while place < len(words):
        # The first rule that fits wins, as the request orders them.
        for find, text in rules:
            matching = words[place : place + len(find)]
            if tuple(w.text.lower() for w in matching) == find:
                if text:
                    sure = sum(w.confidence for w in matching) / len(matching)
                    until = matching[-1].end_seconds
                    result.append(replace(matching[0], text=text, end_seconds=until, confidence=sure))
                place += len(find)
                break
        else:
            result.append(words[place])
            place += 1
    return tuple(result)


def masked(words: Sequence[Word], profane: frozenset[str]) -> tuple[Word, ...]:
    """Words of a list with asterisks after their first letter."""
    return tuple(
        replace(w, text=w.text[:1] + "*" * (len(w.text) - 1)) if w.text.lower() in profane else w for w in words
    )


def rewritten(transcript: Transcript, words: tuple[Word, ...]) -> Transcript:
    """The transcript with other words in the same places."""
    return replace(transcript, words=words, text=" ".join(w.text for w in words))


def hits(words: Sequence[Word], phrase: str) -> list[Hit]:
    """Places whose letters are like a phrase's, the likest first: what was heard is compared, not the sound."""
    count = max(1, len(phrase.split()))
    places = []
    # A word more or less: recognisers split and join words.
    for size in sorted({count, count + 1, max(1, count - 1)}):
        for start in range(len(words) - size + 1):
            part = words[start : start + size]
            text = " ".join(w.text for w in part)
            like = fuzz.ratio(text.lower(), phrase.lower())
            if like >= _LEAST_LIKE:
                places.append(Hit(round(like / 100, 4), part[0].start_seconds, part[-1].end_seconds, text))
    # Greedy: of places that overlap the likest stays.
    best: list[Hit] = []
    for hit in sorted(places, key=lambda h: (-h.confidence, h.start_seconds)):
        if all(hit.end_seconds <= b.start_seconds or hit.start_seconds >= b.end_seconds for b in best):
            best.append(hit)
    return best[:_MOST_HITS]
