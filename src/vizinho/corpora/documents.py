"""Owns the values of time-aligned transcripts of any format: a document has tiers, a tier has spans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording and its text. `line` is where the source says so; 0 where a format has no lines."""

    start_seconds: float
    end_seconds: float
    text: str
    line: int = 0
    speaker: str = ""
    """Of formats that name the speaker of each span."""
    channel: int | None = None
    """Of formats that name the channel, from 0."""
    confidence: float | None = None
    """Of spans that a recogniser wrote, 0 to 1."""
    mixed: bool = False
    """Several people speak, and nobody knows when which of them does."""
    to_the_end: bool = False
    """Of a text that belongs to the whole recording, whatever its length; the end is then infinite."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Spans of one kind and, where the format has speakers, of one person."""

    name: str
    spans: tuple[Span, ...]
    speaker: str = ""
    kind: str = ""
    """The linguistic type in ELAN."""
    parent: str = ""
    """The tier that this one depends on."""
    lang: str = ""


@dataclass(frozen=True, slots=True)
class Media:
    """A recording as a document names it. Time 0 of the document is `offset_seconds` into the recording."""

    name: str
    line: int = 0
    offset_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Document:
    """Time-aligned transcripts and the recordings that they belong to."""

    path: Path
    tiers: tuple[Tier, ...]
    media: tuple[Media, ...] = ()
    part: str = ""
    """Which one of several documents in one file."""
    duration_seconds: float = 0.0
    """Of the recording, where it is known."""
    licence: str = ""
    """Where a format has a place for it."""
