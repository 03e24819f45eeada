"""Numbers of a text in digits: cardinals, decimals, ordinals, percentages, money, days of a month.

`readout` is the other direction. What may be something else stays in words: small numbers by themselves (the article
"um" is not always 1), numbers side by side ("nineteen eighty four"), hundreds and thousands that stand for many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from vizinho.errors import TextError
from vizinho.text.number_grammar import LEVELS, fold, grammars, number_of
from vizinho.text.numerals import ordinal, point_word
from vizinho.text.readout import read_out

_LEAST_ALONE = 10
"""Smaller numbers stay words where no unit, month or point says that they are numbers; style guides agree."""
_MANY = frozenset({100, *LEVELS})
_LONGEST = 24  # words of a number
_MILLION = 1_000_000
_MARKS = {
    "pt": ("º", "ª"), "es": ("º", "ª", "er"), "gl": (), "it": ("º", "ª"), "ca": ("r", "n", "t", "è", "a"),
    "fr": ("er", "re", "e"), "en": ("st", "nd", "rd", "th"),
}  # fmt: skip
_LAST_ORDINAL = 100
_UNITS = ("%", "€", "R$", "$")
_CENTS = {
    "pt": ("centavo", "centavos", "cêntimo", "cêntimos"), "gl": ("céntimo", "céntimos"),
    "es": ("céntimo", "céntimos", "centavo", "centavos"), "ca": ("cèntim", "cèntims"),
    "it": ("centesimo", "centesimi"), "fr": ("centime", "centimes"), "en": ("cent", "cents"), "de": ("cent",),
}  # fmt: skip
_NO_MONTHS = frozenset({"may", "march", "mars", "mai"})
"""Months that are other words too."""
_HOMOGRAPHS = {
    "ca": frozenset({"deu", "nou", "set"}),
    "it": frozenset({"venti"}),
    "tr": frozenset({"on", "yüz", "kırk"}),
}
_ONE_IS_NO_ARTICLE = frozenset({"en"})
_LINK_LETTERS = 3  # "de", "of", between a day and its month


@dataclass(frozen=True, slots=True)
class Written:
    """Words `start` to `end` (not included) of a text, as they are written with digits."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Number:
    start: int
    end: int
    value: int
    digits: str
    kind: str = "cardinal"


def has_numbers(language: str) -> bool:
    """Whether the number words of a language are known."""
    return bool(grammars(language))


def in_digits(words: Sequence[str], language: str) -> list[Written]:
    """Places of a text, word by word and in order, that are written with digits; words carry no punctuation.

    >>> in_digits("custa vinte e um euros".split(), "pt")
    [Written(start=1, end=5, text='21\\xa0€')]
    """
    return _Text(words, language).written() if has_numbers(language) else []


class _Text:
    def __init__(self, words: Sequence[str], language: str) -> None:
        self._language = language
        self._grammars = grammars(language)
        self._words = [word.lower() for word in words]
        # Of a text that has capitals; one in capitals alone has none to tell.
        self._is_name = [place > 0 and w[:1].isupper() and not w.isupper() for place, w in enumerate(words)]
        self._known = [_is_part(word, language) for word in self._words]

    def written(self) -> list[Written]:
        places: list[Written] = []
        for run in _runs(self._decimals(list(self._numbers()))):
            if places and run[0].start < places[-1].end:  # cents, which are part of an amount
                continue
            if len(run) == 1:
                places += self._one(run[0])
            elif len(run) > 2 and all(n.kind == "cardinal" and n.value < 10 and n.end - n.start == 1 for n in run):
                places += [Written(n.start, n.end, n.digits) for n in run]  # a number read digit by digit
        return places

    def _numbers(self) -> Iterator[_Number]:
        """The longest numbers from left to right; none of a stretch that is not wholly numbers."""
        place = 0
        while place < len(self._words):
            number = self._longest(place)
            if number is None:
                place += 1
                continue
            stretch, place = [number], number.end
            while (number := self._longest(place)) is not None:
                stretch.append(number)
                place = number.end
            # A number word that is left over beside them ("hundred") says that the words are not understood.
            if not self._left_over(stretch[0].start - 1) and not self._left_over(place):
                yield from stretch

    def _left_over(self, place: int) -> bool:
        inside = 0 <= place < len(self._words)
        if not inside:
            return False
        word = self._words[place]
        return word[-1:].isdecimal() or (self._known[place] and not self._links(word))

    def _longest(self, start: int) -> _Number | None:
        end = start
        while end < len(self._words) and end - start < _LONGEST and self._known[end]:
            end += 1
        # From the longest stretch down: "vinte e três mil" is 23000, not 20 and 3000.
        while end > start:
            if not self._links(self._words[end - 1]) and not self._links(self._words[start]):
                phrase = fold(" ".join(self._words[start:end]), self._language)
                if (value := number_of(phrase, self._language)) is not None:
                    return _Number(start, end, value, str(value))
                if place := _ordinals(self._language).get(phrase):
                    return _Number(start, end, place[0], place[1], "ordinal")
            end -= 1
        return None

    def _links(self, word: str) -> bool:
        """Whether a word stands only inside numbers, or says nothing in them ("and")."""
        folded = fold(word, self._language)
        return not folded or any(folded in grammar.links for grammar in self._grammars)

    def _decimals(self, numbers: list[_Number]) -> list[_Number]:
        """Numbers with a point word between them put together: the fraction is digits, or zeros and a number."""
        point = point_word(self._language).split()
        joined: list[_Number] = []
        while numbers:
            number, *numbers = numbers
            after = number.end + len(point)
            if point and number.kind == "cardinal" and self._words[number.end : after] == point:
                parts: list[_Number] = []
                while numbers and numbers[0].start == (parts[-1].end if parts else after):
                    parts.append(numbers.pop(0))
                # ",05" is read "zero cinco", ",25" as one number or digit by digit.
                zeros = all(part.value == 0 for part in parts[:-1])
                if parts and (zeros or all(part.value < 10 for part in parts)):
                    fraction = "".join(part.digits for part in parts)
                    digits = f"{number.digits}{_symbols(self._language)['decimal']}{fraction}"
                    number = _Number(number.start, parts[-1].end, number.value, digits, "decimal")
            joined.append(number)
        return joined

    def _one(self, number: _Number) -> Iterator[Written]:
        unit, end = self._unit(number)
        if number.value % _MILLION == 0 and number.value and number.end - number.start > 1:
            # "12 milhões" is easier to read than 12000000.
            count = number_of(" ".join(self._words[number.start : number.end - 1]), self._language)
            if count is None or count >= _LEAST_ALONE:
                end = number.end if count is None else number.end - 1
                yield Written(number.start, end, number.digits if count is None else str(count))
        elif unit and number.kind != "ordinal":
            digits, end = self._cents(number, unit, end)
            if digits == "1" and unit != "%" and self._language not in _ONE_IS_NO_ARTICLE:
                return  # "um dólar estável" is a dollar, "um real crescimento" is none
            yield Written(number.start, end, _with_unit(digits, unit, self._language))
        elif number.end - number.start == 1 and self._is_name[number.start]:
            return  # a person, "Valentín Diez", or a street, "avenida Nove de Julho"
        elif number.kind == "decimal" or not self._doubtful(number) or self._is_day(number):
            yield Written(number.start, number.end, number.digits)

    def _doubtful(self, number: _Number) -> bool:
        """Whether a number by itself may be something else."""
        if number.end - number.start > 1:
            return False
        few_or_many = number.value < _LEAST_ALONE or number.value in _MANY
        return few_or_many or self._words[number.start] in _HOMOGRAPHS.get(self._language, ())

    def _is_day(self, number: _Number) -> bool:
        """Whether a small number is the day of a month: "two of june", "june second", "primeiro de março"."""
        months = _months(self._language)
        after = self._words[number.end : number.end + 2]
        if len(after) == 2 and len(after[0]) <= _LINK_LETTERS and after[1] in months:
            return True
        if after and after[0] in months:
            return True
        return number.kind == "ordinal" and number.start > 0 and self._words[number.start - 1] in months

    def _unit(self, number: _Number) -> tuple[str, int]:
        """The sign of the words after a number, and where they end."""
        for name, sign in _names_of_units(self._language).items():
            end = number.end + len(name)
            if tuple(self._words[number.end : end]) == name:
                return sign, end
        return "", number.end

    def _cents(self, number: _Number, unit: str, end: int) -> tuple[str, int]:
        """An amount with the cents that follow it, where the word for cents is there: "três euros e dez cêntimos"."""
        if unit == "%" or number.kind != "cardinal":
            return number.digits, end
        for start in range(end, min(end + 2, len(self._words))):
            cents = self._longest(start)
            linked = start == end or len(self._words[end]) <= _LINK_LETTERS  # "e", "and", "con"
            names = self._words[cents.end : cents.end + 1] if cents else []
            if cents and linked and cents.value < 100 and names and names[0] in _CENTS.get(self._language, ()):
                return f"{number.digits}{_symbols(self._language)['decimal']}{cents.value:02d}", cents.end + 1
        return number.digits, end


def _runs(numbers: Sequence[_Number]) -> Iterator[list[_Number]]:
    """Numbers side by side."""
    run: list[_Number] = []
    for number in numbers:
        if run and run[-1].end != number.start:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


@cache
def _is_part(word: str, language: str) -> bool:
    parts = fold(word, language).split()
    known = _tokens(language)
    return all(part in known or number_of(part, language) is not None for part in parts)


@cache
def _tokens(language: str) -> frozenset[str]:
    spoken = frozenset(token for phrase in _ordinals(language) for token in phrase.split())
    return spoken.union(*(grammar.tokens | grammar.links for grammar in grammars(language)))


@cache
def _ordinals(language: str) -> dict[str, tuple[int, str]]:
    """Folded words of ordinals, and how each is written."""
    written: dict[str, tuple[int, str]] = {}
    for number in range(1, _LAST_ORDINAL + 1):
        for mark in _MARKS.get(language, ()):
            digits = f"{number}{mark}"
            try:
                spoken = fold(ordinal(str(number), mark, language), language)
            except TextError:
                continue
            if _fits(number, mark, language) and fold(read_out(digits, language), language) == spoken:
                written.setdefault(spoken, (number, digits))
    return written


def _fits(number: int, mark: str, language: str) -> bool:
    """Whether a mark is that of a number: 1st, 2nd, 11th."""
    if language == "en":
        teens = 10 < number % 100 < 20
        return mark == ("th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th"))
    if language == "ca":
        return mark in ("a", {1: "r", 2: "n", 3: "r", 4: "t"}.get(number, "è"))
    if language == "fr":
        return (mark == "e") == (number > 1)
    return mark != "er" or number % 10 in (1, 3)


@cache
def _names_of_units(language: str) -> dict[tuple[str, ...], str]:
    """Words after a number that a sign stands for, the longest first."""
    names: dict[tuple[str, ...], str] = {}
    for sign in _UNITS:
        # Singular and plural.
        for number in ("1", "2"):
            spoken = read_out(f"{number} {sign}".lower(), language).split()
            if len(spoken) > 1 and all(word.isalpha() for word in spoken[1:]):
                names.setdefault(tuple(spoken[1:]), sign)
    if language == "en":
        names[("per", "cent")] = "%"
    return dict(sorted(names.items(), key=lambda item: -len(item[0])))


def _with_unit(digits: str, sign: str, language: str) -> str:
    """A number and a sign as CLDR puts them: 21 €, $21, 5%."""
    pattern = _percent_pattern(language) if sign == "%" else _money_pattern(language)
    return re.sub(r"[#0.,]+", digits, pattern.split(";")[0], count=1).replace("%" if sign == "%" else "¤", sign)


def _percent_pattern(language: str) -> str:
    locale = _locale(language)
    return str(locale.percent_formats[None].pattern) if locale else "#%"


def _money_pattern(language: str) -> str:
    locale = _locale(language)
    return str(locale.currency_formats["standard"].pattern) if locale else "# ¤"


def _symbols(language: str) -> dict[str, str]:
    locale = _locale(language)
    symbols = locale.number_symbols if locale else {"decimal": ","}
    return dict(symbols.get("latn", symbols))


@cache
def _months(language: str) -> frozenset[str]:
    locale = _locale(language)
    names = locale.months["format"]["wide"].values() if locale else ()
    return frozenset(name.lower() for name in names) - (_NO_MONTHS if language == "en" else frozenset())


@cache
def _locale(language: str) -> Any:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return None
