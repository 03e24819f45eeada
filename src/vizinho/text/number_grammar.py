"""The number that words say: num2words read backwards, by a grammar made of its own output.

Pieces (0 to 99, hundreds, hundreds of thousands ...) are what num2words writes for them, and a reading counts only if
num2words writes the whole number in these words: nothing is guessed. What fits no number is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

from num2words import num2words

from vizinho.errors import TextError
from vizinho.text.numerals import FAILURES, cardinal

LEVELS = (1_000, 1_000_000, 1_000_000_000)
_HUNDREDS = range(100, 1000, 100)
_PARTS = (*range(1, 100), *_HUNDREDS)
"""Of a level, what is looked up; 123 thousand is put together of 100 and 23 thousand."""
_ENDS = (1, 2, 8, 10, 21, 30, 80, 88, 99)
_OTHER_VOICES = {"pt": ("pt",), "fr": ("fr_BE", "fr_CH")}
"""num2words' names of the language as other countries speak it."""
# Forms that num2words does not write: gender, short forms before a noun, spellings, words left out.
_FORMS = {
    "pt": [(r"\buma\b", "um"), (r"\bduas\b", "dois"), (r"entas\b", "entos"), (r"\bquatorze\b", "catorze")],
    "gl": [(r"\bunha\b", "un"), (r"\bdúas\b", "dous"), (r"entas\b", "entos")],
    "es": [(r"\buna?\b", "uno"), (r"\bveinti(ún|una)\b", "veintiuno"), (r"entas\b", "entos")],
    "ca": [(r"\b(u|una)\b", "un"), (r"\bdues\b", "dos"), (r"centes\b", "cents")],
    "it": [("tré", "tre"), ("dicotto", "diciotto"), (r"\bun[a']?(?= )", "uno"), (r"\bun milione\b", "uno milione")],
    "fr": [(r"\bune\b", "un"), (r"\bcents\b", "cent"), (r"\bvingts\b", "vingt"), (r"\bmil\b", "mille")],
    "en": [(r"\ba (?=hundred|thousand|million)", "one "), (r"\band\b", "")],
    "de": [(r"eins(?=\b|tausend)|\bein(e|en|em|er)\b", "ein"), (r"\b(?=hundert|tausend)", "ein"), (r"\bzwo", "zwei")],
    "ru": [(r"\bодна тысяча\b", "тысяча")],
}  # fmt: skip


class NumberGrammar:
    """Number words of one language, as num2words or the table for Galician writes them."""

    def __init__(self, language: str, voice: str = "") -> None:
        """`voice` is num2words' name of a country's way; the language's default if empty."""
        self._language, self._voice = language, voice
        self._small = self._spelt(range(100))
        self._whole = [self._spelt(_HUNDREDS), *(self._spelt(part * level for part in _PARTS) for level in LEVELS)]
        # What stands before the rest of a hundred, link and all: "cento e ", "zweihundert".
        self._hundreds = {
            phrase.removesuffix(end): hundred
            for hundred in _HUNDREDS
            for end, rest in self._small.items()
            if rest in _ENDS and (phrase := self.words(hundred + rest)).endswith(end)
        }
        for level, whole in zip(LEVELS, self._whole[1:], strict=True):
            for rest in range(1, 100):  # one million, but two hundred and one millions
                phrase = self.words((200 + rest) * level)
                for prefix in [p for p, hundred in self._hundreds.items() if hundred == 200 and phrase.startswith(p)]:
                    whole.setdefault(phrase.removeprefix(prefix), rest * level)
        self._parts = [self._parts_of(level) for level in range(len(LEVELS) + 1)]
        self._links = [set(self._links_of(level)) for level in LEVELS]
        phrases = [p.split() for table in (self._small, *self._whole) for p in table]
        self.tokens = frozenset(t for p in phrases for t in p) | {t for p in self._hundreds for t in p.split()}
        ends = frozenset(t for p in phrases for t in (p[0], p[-1]))
        links = frozenset(t for links in self._links for link in links for t in link.split())
        self.links = (self.tokens | links) - ends - {prefix.split()[0] for prefix in self._hundreds}
        """Words that stand only inside a number: the "e" of "vinte e um"."""

    def words(self, number: int) -> str:
        """A number in words, folded; empty where there are none."""
        try:
            written = num2words(number, lang=self._voice) if self._voice else cardinal(str(number), self._language)
        except (TextError, *FAILURES):
            return ""
        return fold(str(written), self._language)

    def number(self, phrase: str) -> int | None:
        """The number that a folded phrase says; None if it says none, or if two numbers have these words."""
        # Writing each candidate again is what makes a reading exact: the pieces above may be put together wrongly.
        numbers = {n for n in self._readings(phrase, len(LEVELS)) if self.words(n) == phrase}
        return numbers.pop() if len(numbers) == 1 else None

    def _spelt(self, numbers: Iterable[int]) -> dict[str, int]:
        spelt: dict[str, int] = {}
        for number in numbers:
            if words := self.words(number):
                spelt.setdefault(words, number)
        return spelt

    def _links_of(self, level: int) -> Iterator[str]:
        """What stands between a level and the rest: "mil e um", "mil duzentos", "tausendeins"."""
        for part in (1, 2, 21, 290):
            start = self.words(part * level)
            for rest in (1, 2, 21, 100, 101, 234, 1000, 2000, 21_000, 123_000, 1_000_000):
                whole, end = self.words(part * level + rest), self.words(rest)
                if start and end and rest < level and whole.startswith(start) and whole.endswith(end):
                    yield whole[len(start) : len(whole) - len(end)]

    def _readings(self, phrase: str, levels: int) -> Iterator[int]:
        """Numbers below 1000 ** (levels + 1) that may be meant; `number` checks them."""
        if phrase in self._small:
            yield self._small[phrase]
        # The highest level comes first in all languages that are read here, so a number is split from the left.
        for level in range(levels, -1, -1):
            parts = self._parts[level]
            for end in range(1, len(phrase) + 1):
                value = parts.get(phrase[:end])
                if value is None:
                    continue
                if end == len(phrase):
                    yield value
                elif level:
                    for link in self._links[level - 1]:
                        if phrase.startswith(link, end):
                            yield from (value + rest for rest in self._readings(phrase[end + len(link) :], level - 1))

    def _parts_of(self, level: int) -> dict[str, int]:
        """Hundreds, or numbers below 1000 of thousands, of millions ...: what is looked up, and put together of it."""
        parts, unit = dict(self._whole[level]), (1, *LEVELS)[level]
        # Put together once: asking for each beginning of a phrase took several times as long.
        for prefix, hundred in self._hundreds.items():
            for phrase, rest in (self._whole[level] if level else self._small).items():
                if rest < 100 * unit:
                    parts.setdefault(prefix + phrase, rest + hundred * unit)
        return parts


@cache
def grammars(language: str) -> tuple[NumberGrammar, ...]:
    """The language's grammars, one for each way of its countries; none for a language without number words."""
    ways = ("", *_OTHER_VOICES.get(language, ()))
    return tuple(g for g in (NumberGrammar(language, way) for way in ways) if g.number(g.words(21)) == 21)


@lru_cache(4096)
def number_of(phrase: str, language: str) -> int | None:
    """The whole number that words say; None if they say none, or more than one.

    >>> number_of("dois mil e vinte e seis", "pt")
    2026
    """
    folded = fold(phrase, language)
    numbers = {n for grammar in grammars(language) if (n := grammar.number(folded)) is not None}
    return numbers.pop() if len(numbers) == 1 else None


def fold(phrase: str, language: str) -> str:
    """Small letters, no hyphens or commas, and one form of words that have several."""
    phrase = " ".join(re.sub("[-‐‑–,]", " ", phrase.lower()).split())
    for pattern, form in _FORMS.get(language, ()):
        phrase = re.sub(pattern, form, phrase)
    return " ".join(phrase.split())
