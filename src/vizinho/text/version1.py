"""Version 1 of the normaliser, frozen: models that were trained with it are scored and served with it.

It keeps apostrophes in four languages and drops signs that it has no words for; `normalize.py` has the present one.
"""

from __future__ import annotations

import re
import unicodedata

from vizinho.text.numerals import decimal_words, number_words, ordinal_words

_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼʹ′`´＇", "'"))
_KEEPS_APOSTROPHE = frozenset({"en", "fr", "it", "ca"})
_DIGIT_PERIOD = re.compile(r"(?<=\d)\.(?=[ºª])")
_DIGITS = re.compile(r"\d+")
_CATALAN_L = re.compile(r"(?<=l)[·•‧∙⋅](?=l)")

# Signs that are read out. Other signs count as punctuation; in other languages these do too.
_SIGNS = {
    "pt": {"%": "por cento", "&": "e", "nº": "número", "°": "graus"},
    "es": {"%": "por ciento", "&": "y", "nº": "número", "°": "grados"},
    "gl": {"%": "por cento", "&": "e", "nº": "número", "°": "graos"},
    "ca": {"%": "per cent", "&": "i", "nº": "número", "°": "graus"},
    "it": {"%": "per cento", "&": "e", "nº": "numero", "°": "gradi"},
    "fr": {"%": "pour cent", "&": "et", "nº": "numéro", "°": "degrés"},
    "en": {"%": "percent", "&": "and", "°": "degrees"},
    "de": {"%": "prozent", "&": "und", "°": "grad"},
}
# Percent and degrees are read after a number only: elsewhere they stand for something else.
_SIGN_PATTERNS = {
    "%": re.compile(r"(?<=\d)\s?%"),
    "°": re.compile(r"(?<=\d)\s?°"),
    "&": re.compile("&"),
    "nº": re.compile(r"(?<![^\W\d_])n\.?[º°](?=\s*\d)"),
}
# How an ordinal is marked behind its digits.
_ROMANCE_ORDINAL = re.compile(r"(\d+)(º|ª)")
_ORDINALS = {
    "pt": _ROMANCE_ORDINAL,
    "gl": _ROMANCE_ORDINAL,
    "it": _ROMANCE_ORDINAL,
    "es": re.compile(r"(\d+)(º|ª|er(?![^\W\d_]))"),
    "fr": re.compile(r"(\d+)(ère|ere|re|er|ème|eme|e)(?![^\W\d_])"),
    "en": re.compile(r"(\d+)(st|nd|rd|th)(?![^\W\d_])"),
}
# A dot or a comma between digits: English groups thousands with the comma, the others with the dot.
_ENGLISH_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?")
_CONTINENTAL_NUMBER = re.compile(r"\d{1,3}(?:[.\u00a0\u202f]\d{3})+(?!\d)(?:,\d+)?|\d+(?:[.,]\d+)?")


def normalise(text: str, lang: str) -> str:
    """NFC, lower case, numbers as words, no punctuation; idempotent.

    Letters with their marks stay; hyphens, brackets and other signs become spaces; apostrophes stay inside words of en,
    fr, ca and it, and Catalan keeps the dot of l·l. Raises TextError for a number that cannot be written in words.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower()).translate(_APOSTROPHES)
    # Signs before numbers: a percent sign is read after digits only.
    text = _signs_to_words(_without_format_characters(text), lang)
    if _DIGITS.search(text):
        text = _numbers_to_words(text, lang)
    words = "".join(_words_and_spaces(text, lang)).split()
    return unicodedata.normalize("NFC", " ".join(words))


def _numbers_to_words(text: str, lang: str) -> str:
    text = _DIGIT_PERIOD.sub("", text)
    if lang in _ORDINALS:
        text = _ORDINALS[lang].sub(lambda m: f" {ordinal_words(m[1], m[2], lang)} ", text)
    numbers = _ENGLISH_NUMBER if lang == "en" else _CONTINENTAL_NUMBER
    text = numbers.sub(lambda m: f" {_number(m[0], lang)} ", text)
    return _DIGITS.sub(lambda m: f" {number_words(m[0], lang)} ", text)


def _number(written: str, lang: str) -> str:
    group, mark = (",", ".") if lang == "en" else (".\u00a0\u202f", ",")
    if re.fullmatch(rf"\d{{1,3}}(?:[{group}]\d{{3}})+(?:{re.escape(mark)}\d+)?", written):
        written = re.sub(f"[{group}]", "", written)
    whole, _, fraction = written.replace(",", ".").partition(".")
    return decimal_words(whole, fraction, lang) if fraction else number_words(whole, lang)


def _signs_to_words(text: str, lang: str) -> str:
    for sign, words in _SIGNS.get(lang, {}).items():
        text = _SIGN_PATTERNS[sign].sub(f" {words} ", text)
    return _CATALAN_L.sub("·", text.replace("ŀ", "l·")) if lang == "ca" else text


def _words_and_spaces(text: str, lang: str) -> list[str]:
    """The characters, with a space for everything that is not part of a word."""
    characters = [" "]
    for c, following in zip(text, text[1:] + " ", strict=False):
        # A mark belongs to the letter before it; an apostrophe joins letters on both sides.
        joins = unicodedata.category(c).startswith("M") or (_is_letter(following) and _joins(c, lang))
        characters.append(c if _is_letter(c) or (characters[-1] != " " and joins) else " ")
    return characters


def _joins(c: str, lang: str) -> bool:
    return (c == "'" and lang in _KEEPS_APOSTROPHE) or (c == "·" and lang == "ca")


def _is_letter(c: str) -> bool:
    return c.isalpha() and c not in "ºª"


def _without_format_characters(text: str) -> str:
    """Drop soft hyphens, zero-width characters and direction marks: they occur inside words and have no sound."""
    return text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")
