"""Numbers in words: num2words, with Brazilian numbers for Portuguese and a table for Galician, which it lacks."""

from __future__ import annotations

from num2words import num2words

from vizinho.errors import TextError

# European Portuguese numbers differ ("dezasseis"); those of most speakers are taken.
_NUM2WORDS_LANGUAGE = {"pt": "pt_BR"}
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
        raise _unwritable(f"{whole}.{fraction}", lang)
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
        raise _unwritable(digits + mark, lang)
    if mark == "ª":
        return " ".join(w[:-1] + "a" if w.endswith("o") else w for w in words.split())
    if lang == "es" and mark == "er":
        return words.removesuffix("o")
    return "première" if lang == "fr" and mark in ("re", "ère", "ere") and words == "premier" else words


def _checked(digits: str, lang: str, kind: str) -> str:
    try:
        return str(num2words(int(digits), lang=_NUM2WORDS_LANGUAGE.get(lang, lang), to=kind))
    except (NotImplementedError, OverflowError, ValueError, IndexError, KeyError, TypeError) as error:
        raise _unwritable(digits, lang) from error


def _unwritable(number: str, lang: str) -> TextError:
    return TextError(
        f"the number {number[:40]} cannot be written as words in {lang!r}", fix="write it out in the corpus"
    )


def _galician(digits: str) -> str:
    number = int(digits) if len(digits) < 20 else _GALICIAN_END  # beyond its words anyway
    if number >= _GALICIAN_END:
        raise _unwritable(digits, "gl")
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
