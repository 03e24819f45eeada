"""Spans as other programs accept them: without overlaps in a tier, without characters that files cannot hold."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vizinho.corpora.documents import Document, Span, Tier

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")  # XML has no way to write them
_SHORTEST_SECONDS = 0.001


def layers(tier: Tier) -> Iterator[Tier]:
    """A tier as tiers without overlaps, in the order of time; the further ones get numbers."""
    ends: list[float] = []
    parts: list[list[Span]] = []
    for span in sorted(tier.spans, key=lambda s: (s.start_seconds, s.end_seconds)):
        end = max(span.end_seconds, span.start_seconds + _SHORTEST_SECONDS)
        # The first layer whose last span has ended.
        free = next((n for n, last in enumerate(ends) if last <= span.start_seconds), len(ends))
        if free == len(ends):
            ends.append(0.0)
            parts.append([])
        ends[free] = end
        parts[free].append(replace(span, end_seconds=end, text=printable(span.text)))
    name, at, speaker = tier.name.partition("@")
    for number, spans in enumerate(parts or [[]], start=1):
        yield replace(tier, name=tier.name if number == 1 else f"{name}-{number}{at}{speaker}", spans=tuple(spans))


def name_with_speaker(tier: Tier) -> str:
    """A tier's name with its speaker behind an @, from where readers of formats without participants take it."""
    return f"{tier.name.partition('@')[0] or tier.name}@{tier.speaker}" if tier.speaker else tier.name


def printable(text: str) -> str:
    """A text without control characters, on one line."""
    return " ".join(_CONTROL.sub(" ", text).split())


def confidence_text(span: Span) -> str:
    """A confidence with two digits; empty for a span without one."""
    return "" if span.confidence is None else f"{span.confidence:.2f}"


def relative(recording: str, document: Document) -> str:
    """The path of a recording from the folder of a document, with forward slashes."""
    return Path(os.path.relpath(recording, document.path.absolute().parent)).as_posix()


def duration_of(tiers: Sequence[Tier], seconds: float) -> float:
    """Seconds of a recording, at least up to the end of its last span."""
    return max([seconds, _SHORTEST_SECONDS, *(s.end_seconds for t in tiers for s in t.spans)])
