"""Texts as they are written: normalised words with their capitals and the marks that follow them."""

from __future__ import annotations

import unicodedata

from vizinho.errors import TextError
from vizinho.text.normalize import Normalizer
from vizinho.text.spelling import spelling_of

MARKS = ".,?!"
"""A colon and a semicolon count as a comma, an ellipsis as a full stop."""
_OTHER = {"؟": "؟", "،": "،", "؛": "،", "۔": "۔", "।": "।"}
"""Marks of Arabic and Indic scripts, which stay their own."""
_MARK_OF = {**{mark: mark for mark in MARKS}, "…": ".", ";": ",", ":": ",", **_OTHER}


def is_mark(token: str) -> bool:
    """Whether a token is a mark of its own."""
    return token in _MARK_OF and _MARK_OF[token] == token


def without_marks(word: str) -> str:
    """A word of a recogniser without marks."""
    return "".join(c for c in word if not is_mark(c))


def written_text(text: str, normalizer: Normalizer) -> str:
    """A text with its capitals and marks; without them it is the normalised text, word for word.

    Where signs and numbers of several words belong together, only its first capital and its last mark stay. Raises
    TextError as the normaliser does.
    """
    whole = normalizer(text)
    # The normaliser has the last word: whatever it would read otherwise is not written so.
    result = _by_word(text, normalizer)
    if result is not None and normalizer(result) == whole:
        return result
    first = next((c for c in text if c.isalpha()), "")
    begun = whole[:1].upper() + whole[1:] if first.isupper() else whole
    result = begun + _mark(text)
    return result if whole and normalizer(result) == whole else whole


def in_one_line(text: str) -> str:
    """A text exactly as it is written, but for its white space."""
    return " ".join(text.split())


def recognised_as_written(text: str, normalizer: Normalizer) -> str:
    """What a recogniser wrote, which may be anything, as `written_text` gives it."""
    try:
        return written_text(text, normalizer)
    except TextError:
        return normalizer.recognised(text)


def _by_word(text: str, normalizer: Normalizer) -> str | None:
    """Each word by itself; None where one has no words of its own."""
    words: list[str] = []
    for word in text.split():
        try:
            plain = normalizer(word)
        except TextError:
            return None
        if plain:
            words.append(_cased(word, plain, normalizer) + _mark(word))
        elif words and not _mark(words[-1]):  # a mark that stands apart belongs to the word before it
            words[-1] += _mark(word)
    return " ".join(words)


def _cased(word: str, plain: str, normalizer: Normalizer) -> str:
    """A normalised word with the capitals of the word as it is written; as it is where they have other letters."""
    lower = spelling_of(normalizer.orthography).lower
    written = [c for c in unicodedata.normalize("NFC", word) if _is_letter(c)]
    # Numbers in words, and letters that are folded into others, have no capitals to take over.
    if [lower(c) for c in written] != [c for c in plain if _is_letter(c)]:
        return plain
    letters = iter(written)
    return "".join(next(letters) if _is_letter(c) else c for c in plain)


def _is_letter(c: str) -> bool:
    return unicodedata.category(c)[0] in "LM"


def _mark(word: str) -> str:
    """The first mark after the last letter or digit."""
    after = ""
    for c in reversed(word):
        if c.isalnum() or _is_letter(c):
            break
        after = _MARK_OF.get(c, after)
    return after
