"""Numbers in words: num2words, with Brazilian numbers for Portuguese and a table for Galician, which it lacks."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from functools import cache

from num2words import CONVERTER_CLASSES, num2words

from vizinho.errors import TextError

# European Portuguese numbers differ ("dezasseis"); those of most speakers are taken.
_NUM2WORDS_LANGUAGE = {"pt": "pt_BR"}
_POINT_WORD = {"ar": "فاصلة", "fa": "ممیز", "tr": "virgül", "vi": "phẩy"}
"""Where num2words says it wrongly."""
_MINUS_WORD = {"cs": "minus", "cy": "minws", "gl": "menos", "pl": "minus", "sk": "mínus", "vi": "âm"}
"""Where num2words cannot say it, or says it wrongly."""
_FRACTIONS = {"hu", "ru"}
"""Languages that say "three wholes five tenths", as num2words does."""
_OTHER_CODES = {"kk": "kz", "nb": "no"}
"""num2words' names of languages."""
FAILURES = (NotImplementedError, OverflowError, ValueError, IndexError, KeyError, TypeError)
"""What num2words raises for numbers and forms that it does not know."""
_DECIMAL_MARK = {
    "pt": "vírgula", "es": "coma", "gl": "coma", "ca": "coma", "it": "virgola", "fr": "virgule", "en": "point",
    "de": "komma",
}  # fmt: skip
_GALICIAN_BELOW_20 = (
    "cero", "un", "dous", "tres", "catro", "cinco", "seis", "sete", "oito", "nove", "dez", "once", "doce",
    "trece", "catorce", "quince", "dezaseis", "dezasete", "dezaoito", "dezanove",
)  # fmt: skip
_GALICIAN_TENS = ("", "", "vinte", "trinta", "corenta", "cincuenta", "sesenta", "setenta", "oitenta", "noventa")
_GALICIAN_HUNDREDS = (
    "", "cento", "douscentos", "trescentos", "catrocentos", "cincocentos", "seiscentos", "setecentos", "oitocentos",
    "novecentos",
)  # fmt: skip
_GALICIAN_END = 1_000_000


def number_words(digits: str, lang: str) -> str:
    """A whole number in words. Raises TextError for a language without numerals and for numbers beyond its words."""
    if lang == "gl":
        return _galician(digits)
    return _checked(digits, lang, "cardinal")


def decimal_words(whole: str, fraction: str, lang: str) -> str:
    """A number with a fraction: digit by digit in English, else zeros one by one and the rest as a number."""
    if lang not in _DECIMAL_MARK:
        raise unwritable(f"{whole}.{fraction}", lang)
    if lang == "en":
        parts = [number_words(digit, lang) for digit in fraction]
    else:
        rest = fraction.lstrip("0")  # ,05 is "zero five", not "five"
        parts = [number_words("0", lang)] * (len(fraction) - len(rest))
        parts += [number_words(rest, lang)] if rest else []
    return " ".join([number_words(whole, lang), _DECIMAL_MARK[lang], *parts])


def ordinal_words(digits: str, mark: str, lang: str) -> str:
    """An ordinal in words; the mark says its gender (ª, 1re) or that its last vowel falls (Spanish 1er)."""
    words = _checked(digits, lang, "ordinal")
    if not words:
        raise unwritable(digits + mark, lang)
    if mark == "ª":
        return " ".join(w[:-1] + "a" if w.endswith("o") else w for w in words.split())
    if lang == "es" and mark == "er":
        return words.removesuffix("o")
    if lang == "ca" and mark == "a":
        return words.removesuffix("è") + ("ena" if words.endswith("è") else "a")
    return "première" if lang == "fr" and mark in ("re", "ère", "ere") and words == "premier" else words


def cardinal(digits: str, lang: str) -> str:
    """A whole number in words. Raises TextError as `number_words` does, and for a language that num2words lacks.

    num2words takes the first two letters of a code that it does not know for another language: "frr" for "fr".
    """
    if lang != "gl" and _code(lang) not in CONVERTER_CLASSES:
        raise unwritable(digits, lang)
    return number_words(digits, _OTHER_CODES.get(lang, lang))


def ordinal(digits: str, mark: str, lang: str) -> str:
    """An ordinal in words, as `ordinal_words` writes it. Raises TextError for a language that num2words lacks."""
    if _code(lang) not in CONVERTER_CLASSES:
        raise unwritable(digits + mark, lang)
    return ordinal_words(digits, mark, _OTHER_CODES.get(lang, lang))


@cache
def point_word(lang: str) -> str:
    """What is said between a whole number and its fraction; empty where a language says it in another way."""
    if word := _DECIMAL_MARK.get(lang) or _POINT_WORD.get(lang):
        return word
    try:
        two, five = cardinal("2", lang), cardinal("5", lang)
        point = str(num2words(Decimal("2.5"), lang=_code(lang)))
    except (TextError, *FAILURES):
        return ""
    return _between(point, f"{two} ", f" {five}")


def fraction_words(whole: str, fraction: str, lang: str) -> str:
    """A number with a fraction where no word stands between them. Raises TextError for a language that is not known."""
    if lang not in _FRACTIONS:
        raise unwritable(f"{whole}.{fraction}", lang)
    try:
        return str(num2words(Decimal(f"{whole}.{fraction}"), lang=lang))
    except FAILURES as error:
        raise unwritable(f"{whole}.{fraction}", lang) from error


@cache
def minus_word(lang: str) -> str:
    """What is said before a number below zero; empty where num2words does not know."""
    if lang in _MINUS_WORD:
        return _MINUS_WORD[lang]
    try:
        numbers = {cardinal(str(n), lang) for n in range(21)}
        words = {_between(str(num2words(-n, lang=_code(lang))), "", cardinal(str(n), lang)) for n in (2, 3, 5)}
    except (TextError, *FAILURES):
        return ""
    word = words.pop()
    return word if not words and word not in numbers else ""


def _between(text: str, start: str, end: str) -> str:
    """What stands between two parts, where it is letters alone."""
    inner = text.removeprefix(start).removesuffix(end).strip()
    fits = text.startswith(start) and text.endswith(end) and all(c.isalpha() or is_accent(c) for c in inner)
    return inner if fits else ""


def is_accent(c: str) -> bool:
    """Whether a character is a mark on a letter."""
    return unicodedata.category(c).startswith("M")


def _code(lang: str) -> str:
    return _NUM2WORDS_LANGUAGE.get(lang, _OTHER_CODES.get(lang, lang))


def _checked(digits: str, lang: str, kind: str) -> str:
    try:
        return str(num2words(int(digits), lang=_NUM2WORDS_LANGUAGE.get(lang, lang), to=kind))
    except FAILURES as error:
        raise unwritable(digits, lang) from error


def unwritable(number: str, lang: str) -> TextError:
    """The error for a number that a language has no words for."""
    fix = "write it out in the corpus; a digit that is a letter or tone belongs in a file for --orthography"
    return TextError(f"the number {number[:40]} cannot be written as words in {lang!r}", fix=fix)


def _galician(digits: str) -> str:
    number = int(digits) if len(digits) < 20 else _GALICIAN_END  # beyond its words anyway
    if number >= _GALICIAN_END:
        raise unwritable(digits, "gl")
    thousands, rest = divmod(number, 1000)
    if thousands == 0:
        return _galician_below_1000(rest)
    words = "mil" if thousands == 1 else f"{_galician_below_1000(thousands)} mil"
    if rest == 0:
        return words
    # "mil e cen", "mil e vinte", but "mil cento vinte".
    link = " e " if rest <= 100 or rest % 100 == 0 else " "
    return words + link + _galician_below_1000(rest)


def _galician_below_1000(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if number == 100:
        return "cen"
    if hundreds:
        return _GALICIAN_HUNDREDS[hundreds] + (f" {_galician_below_1000(rest)}" if rest else "")
    if rest < len(_GALICIAN_BELOW_20):
        return _GALICIAN_BELOW_20[rest]
    tens, ones = divmod(rest, 10)
    return _GALICIAN_TENS[tens] + (f" e {_GALICIAN_BELOW_20[ones]}" if ones else "")
