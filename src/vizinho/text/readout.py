"""Numbers and spoken signs in the words of a language: %, °, m², €, −5, 1st, 3.5.

What the language has no words for stays as it is, and is named as dropped by whoever cuts the text into words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from vizinho.text.numerals import cardinal, fraction_words, is_accent, minus_word, ordinal, point_word, unwritable

_NUMBER = r"\d{1,3}(?:[.,\u00a0\u202f]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)?"
_NO_LETTER = r"(?![^\W\d_])"

# Signs that CLDR names otherwise than people say them, or not at all.
_PERCENT = {"ar": "بالمئة", "gl": "por cento", "it": "per cento"}
_DEGREES = {"nl": "graden"}
_NUMBER_SIGN = {"pt": "número", "es": "número", "gl": "número", "ca": "número", "it": "numero", "fr": "numéro"}
_MONEY = {
    "pt": ("e", {"r$": ("real", "reais"), "$": ("dólar", "dólares"), "£": ("libra", "libras")}),
    "gl": ("con", {"$": ("dólar", "dólares"), "£": ("libra", "libras")}),
    "es": ("con", {"$": ("dólar", "dólares"), "£": ("libra", "libras")}),
    "ca": ("amb", {"$": ("dòlar", "dòlars"), "£": ("lliura", "lliures")}),
    "it": ("e", {"$": ("dollaro", "dollari"), "£": ("sterlina", "sterline")}),
    "fr": ("", {"$": ("dollar", "dollars"), "£": ("livre", "livres")}),
    "en": ("", {"$": ("dollar", "dollars"), "£": ("pound", "pounds")}),
    "de": ("", {"$": ("dollar", "dollar"), "£": ("pfund", "pfund")}),
}
"""Between units and cents; names of one and of several. The euro is CLDR's."""
_SIGNS_OF_MONEY = {"r$": "r$", "us$": "$", "€": "€", "$": "$", "£": "£"}
_SCALES = {
    "pt": ("mil", "milhão|milhões|bilhão|bilhões|trilhão|trilhões", "de"), "gl": ("mil", "millón|millóns", "de"),
    "es": ("mil", "millón|millones|billón|billones", "de"), "ca": ("mil", "milió|milions", "de"),
    "it": ("mila", "milione|milioni|miliardo|miliardi", "di"),
    "fr": ("mille", "million|millions|milliard|milliards", "de"),
    "en": ("thousand|million|billion|trillion", "", ""),
    "de": ("tausend|million|millionen|milliarde|milliarden", "", ""),
}  # fmt: skip
"""Words between an amount and its unit: those before the unit itself, those with a link to it, and the link."""
# Short for millions; how it is said depends on the language.
_SHORT_SCALES = rf"\s+(?:mi|bi|tri|mio|mrd|md|mld|bn|mm?|k){_NO_LETTER}"
_UNITS = {
    "%": "concentr-percent", "٪": "concentr-percent", "‰": "concentr-permille", "°c": "temperature-celsius",
    "°f": "temperature-fahrenheit", "°": "angle-degree", "km²": "area-square-kilometer", "m²": "area-square-meter",
    "cm²": "area-square-centimeter", "m³": "volume-cubic-meter", "cm³": "volume-cubic-centimeter",
    "km/h": "speed-kilometer-per-hour", "m/s": "speed-meter-per-second",
}  # fmt: skip
"""CLDR's names of units; those of letters alone (kg) are left as they are written."""
_MASCULINE_ONE = {"es": ("uno", "un"), "it": ("uno", "un"), "ca": ("u", "un"), "de": ("eins", "ein")}
"""The number one before a noun."""

_CHAIN = re.compile(r"(?<![\d.,])\d+(?:[.,]\d+){2,}(?!\d)")

# How an ordinal is marked behind its digits.
_ROMANCE = re.compile(r"(\d+)(º|ª)")
_ORDINALS = {
    "pt": _ROMANCE, "gl": _ROMANCE, "it": _ROMANCE, "es": re.compile(rf"(\d+)(º|ª|er{_NO_LETTER})"),
    "fr": re.compile(rf"(\d+)(ère|ere|re|er|ème|eme|e){_NO_LETTER}"),
    "en": re.compile(rf"(\d+)(st|nd|rd|th){_NO_LETTER}"),
    "sv": re.compile(rf"(\d+):(e|a){_NO_LETTER}"),
    "ca": re.compile(rf"(\d+)(º|ª|r|n|t|è|é|a){_NO_LETTER}"),
}  # fmt: skip
# Behind an article, or a one, a degree sign stands for the sign of ordinals.
_ARTICLES = {
    "pt": "o|a|do|da|no|na|ao|à|pelo|pela|um|uma|este|esta|esse|essa",
    "gl": "o|a|do|da|no|na|ao|á|polo|pola|un|unha|este|esta",
    "es": "el|la|del|al|un|una|este|esta",
    "it": "il|lo|la|del|dello|della|al|allo|alla|dal|dalla|nel|nella|sul|sulla|un|una",
}
# Languages that write ordinals with a dot: those whose ordinals stay as they are, and those that inflect them.
_DOTTED = {"da", "no", "nb", "tr", "hu"}
_INFLECTED = {
    "de",
    "fi",
    "et",
    "cs",
    "sk",
    "pl",
    "sl",
    "hr",
    "bs",
    "sr",
    "lv",
    "is",
    "eu",
    "fo",
    "nn",
    "lb",
    "hsb",
    "dsb",
}
_DOT = re.compile(r"(?<![\d.,])(\d{1,3})\.(?=\s+[^\W\d_])")
_GERMAN_MONTHS = "januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember"
_GERMAN = re.compile(rf"(?:\b(\w+)\s+)?(?<![\d.,])(\d{{1,3}})\.(?=\s+({_GERMAN_MONTHS})?)(?=\s+[^\W\d_])")
_GERMAN_N = frozenset({"am", "vom", "zum", "beim", "im", "dem", "den", "des", "einem", "einen", "eines"})
_LAST_DAY = 31
_LATIN_NUMBERS = {"sr"}
"""Languages of two scripts whose number words are known in Latin letters only."""


def read_out(text: str, lang: str, lower: Callable[[str], str] = str.lower) -> str:
    """A folded text with its numbers and signs in words. Raises TextError for a number without words.

    `lower` writes the words as the language has small letters.
    """
    if not re.search(r"[\d&]", text):
        return text
    if lang in _LATIN_NUMBERS and (digits := re.search(r"\d+", text)) and re.search("[\u0400-\u04ff]", text):
        raise unwritable(digits[0], lang)
    return _Reader(lang, lower)(text)


class _Reader:
    def __init__(self, lang: str, lower: Callable[[str], str]) -> None:
        self._lang, self._lower = lang, lower

    def __call__(self, text: str) -> str:
        lang = self._lang
        if (conjunction := _and(lang)) is not None:
            text = text.replace("&", f" {conjunction} ")
        if lang in _NUMBER_SIGN:
            text = re.sub(r"(?<![^\W\d_])n\.?[º°](?=\s*\d)|nº(?=\s*\d)|№", f" {_NUMBER_SIGN[lang]} ", text)
        point = _decimal_mark(lang)
        text = text.replace("٫", point).replace("٬", "," if point == "." else ".")  # Arabic marks
        # A date, a telephone number or a chapter: several numbers, whose signs are named as dropped.
        text = _CHAIN.sub(lambda m: m[0] if _is_grouped(m[0], lang) else re.sub("[.,]", "⁄", m[0]), text)
        text = self._ordinals(text)
        # The minus comes before units and money, which take the digits away; a hyphen behind a letter is no minus.
        text = re.sub(r"(?<![\w)\]])[-−](?=\d)", f" {minus_word(lang) or '−'} ", text)
        text = self._units(self._money(text))
        # A sign between numbers is read by what is meant (a date, a part, a time): it stays, and is named as dropped.
        text = re.sub(r"(?<=\d)\s?([/:])\s?(?=\d)", lambda m: {"/": "⁄", ":": "∶"}[m[1]], text)
        return re.sub(_NUMBER, lambda m: f" {self._number(m[0])} ", text)

    def _ordinals(self, text: str) -> str:
        lang = self._lang
        text = re.sub(r"(?<=\d)\.(?=[ºª])", "", text)
        if lang in _ARTICLES:
            pattern = rf"(?:\b({_ARTICLES[lang]})(\s+))?(?<![\d.,\-−])(\d{{1,3}})°(?!\s?[cf]{_NO_LETTER})(\s+[^\W\d_])?"
            text = re.sub(pattern, self._degree_sign, text)
        if lang in _ORDINALS:
            text = _ORDINALS[lang].sub(lambda m: f" {self._lower(ordinal(m[1], m[2], lang))} ", text)
        if lang == "de":
            return _GERMAN.sub(self._german, text)
        if lang in _DOTTED:
            return _DOT.sub(lambda m: f" {self._lower(ordinal(m[1], '', lang))} ", text)
        if lang in _INFLECTED:
            return _DOT.sub(lambda m: m[0] if int(m[1]) > _LAST_DAY else f"{m[1]} º", text)
        return text

    def _degree_sign(self, match: re.Match[str]) -> str:
        article, gap, digits, following = match[1] or "", match[2] or "", match[3], match[4] or ""
        if article or int(digits) == 1:
            feminine = article.endswith(("a", "à", "á"))
            return f"{article}{gap} {self._lower(ordinal(digits, 'ª' if feminine else 'º', self._lang))} {following}"
        # "3° lugar" is a place, "3° hoje" a temperature: nobody can tell, so the sign stays unread.
        doubtful = following and int(digits) <= _LAST_DAY
        return f"{article}{gap}{digits} º {following}" if doubtful else match[0]

    def _german(self, match: re.Match[str]) -> str:
        before, digits, month = match[1] or "", match[2], match[3]
        words = self._lower(ordinal(digits, "", "de"))
        if before in _GERMAN_N:
            return f"{before} {words}n"
        if before in ("die", "das") or (before == "der" and month):
            return f"{before} {words}"
        if month:
            return f"{before} {words}r"
        return f"{before} {digits} º" if int(digits) <= _LAST_DAY else match[0]

    def _money(self, text: str) -> str:
        plain, linked, _ = _SCALES.get(self._lang, ("", "", ""))
        scales = "|".join(filter(None, (plain, linked))) or "(?!)"
        for sign in [s for s in _SIGNS_OF_MONEY if s in text]:
            name = re.escape(sign)
            before = rf"(?<![^\W\d_]){name}\s?({_NUMBER})(?![\d.,]*\d|{_SHORT_SCALES})(?:\s+({scales}){_NO_LETTER})?"
            text = re.sub(rf"{before}|(?<![\d.,])({_NUMBER})\s?{name}", partial(self._amount, sign), text)
        return text

    def _amount(self, written_sign: str, match: re.Match[str]) -> str:
        written, scale, sign = match[1] or match[3], match[2], _SIGNS_OF_MONEY[written_sign]
        whole, fraction = _parts(written, self._lang)
        link, names = _MONEY.get(self._lang, ("", {}))
        one, many = names.get(sign, ("", ""))
        count = 2 if scale else int(whole)
        name = self._lower(_euro(self._lang, count) if sign == "€" else one if count == 1 else many)
        # Cents without a word for them are read after the unit, as most languages do.
        cents = fraction.ljust(2, "0")
        if not name or (not scale and (len(cents) > 2 or (int(cents) and self._lang not in _MONEY))):
            return match[0]
        if scale:
            return f" {self._number(written)} {scale} {self._unit_of(scale)} {name} "
        words = f" {self._one(self._cardinal(whole))} {name} "
        return f"{words} {link} {self._cardinal(cents)} " if int(cents) else words

    def _unit_of(self, scale: str) -> str:
        """The word between a scale and a unit: "cinco milhões de reais", but "cinco mil reais"."""
        _, linked, link = _SCALES[self._lang]
        return link if re.fullmatch(linked, scale) else ""

    def _units(self, text: str) -> str:
        for sign in [s for s in _UNITS if s in text]:
            end = _NO_LETTER if sign[-1] in "cfhs" else ""
            text = re.sub(rf"(?<![\d.,])({_NUMBER})\s?{re.escape(sign)}{end}", partial(self._unit, sign), text)
        return text

    def _unit(self, sign: str, match: re.Match[str]) -> str:
        written = match[1]
        whole, fraction = _parts(written, self._lang)
        pattern = _unit_pattern(self._lang, sign, f"{whole}.{fraction}" if fraction else whole)
        if not pattern:
            return match[0]
        number = self._number(written)
        if sign not in "%٪‰" or self._lang == "de":
            number = self._one(number)
        return f" {self._lower(pattern).replace('{0}', f' {number} ')} "

    def _one(self, words: str) -> str:
        # "Un euro", not "uno euro": the number one is shorter before a noun.
        end, short = _MASCULINE_ONE.get(self._lang, ("", ""))
        *rest, last = words.split()
        if end and last == end:
            last = short
        elif self._lang == "es" and last == "veintiuno":
            last = "veintiún"
        return " ".join([*rest, last])

    def _number(self, written: str) -> str:
        whole, fraction = _parts(written, self._lang)
        if not fraction:
            return self._cardinal(whole)
        point = point_word(self._lang)
        if not point:
            return self._lower(fraction_words(whole, fraction, self._lang))
        if self._lang == "en" or self._lang not in _MONEY:
            parts = [self._cardinal(digit) for digit in fraction]
        else:
            rest = fraction.lstrip("0")  # ,05 is "zero five", not "five"
            parts = [self._cardinal("0")] * (len(fraction) - len(rest)) + ([self._cardinal(rest)] if rest else [])
        return " ".join([self._cardinal(whole), point, *parts])

    def _cardinal(self, digits: str) -> str:
        return self._lower(cardinal(digits, self._lang))


def _is_grouped(written: str, lang: str) -> bool:
    """Whether a number has the language's signs between thousands, and at most one fraction."""
    point = _decimal_mark(lang)
    group = "," if point == "." else "."
    return bool(re.fullmatch(rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+(?:{re.escape(point)}\d+)?", written))


def _parts(written: str, lang: str) -> tuple[str, str]:
    """Whole part and fraction of a number as the language groups digits: "1.250,5" in Portuguese."""
    point = _decimal_mark(lang)
    group = r",\u00a0\u202f" if point == "." else r".\u00a0\u202f"
    if re.fullmatch(rf"\d{{1,3}}(?:[{group}]\d{{3}})+(?:{re.escape(point)}\d+)?", written):
        written = re.sub(f"[{group}]", "", written)
    whole, _, fraction = re.sub(r"[,\u00a0\u202f]", ".", written).partition(".")
    if "." in fraction:
        raise unwritable(written, lang)
    return whole, fraction


@cache
def _locale(lang: str) -> Any:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(lang)
    except (UnknownLocaleError, ValueError):
        return None


@cache
def _decimal_mark(lang: str) -> str:
    """A dot or a comma; a comma where CLDR does not know the language."""
    locale = _locale(lang)
    if locale is None:
        return ","
    symbols = locale.number_symbols
    return "." if symbols.get("latn", symbols).get("decimal") == "." else ","


@cache
def _and(lang: str) -> str | None:
    """The word between two things: "e" in Portuguese."""
    from babel.lists import format_list

    locale = _locale(lang)
    word = "" if locale is None else format_list(["\x00", "\x00"], locale=locale).split("\x00")[1]
    return word.strip() if word[:1] == word[-1:] == " " and word.strip().isalpha() else None


@cache
def _euro(lang: str, count: int) -> str:
    from babel.numbers import get_currency_name

    locale = _locale(lang)
    name = "" if locale is None else str(get_currency_name("EUR", count, locale=locale))
    return name if name.isalpha() and name != "EUR" else ""


@cache
def _unit_pattern(lang: str, sign: str, number: str) -> str:
    """CLDR's long name of a unit beside a number, as "{0} por cento"; empty where it has none of letters."""
    from decimal import Decimal

    from babel.units import format_unit

    if sign in "%٪" and lang in _PERCENT:
        return f"{{0}} {_PERCENT[lang]}"
    if sign == "°" and lang in _DEGREES:
        return f"{{0}} {_DEGREES[lang]}"
    locale = _locale(lang)
    if locale is None:
        return ""
    value = Decimal(number)
    # CLDR chooses singular, plural and case by the value; its digits then make room for the number in words.
    text = str(format_unit(value, _UNITS[sign], "long", locale=locale))
    pattern = re.sub(r"[\d.,\u00a0\u202f\u066b\u066c]*\d", "{0}", text, count=1)
    name = pattern.replace("{0}", "").strip()
    # Where CLDR has no name of its own it gives the sign again, or the English one.
    known = bool(name) and all(c.isalpha() or c in " \u00a0().'’-" or is_accent(c) for c in name)
    return pattern if known and (lang == "en" or name not in ("permille", "degrees", "percent")) else ""
