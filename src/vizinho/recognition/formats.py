"""Transcripts as text, JSON, subtitles (SubRip and WebVTT), and documents of ELAN, Praat, Audacity and Label Studio."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.writers import WRITERS
from vizinho.recognition.segments import segment_of
from vizinho.records import Segment, Transcript, Word

FORMATS = ("txt", "json", "srt", "vtt", *WRITERS)
_HERE = Path("transcript")
_LINE_LETTERS = 84
"""Two lines of 42 letters: more cannot be read in the time it is shown (a common limit of subtitling guides)."""

_LONGEST_SECONDS = 12.0
"""Of an annotation: people correct it as a whole, and a recogniser is trained on it as it is."""

_MARGIN_SECONDS = 0.5
"""Most that an annotation has before its first letter and after its last one. A network writes a letter in one frame
or two, so a word's times leave out parts of its sound, and a corpus of corrected drafts would too."""


def suffix_of(kind: str) -> str:
    """The suffix of files in one of FORMATS, without its dot."""
    return WRITERS[kind][0].removeprefix(".") if kind in WRITERS else kind


def render(transcripts: Sequence[Transcript], kind: str, audio: Path | None = None, path: Path = _HERE) -> str:
    """One file's transcripts (one, or one for each channel) in one of FORMATS; ends with a line end.

    Documents name their recording `audio`, relative to the `path` that they are written to.
    """
    if kind in WRITERS:
        return WRITERS[kind][1](document_of(transcripts, audio, path))
    if kind == "json":
        rows = [as_json(t) for t in transcripts]
        return json.dumps(rows[0] if len(rows) == 1 else rows, ensure_ascii=False) + "\n"
    segments = sorted(_labelled(transcripts), key=lambda s: (s[1].start_seconds, s[0]))  # channels take turns
    if kind == "txt":
        if any(t.n_best for t in transcripts):
            labels = zip(_labels(transcripts), transcripts, strict=True)
            return "".join(f"{label}{a.score:.2f}\t{a.text}\n" for label, t in labels for a in t.n_best)
        return "".join(f"{label}{segment.text}\n" for label, segment in segments)
    cues = [(label, part) for label, segment in segments for part in _short(segment)]
    if kind == "srt":
        return "\n".join(f"{n}\n{_times(p, ',')}\n{label}{p.text}\n" for n, (label, p) in enumerate(cues, start=1))
    return "\n".join(["WEBVTT\n", *(f"{_times(p, '.')}\n{_escaped(label + p.text)}\n" for label, p in cues)])


def document_of(transcripts: Sequence[Transcript], audio: Path | None, path: Path) -> Document:
    """Transcripts as tiers: segments of each channel, and below them their words, all with confidences.

    Longer segments are divided at their longest pauses. Segments, not words, reach into the pauses around them.
    """
    tiers = []
    for number, transcript in enumerate(transcripts):
        channel = number if len(transcripts) > 1 else None
        annotations = _widened([p for s in transcript.segments for p in _divided(s)], transcript.duration_seconds)
        for speaker in sorted({s.speaker or 0 for s in transcript.segments}) or [0]:
            name, who = _tier_of(channel, speaker)
            parts = [part for part in annotations if (part.speaker or 0) == speaker]
            segments = [_span(part, channel) for part in parts]
            words = [_span(w, channel) for part in parts for w in part.words]
            below = name.replace("speech", "words")
            tiers += [Tier(name, tuple(segments), who), Tier(below, tuple(words), who, parent=name)]
    seconds = max(t.duration_seconds for t in transcripts)
    return Document(path, tuple(tiers), (Media(str(audio)),) if audio else (), duration_seconds=seconds)


def _tier_of(channel: int | None, speaker: int) -> tuple[str, str]:
    """Names of a tier and its person: a channel's, or a speaker's where people were told apart."""
    if speaker:
        return f"speech@speaker-{speaker}", f"speaker-{speaker}"
    return ("speech" if channel is None else f"speech@channel-{channel + 1}"), ""


def _span(part: Segment | Word, channel: int | None) -> Span:
    return Span(part.start_seconds, part.end_seconds, part.text, channel=channel, confidence=part.confidence)


def as_json(transcript: Transcript) -> dict[str, Any]:
    """A transcript as JSON values; segments name their words by number instead of repeating them."""
    values = asdict(transcript)
    first = 0
    for row in [row for part in (values, *values["n_best"]) for row in part["words"]]:
        if row["speaker"] is None:
            del row["speaker"]
    for row, segment in zip(values["segments"], transcript.segments, strict=True):
        row |= {"speaker": segment.speaker} if segment.speaker else {}
        row |= {"first_word": first, "words": len(row["words"])}
        first += row["words"]
    if not transcript.n_best:
        del values["n_best"]
    return values


def _labels(transcripts: Sequence[Transcript]) -> list[str]:
    """What stands before a channel's text: its number, where there are several."""
    return [f"[{number}] " if len(transcripts) > 1 else "" for number in range(1, len(transcripts) + 1)]


def _labelled(transcripts: Sequence[Transcript]) -> Iterator[tuple[str, Segment]]:
    for label, transcript in zip(_labels(transcripts), transcripts, strict=True):
        for segment in transcript.segments:
            yield (f"[speaker {segment.speaker}] " if segment.speaker else label), segment


def _short(segment: Segment) -> Iterator[Segment]:
    """Parts of a segment that fit a subtitle."""
    words: list[Word] = []
    for word in segment.words:
        if words and len(" ".join([*(w.text for w in words), word.text])) > _LINE_LETTERS:
            yield segment_of(words)
            words = []
        words.append(word)
    if words:
        yield segment_of(words)


def _divided(segment: Segment) -> Iterator[Segment]:
    """Parts of a segment that are not too long for an annotation, where it has enough words."""
    waiting = [segment]
    while waiting:
        part = waiting.pop()
        words = part.words
        if len(words) < 2 or part.end_seconds - part.start_seconds <= _LONGEST_SECONDS - 2 * _MARGIN_SECONDS:
            yield part
            continue
        middle = (part.start_seconds + part.end_seconds) / 2
        # Of pauses that are equal, for most words none, the one nearest to the middle.
        cut = max(
            range(1, len(words)),
            key=lambda n: (
                round(words[n].start_seconds - words[n - 1].end_seconds, 2), -abs(words[n].start_seconds - middle),
            ),
        )  # fmt: skip
        waiting += [segment_of(words[cut:]), segment_of(words[:cut])]


def _widened(parts: Sequence[Segment], duration_seconds: float) -> list[Segment]:
    """Parts with a margin at both ends, but not past the middle of a pause or the ends of the recording."""
    ordered = sorted(parts, key=lambda part: part.start_seconds)
    starts = [part.start_seconds for part in ordered]
    ends = [part.end_seconds for part in ordered]
    # Whoever speaks: in the pause between two people half of it is each one's.
    before = [starts[0], *(max(0.0, b - a) / 2 for a, b in zip(ends, starts[1:], strict=False))] if parts else []
    after = [*before[1:], max(0.0, duration_seconds - ends[-1])] if parts else []
    return [
        replace(
            part,
            start_seconds=part.start_seconds - min(_MARGIN_SECONDS, room_before),
            end_seconds=part.end_seconds + min(_MARGIN_SECONDS, room_after),
        )
        for part, room_before, room_after in zip(ordered, before, after, strict=True)
    ]


def _times(part: Segment, point: str) -> str:
    return f"{_clock(part.start_seconds, point)} --> {_clock(part.end_seconds, point)}"


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)  # rounded once, so that 59.9996 s becomes 1:00.000 and not 0:60.000
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")  # WebVTT reads tags and entities
