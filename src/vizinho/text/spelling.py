"""The rules of one orthography, compiled: characters folded together, and a text cut into words and what is dropped."""

from __future__ import annotations

import unicodedata
from functools import cache

import regex

from vizinho.text.orthography import APOSTROPHES, STRETCHES, Orthography

_FOLDED = {"<wide>", "<narrow>", "<small>", "<initial>", "<medial>", "<final>", "<isolated>", "<font>", "<noBreak>"}
# Their compatibility forms are two letters each, and nobody writes these.
_WHOLE = frozenset("ำຳ༌ཷཹٵٶٷٸ") | {chr(code) for code in range(0x3131, 0x318F)}
# Thai, Lao, Tibetan, Burmese and Khmer have no spaces, and some writers mark words with a space of no width.
_BREAK = regex.compile("(?<=[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff])\u200b")
_DOUBLE_QUOTES = str.maketrans(dict.fromkeys("“”„‟″״", '"'))
_QUOTED = regex.compile(r"(?<!\w)‘([^‘’]*)’(?!\w)")
_COLON = regex.compile("(?<=[\u0900-\u0d7f]):(?=[\u0900-\u0d7f])")  # typed for the visarga
_PRIVATE = 0xF0000  # digits that are letters stand at these private code points while numbers are read out
_SPOKEN_PUNCTUATION = "%&@#§‰‱٪"
_WITHIN_WORDS = "՛՜՞՟"  # Armenian writes its question and exclamation marks above a vowel, inside the word
_SPOKEN_SIGNS = "၌၍၎၏"  # Burmese particles, which Unicode counts as punctuation
_TONE_LETTERS = "˂-˅˒-˟˥-˫˭˯-˿꜀-꜖꜠꜡꞉꞊"  # letters by name (and the modifier colon), symbols by category
_TYPED_CLICKS = [
    (regex.compile(rf"{sign}(?=['ʼ]?\p{{L}})"), click)
    for sign, click in [(r"(?:\|\||‖|(?<!\w)//)", "ǁ"), (r"(?:\||(?<!\w)/)", "ǀ"), ("!", "ǃ"), ("[≠‡]", "ǂ")]
]
"""What is typed for click letters, where it stands before a letter."""
_SILENT = "^`´¨¯"


class Spelling:
    """What an orthography does to a text."""

    def __init__(self, orthography: Orthography) -> None:
        letters = set(orthography.letters)
        self._case = orthography.case
        # A dot on i is part of the letter everywhere but in Lithuanian, where it stays below an accent.
        self._dotted = orthography.language != "lt"
        self._clicks = "ǃ" in letters
        self._plain = _Plain(letters | set(orthography.tones + orthography.joiners))
        # Where no apostrophe is a letter, the letters that look like one are it at the edge of a word all the same.
        strange = [c for c in APOSTROPHES if c not in letters]
        lookalikes = "".join(c for c in strange if c.isalpha() and not orthography.apostrophe)
        self._apostrophes = str.maketrans(dict.fromkeys([c for c in strange if c not in lookalikes], "'"))
        self._lookalikes = regex.compile(rf"(?<=[\p{{L}}\p{{M}}])[{lookalikes}](?=\p{{L}})" if lookalikes else r"(?!)")
        self._visarga = "ः" in orthography.marks
        self._has_letter = bool(orthography.apostrophe)
        same = dict(reversed(orthography.same))  # of two rules for one spelling the first counts
        self._same = same, regex.compile("|".join(map(regex.escape, dict(orthography.same))) or r"(?!)")
        self._digits = _digit_letters(orthography)
        self._words = _word_pattern(orthography)

    def fold(self, text: str) -> str:
        """One form of each character: composed, plain width, small, one apostrophe; no signs without a look."""
        text = unicodedata.normalize("NFC", text)
        if not text.isascii():
            text = _BREAK.sub(" ", text).translate(self._plain)
        if self._has_letter:  # ‘…’ around a phrase are quotation marks even where ‘ alone is typed for a letter
            text = _QUOTED.sub(r" \1 ", text)
        if self._clicks:
            for typed, click in _TYPED_CLICKS:
                text = typed.sub(click, text)
        text = self.lower(text).translate(_DOUBLE_QUOTES).translate(self._apostrophes)
        if not text.isascii():
            text = self._lookalikes.sub("'", text)
            if self._visarga:
                text = _COLON.sub("ः", text)
        text = text.replace("''", '"')  # last: two that look like apostrophes are a quotation mark too
        return str(self._digits.sub(lambda m: "".join(chr(_PRIVATE + ord(c)) for c in m[0]), text))

    def lower(self, text: str) -> str:
        """Small letters, as the language has them."""
        if self._case == "keep":
            return text
        capitals = text.replace("I", "ı").replace("İ", "i") if self._case == "dotless" else text.replace("İ", "I")
        small = capitals.lower()
        return unicodedata.normalize("NFC", small.replace("i\u0307", "i") if self._dotted else small)

    def words(self, text: str) -> tuple[str, str]:
        """The words of a folded text with single spaces between them, and what else may be heard of it."""
        same, pattern = self._same
        text = unicodedata.normalize("NFC", pattern.sub(lambda m: same[m[0]], text.translate(self._apostrophes)))
        words = " ".join(self._words.findall(text))
        rest = "".join(c for c in self._words.sub(" ", text) if _may_be_heard(c))
        return _public(words), _public(rest)


def bare(text: str) -> str:
    """The text without diacritics: "opinião" as "opiniao", ç as c."""
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


@cache
def spelling_of(orthography: Orthography) -> Spelling:
    """The compiled rules of an orthography, made once."""
    return Spelling(orthography)


class _Plain(dict[int, str | int]):
    """A table for `str.translate` that is filled as characters are met; `letters` stay as they are."""

    def __init__(self, letters: set[str]) -> None:
        self._letters = letters

    def __missing__(self, code: int) -> str | int:
        c = chr(code)
        self[code] = code if c in self._letters else _plain(c)
        return self[code]


def _plain(c: str) -> str:
    kind, tag = unicodedata.category(c), unicodedata.decomposition(c).partition(" ")[0]
    if c in STRETCHES or c in _WITHIN_WORDS or 0xFE00 <= ord(c) <= 0xFE0F or kind == "Cf":
        return ""
    letter = tag == "<compat>" and kind[0] in "LN" and c not in _WHOLE
    digit = tag == "<sub>" and kind == "No"  # the 2 of CO₂ is read as a number
    return unicodedata.normalize("NFKC", c).strip() or " " if tag in _FOLDED or letter or digit else c


def _digit_letters(orthography: Orthography) -> regex.Pattern[str]:
    """Digits that are letters or tones, where they touch a letter."""
    tones = "".join(c for c in orthography.tones if c.isdecimal())
    letters = "".join(c for c in orthography.letters if c.isdecimal())
    behind = rf"(?<=[\p{{L}}\p{{M}}])[{tones}{letters}]+(?!\d)" if tones or letters else r"(?!)"
    return regex.compile(behind + (rf"|(?<!\d)[{letters}]+(?=\p{{L}})" if letters else ""))


def _word_pattern(orthography: Orthography) -> regex.Pattern[str]:
    """Letters, each with its marks and tones; joiners between letters; apostrophes that are letters anywhere."""
    private = {c: chr(_PRIVATE + ord(c)) for c in "0123456789"}
    edge = {c for c in orthography.letters if c in APOSTROPHES or c == "׳"} | set("ʼʻꞌ")
    letters = {private.get(c, c) for c in orthography.letters} - edge
    tones = {private.get(c, c) for c in orthography.tones}
    either = _class(edge)
    letter = rf"[[\p{{L}}〇{_SPOKEN_SIGNS}{_escaped(letters)}]--[ªº״{_escaped(set(APOSTROPHES) | edge | tones)}]]"
    core = rf"(?:{letter}\p{{M}}*[{_TONE_LETTERS}{_escaped(tones)}]*)+"
    joiner = _class(edge | set(orthography.joiners))
    return regex.compile(
        rf"(?:{either}\p{{M}}*)?{core}(?:(?:{joiner}\p{{M}}*){{1,2}}{core})*(?:{either}\p{{M}}*)?", regex.VERSION1
    )


def _class(characters: set[str]) -> str:
    return f"[{_escaped(characters)}]" if characters else "(?!)"


def _escaped(characters: set[str]) -> str:
    return "".join(rf"\U{ord(c):08x}" for c in sorted(characters))


def _public(text: str) -> str:
    return unicodedata.normalize("NFC", "".join(chr(ord(c) - _PRIVATE) if ord(c) >= _PRIVATE else c for c in text))


def _may_be_heard(c: str) -> bool:
    """Whether a character that no word has may be spoken: letters, numbers and signs, but no punctuation."""
    kind = unicodedata.category(c)
    return (kind[0] in "LMNS" or kind in ("Cn", "Co") or c in _SPOKEN_PUNCTUATION) and c not in _SILENT
