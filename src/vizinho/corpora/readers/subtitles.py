"""Reads subtitles (SubRip and WebVTT) beside a long recording."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.encodings import read_text
from vizinho.errors import CorpusError, OnProblem

_CLOCK = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[,.](\d{1,3})"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}(?:\s.*)?$")
_MARKUP = re.compile(r"</?(?:[bicu]|v|ruby|rt|lang|font|span)(?:[.\s][^<>]*)?>|<[\d:.]+>|\{\\[^}]*\}", re.IGNORECASE)
"""Fonts, voices, classes, times of words, and the positions of other players. Other brackets are events."""
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>")
_ROLL_SECONDS = 0.1
_BLOCKS = ("WEBVTT", "NOTE", "STYLE", "REGION", "X-TIMESTAMP-MAP")


def parse_subtitles(path: Path, encoding: str, on_problem: OnProblem) -> Document:
    """The cues of one file as one tier, with the speakers of WebVTT's voice tags.

    Captions that roll (each cue repeats the last line of the one before) are read once. Cues with bad times and texts
    outside a cue are reported with their lines.
    """
    # Not webvtt-py or pysubs2: the one drops cues with bad times without a word, the other joins them to the cue
    # before; neither knows lines.
    blocks = list(_blocks(read_text(path, encoding)))
    spans: list[Span] = []
    for first, lines in blocks:
        position = next((i for i, line in enumerate(lines[:2]) if "->" in line), None)
        where = f"{path}:{first + (position or 0)}"
        if position is None:
            # A number alone is that of a cue without text.
            if not lines[0].startswith(_BLOCKS) and not (len(lines) == 1 and lines[0].strip().isdecimal()):
                on_problem(CorpusError(f"text outside a cue: {lines[0][:60]!r}", where=where, fix="give it times"))
            continue
        times = _TIMES.match(lines[position])
        if times is None:
            what = f"not two times: {lines[position][:60]!r}"
            on_problem(CorpusError(what, where=where, fix="write 00:00:01,000 --> 00:00:02,000"))
            continue
        start, end = (_seconds(times.groups()[i : i + 4]) for i in (0, 4))
        spans += _cue(start, end, lines[position + 1 :], first + position, spans)
    return Document(path, (Tier("subtitles", tuple(spans)),))


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lines between empty lines, with the number of the first; a second line of times begins a block as well."""
    block: list[str] = []
    lines = text.split("\n")
    for number, line in enumerate([*lines, ""], start=1):
        begins = "-->" in line and any("-->" in earlier for earlier in block)
        if block and (not line.strip() or begins):
            index = [block.pop()] if begins and block[-1].strip().isdecimal() else []  # the number of the next cue
            yield number - len(block) - len(index), block
            block = index
        if line.strip():
            block.append(line)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    # "1,5" is half a second: a fraction, whatever its digits.
    return float(hours or 0) * 3600 + float(minutes or 0) * 60 + float(seconds or 0) + float(f"0.{fraction}")


def _cue(start: float, end: float, lines: Sequence[str], line: int, earlier: Sequence[Span]) -> Iterator[Span]:
    """The span of a cue; none for a cue that only holds what the one before said."""
    voices = dict.fromkeys(match[1].strip() for text in lines for match in _VOICE.finditer(text))
    texts = [t for t in (html.unescape(_MARKUP.sub("", text)).strip() for text in lines) if t]
    dashes = sum(text.startswith(("-", "–")) for text in texts)  # one for each person who speaks
    if texts and earlier and _rolls(start, end, texts, earlier[-1]):
        texts = texts[1:]
        if not texts:
            return
    text = " ".join(re.sub(r"^[-–]\s*", "", text) for text in texts)
    yield Span(start, end, text, line, next(iter(voices), ""), mixed=len(voices) > 1 or dashes > 1)


def _rolls(start: float, end: float, texts: Sequence[str], before: Span) -> bool:
    """Whether the first line is the last of the cue before, as captions roll that are made while somebody speaks."""
    joined = start - before.end_seconds < _ROLL_SECONDS and before.text.endswith(texts[0]) and " " in texts[0]
    return joined and (len(texts) > 1 or end - start < _ROLL_SECONDS)
