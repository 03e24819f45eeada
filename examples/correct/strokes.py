"""How many keys somebody presses who corrects a draft, and who types the text from nothing."""

from __future__ import annotations

from functools import cache


def typed(text: str) -> int:
    """A key that leads into the empty text, every character, and Enter."""
    return len(text) + 2


def corrected(draft: str, text: str) -> int:
    """Keys on the correction page for a draft to become the text, Enter included.

    A right draft takes one key. Otherwise one key leads into the text, with the caret at its end; then words are passed
    (one key each), deleted as a whole (one key), typed, or mended letter by letter, whichever is least, up to the first
    word that is wrong; or the whole text is selected and typed again. Listening is not counted: both need it.
    """
    if draft == text:
        return 1
    select = 1 if draft else 0
    return min(1 + _edited(draft.split(), text.split()), 1 + select + len(text)) + 1


def _edited(draft: list[str], text: list[str]) -> int:
    @cache
    def left(i: int, j: int) -> int:
        """Keys left with the caret behind `i` words of the draft, of which `j` words are to be made."""
        if draft[:i] == text[:j]:
            return 0
        ways = []
        if i:
            ways.append(1 + left(i - 1, j))  # delete the word
        if j:
            ways.append(len(text[j - 1]) + 2 + left(i, j - 1))  # type a word and a space, and go back over it
        if i and j:
            ways.append(_word(draft[i - 1], text[j - 1]) + 1 + left(i - 1, j - 1))  # mend or pass, and go to its start
        return min(ways)

    return left(len(draft), len(text))


@cache
def _word(draft: str, text: str) -> int:
    """Delete a word and type it, or go through it from its end letter by letter up to its first fault."""
    if draft == text:
        return 0

    @cache
    def left(i: int, j: int) -> int:
        if draft[:i] == text[:j]:
            return 0
        ways = []
        if i:
            ways.append(1 + left(i - 1, j))  # delete a letter
        if j:
            ways.append(2 + left(i, j - 1))  # type a letter and go back over it
        if i and j and draft[i - 1] == text[j - 1]:
            ways.append(1 + left(i - 1, j - 1))  # pass a letter
        return min(ways)

    return min(1 + len(text), left(len(draft), len(text)))
