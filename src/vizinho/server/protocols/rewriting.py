"""What a request does to a finished transcript: phrases replaced, words masked, phrases searched; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz

from vizinho.recognition.numerals import with_digits
from vizinho.recognition.segments import marks_around, mean_confidence, text_of
from vizinho.records import Word
from vizinho.server.security.refusals import bad_parameter
from vizinho.text.emails import emails

EMAIL = "email_address"
REDACTED = ("pci", "ssn", "numbers", EMAIL)
_KINDS = {"pci": (13, 19), "ssn": (9, 9), "numbers": (1, 10_000)}
"""Digits of what is redacted, the narrowest first: cards (ISO/IEC 7812), United States social security, any number."""
_NUMBER = re.compile(r"\d")
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
        words = tuple(marks_around(word)[1] for word in find.lower().split())
        if not any(words):
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
            if tuple(_bare(w) for w in matching) == find:
                if text:
                    result.append(_merged(matching, text))
                place += len(find)
                break
        else:
            result.append(words[place])
            place += 1
    return tuple(result)


def masked(words: Sequence[Word], profane: frozenset[str]) -> tuple[Word, ...]:
    """Words of a list with asterisks after their first letter."""
    return tuple(_masked(word) if _bare(word) in profane else word for word in words)


def _masked(word: Word) -> Word:
    before, bare, after = marks_around(word.text)
    return replace(word, text=f"{before}{bare[:1]}{'*' * (len(bare) - 1)}{after}")


def _bare(word: Word) -> str:
    return marks_around(word.text)[1].lower()


def redacted(words: Sequence[Word], kinds: frozenset[str], language: str) -> tuple[Word, ...]:
    """Words with numbers and addresses of some kinds replaced by [KIND_1], [KIND_2]..., one name for each value.

    Numbers are found in digits or in the language's words. Digits that follow each other are one number; of cards and
    security numbers, whose digits are said one by one, a word between them may be another ("oh", "er").
    """
    names: dict[tuple[str, str], str] = {}
    result: list[Word] = []
    at = 0
    addresses = emails([word.text for word in words], language) if EMAIL in kinds else []
    for start, end in [*addresses, (len(words), len(words))]:
        result += _without_numbers(words[at:start], kinds - {EMAIL}, language, names)
        address = words[start:end]
        value = " ".join(map(_bare, address))
        result += [_hidden(address, EMAIL, value, names)] if address else []
        at = end
    return tuple(result)


def _without_numbers(
    words: Sequence[Word], kinds: frozenset[str], language: str, names: dict[tuple[str, str], str]
) -> Sequence[Word]:
    """Words with numbers of some kinds hidden, and the others in digits."""
    if not kinds:
        return words
    result: list[Word] = []
    for run in _runs(with_digits(words, language), between=1):
        if kind := next((kind for kind in ("pci", "ssn") if kind in kinds and _fits(run, kind)), ""):
            result.append(_hidden(run, kind, _value(run), names))
            continue
        for part in _runs(run, between=0):
            hide = "numbers" in kinds and _fits(part, "numbers")
            result += [_hidden(part, "numbers", _value(part), names)] if hide else part
    return result


def _runs(words: Sequence[Word], between: int) -> list[list[Word]]:
    """Words in order: runs of numbers with at most so many other words in between, and the words between the runs."""
    places = [place for place, word in enumerate(words) if _NUMBER.search(word.text)]
    runs: list[list[int]] = []
    for place in places:
        if runs and place - runs[-1][-1] <= between + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    result, at = [], 0
    for run in runs:
        result += [[word] for word in words[at : run[0]]]
        result.append(list(words[run[0] : run[-1] + 1]))
        at = run[-1] + 1
    return [*result, *([word] for word in words[at:])]


def _fits(run: Sequence[Word], kind: str) -> bool:
    fewest, most = _KINDS[kind]
    return fewest <= len(_value(run)) <= most


def _value(run: Sequence[Word]) -> str:
    return "".join(c for word in run for c in word.text if c.isdecimal())


def _hidden(words: Sequence[Word], kind: str, value: str, names: dict[tuple[str, str], str]) -> Word:
    count = 1 + sum(named == kind for named, _ in names)
    return _merged(words, names.setdefault((kind, value), f"[{kind.upper()}_{count}]"))


def _merged(words: Sequence[Word], text: str) -> Word:
    """Another text for words in a row, which lasts as long as they do; a mark after them stays."""
    mark = marks_around(words[-1].text)[2]
    text = text if text.endswith(mark) else text + mark
    return replace(words[0], text=text, end_seconds=words[-1].end_seconds, confidence=mean_confidence(words))


def hits(words: Sequence[Word], phrase: str) -> list[Hit]:
    """Places whose letters are like a phrase's, the likest first: what was heard is compared, not the sound."""
    count = max(1, len(phrase.split()))
    places = []
    # A word more or less: recognisers split and join words.
    for size in sorted({count, count + 1, max(1, count - 1)}):
        for start in range(len(words) - size + 1):
            part = words[start : start + size]
            text = text_of(part)
            like = fuzz.ratio(text.lower(), phrase.lower())
            if like >= _LEAST_LIKE:
                places.append(Hit(round(like / 100, 4), part[0].start_seconds, part[-1].end_seconds, text))
    # Greedy: of places that overlap the likest stays.
    best: list[Hit] = []
    for hit in sorted(places, key=lambda h: (-h.confidence, h.start_seconds)):
        if all(hit.end_seconds <= b.start_seconds or hit.start_seconds >= b.end_seconds for b in best):
            best.append(hit)
    return best[:_MOST_HITS]
