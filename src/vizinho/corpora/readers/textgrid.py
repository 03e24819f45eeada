"""Reads Praat TextGrids: long and short text files, in UTF-8, UTF-16 or an encoding that the user names."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.encodings import read_text
from vizinho.errors import CorpusError, OnProblem

_TOKEN = re.compile(r'"(?:[^"]|"")*"|(?<!\S)[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?(?!\S)|(?<!\S)<\w+>(?!\S)|(?<!\S)!.*')
"""Praat reads strings, numbers and flags that stand alone; all other words are for people, ! begins a comment."""
_TIERS = {"IntervalTier": 2, "TextTier": 1}
"""Numbers before each text of a tier: start and end, or a point in time."""


class _BrokenError(Exception):
    """A token that is not what has to come next."""

    def __init__(self, wanted: str, position: int, token: str) -> None:
        super().__init__(f"{wanted} expected, not {token[:40] or 'the end of the file'}")
        self.position = position


class _Tokens:
    """The tokens of a file, taken one by one."""

    def __init__(self, text: str) -> None:
        self._lines = [m.start() for m in re.finditer("\n", text)]
        # "intervals [3]:" has no number: brackets touch it. The end has a token of its own, which nothing accepts.
        tokens = [(m.start(), m[0]) for m in _TOKEN.finditer(text) if not m[0].startswith("!")]
        self._tokens, self._next = [*tokens, (len(text), "")], 0

    def line(self, position: int | None = None) -> int:
        """Line of a position; of the next token for None."""
        return bisect_right(self._lines, self._tokens[self._next][0] if position is None else position) + 1

    def number(self) -> float:
        """The next token as a number."""
        position, token = self._tokens[self._next]
        if not token or token[0] in '"<':
            raise _BrokenError("a number", position, token)
        if not math.isfinite(value := float(token)):  # "1e999" is a number that no time or count can be
            raise _BrokenError("a finite number", position, token)
        self._next += 1
        return value

    def string(self) -> str:
        """The next token as a string."""
        position, token = self._tokens[self._next]
        if not token.startswith('"'):
            raise _BrokenError("a text in quotes", position, token)
        self._next += 1
        return token[1:-1].replace('""', '"')

    def to_tier(self) -> str | None:
        """Go to the next tier and past its kind; None at the end of the file."""
        while self._next < len(self._tokens) - 1:
            token = self._tokens[self._next][1].strip('"')
            self._next += 1
            if token in _TIERS:
                return token
        return None


def parse_textgrid(path: Path, encoding: str, on_problem: OnProblem) -> Document:
    """The tiers of one TextGrid. A fault in a tier is reported with its line; what comes before it is read."""
    # Not praatio: it refuses a whole file for one overlap, drops what a truncated file has last without a word, and
    # knows no lines. Not Praat itself (GPL): it refuses whole files too.
    text = read_text(path, encoding)
    if text.startswith("ooBinaryFile"):
        raise CorpusError("a binary TextGrid", where=path, fix="in Praat: Save as text file")
    if "chronological TextGrid" in text[:100]:
        raise CorpusError("a chronological TextGrid", where=path, fix="in Praat: Save as text file")
    tokens = _Tokens(text)
    if "TextGrid" not in text[:200]:
        raise CorpusError("no TextGrid", where=path, fix="in Praat: Save as text file")
    tiers: list[Tier] = []
    while (kind := tokens.to_tier()) is not None:
        name = f"tier {len(tiers) + 1}"
        spans: list[Span] = []
        try:
            name = tokens.string().strip() or name  # Praat allows tiers without a name
            for span in _spans(tokens, _TIERS[kind]):
                spans.append(span)
        except _BrokenError as error:
            where = f"{path}:{tokens.line(error.position)}"
            on_problem(CorpusError(f"tier {name!r} is broken: {error}", where=where, fix="correct it in Praat"))
        tiers.append(Tier(name, tuple(spans), kind="points" if kind == "TextTier" else ""))
    if not tiers:
        raise CorpusError("no tiers here", where=path, fix="in Praat: Save as text file")
    return Document(path, tuple(tiers))


def _spans(tokens: _Tokens, numbers: int) -> Iterator[Span]:
    tokens.number(), tokens.number()  # the tier's own start and end
    for _ in range(round(tokens.number())):
        line = tokens.line()
        times = [tokens.number() for _ in range(numbers)]
        yield Span(times[0], times[-1], tokens.string().strip(), line)
