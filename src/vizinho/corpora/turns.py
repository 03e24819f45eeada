"""Turns the chosen tiers of a document into what was spoken, by whom and when; says what it leaves out or changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isinf
from pathlib import Path
from statistics import mean

from vizinho.corpora.conventions import PARENTHESES, Speech, speaker_labels, split_labels, spoken
from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.encodings import UNREADABLE, check_encoding
from vizinho.errors import CorpusError, OnProblem, SpecError

_TOUCH_SECONDS = 0.05  # turns that meet may overlap by this much
_PAUSE_SECONDS, _LONGEST_SECONDS = 0.3, 15.0
"""Single words are joined up to a pause, and up to a length that recognisers are trained on."""


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """How to read transcripts that were not made for speech recognition."""

    tiers: tuple[str, ...] = ()
    """Names, types or wildcards of the tiers that hold the transcription; guessed where empty."""
    media: tuple[Path, ...] = ()
    """Folders with the recordings, besides those of the transcripts."""
    encoding: str = ""
    """Encoding of lines that are not UTF-8."""
    parentheses: str = ""
    """One of PARENTHESES; the custom of the format where empty."""
    keep_unclear: bool = False
    """Read spans in which some words were not understood, too."""
    channels: tuple[tuple[str, int], ...] = ()
    """Speakers and the channels, from 0, of their microphones; others are cut from the mean of the channels."""

    drop_overlaps: bool = False
    """Leave out turns during which somebody else speaks."""

    def __post_init__(self) -> None:
        if self.parentheses not in ("", *PARENTHESES):
            what = f"unknown {self.parentheses!r}"
            raise SpecError(what, where="--parentheses", fix=f"use {', '.join(PARENTHESES)}")
        check_encoding(self.encoding)
        if missing := [folder for folder in self.media if not folder.is_dir()]:
            raise SpecError(f"no folder {missing[0]}", where="--media", fix="check the path")


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a source that is no error but may matter: what was left out, guessed, changed or moved."""

    kind: str
    where: str
    detail: str


OnNote = Callable[[Note], None]


def silent(_: object) -> None:
    """Takes a note and does nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Words that one person spoke without a longer pause; `where` is file, line and time."""

    span: Span
    speech: Speech
    tier: str
    where: str
    readable: bool = True
    """False where somebody speaks and nobody can read what: such a turn only overlaps with others."""


def turns_of(
    document: Document,
    tiers: Sequence[Tier],
    options: FieldOptions,
    on_note: OnNote,
    on_problem: OnProblem,
    labels: frozenset[str] = frozenset(),
) -> list[Turn]:
    """What these tiers of a document say, in the order of time. `labels` are speakers that all documents share.

    Notes: `empty` (no text), `events only`, `unclear` and `several speakers` are left out; `event`, `uncertain`,
    `overlap`, `speaker label` and `words joined` are read. Spans with impossible times or broken characters are
    problems.
    """
    turns = []
    for tier in tiers:
        spans = [replace(span, speaker=span.speaker or tier.speaker) for span in tier.spans]
        for span in _joined(_labelled(spans, document, on_note, labels), document, tier, on_note):
            if span.channel is None:
                span = replace(span, channel=dict(options.channels).get(span.speaker))
            turn = _turn(document, tier, span, options, on_note, on_problem)
            turns += [turn] if turn else []
    turns.sort(key=lambda t: (t.span.start_seconds, t.span.end_seconds, t.tier))
    overlaps = _overlaps(turns)
    for _, _, note in overlaps:
        on_note(replace(note, kind=f"{note.kind}, left out") if options.drop_overlaps else note)
    left_out = {id(turn) for *pair, _ in overlaps for turn in pair} if options.drop_overlaps else set()
    return [turn for turn in turns if turn.readable and id(turn) not in left_out]


def place_of(document: Document, span: Span) -> str:
    """File, line and time of a span."""
    line = f":{span.line}" if span.line else f": {document.part}" if document.part else ""
    return f"{document.path}{line} ({span.start_seconds:.2f} s)"


def _labelled(spans: Sequence[Span], document: Document, on_note: OnNote, shared: frozenset[str]) -> Iterator[Span]:
    """Spans whose texts begin with names ("Ana: sim") with these as speakers."""
    labels = speaker_labels([span.text for span in spans if span.text]) or shared
    for span in spans:
        turns = split_labels(span.text, labels)
        speakers = {speaker or span.speaker for speaker, _ in turns}
        if labels and span.text and not span.mixed:
            detail = ", ".join(sorted(filter(None, speakers))) or "none"
            on_note(Note("speaker label", place_of(document, span), detail))
        # A text with two names is left out later; until then it is the speech of either.
        text = " ".join(words for _, words in turns)
        yield replace(span, text=text, speaker=min(speakers), mixed=span.mixed or len(speakers) > 1)


def _joined(spans: Iterator[Span], document: Document, tier: Tier, on_note: OnNote) -> list[Span]:
    """Spans of single words that follow each other closely, as aligners write them, joined to phrases."""
    words = list(spans)
    texts = [span for span in words if span.text]
    close = sum(a.end_seconds + _TOUCH_SECONDS > b.start_seconds for a, b in pairwise(texts))
    # Word lists have pauses between their words, and stay single words.
    if len(texts) < 4 or mean(len(s.text.split()) for s in texts) > 1.1 or close * 2 < len(texts):
        return words
    phrases: list[Span] = []
    for span in texts:
        last = phrases[-1] if phrases else None
        if last and _continues(last, span):
            phrases[-1] = replace(last, end_seconds=span.end_seconds, text=f"{last.text} {span.text}")
        else:
            phrases.append(span)
    detail = f"{len(texts)} words of tier {tier.name} in {len(phrases)} phrases"
    on_note(Note("words joined", str(document.path), detail))
    return [*phrases, *(span for span in words if not span.text)]


def _continues(phrase: Span, word: Span) -> bool:
    pause, length = word.start_seconds - phrase.end_seconds, word.end_seconds - phrase.start_seconds
    return pause < _PAUSE_SECONDS and length < _LONGEST_SECONDS and word.speaker == phrase.speaker


def _turn(
    document: Document, tier: Tier, span: Span, options: FieldOptions, on_note: OnNote, on_problem: OnProblem
) -> Turn | None:
    """The turn of a span; None for one in which nobody speaks. What is not readable is noted or reported."""
    where = place_of(document, span)
    unreadable = Turn(span, Speech(""), tier.name, where, readable=False)
    if not span.text.strip():
        on_note(Note("empty", where, f"no text in tier {tier.name}"))
        return None
    # NaN compares with nothing.
    if not span.start_seconds < span.end_seconds or (isinf(span.end_seconds) and not span.to_the_end):
        what = f"ends at {span.end_seconds:.2f} s, which cannot be: {span.text[:60]!r}"
        on_problem(CorpusError(what, where=where, fix="correct the times"))
        return None
    if span.mixed:
        on_note(Note("several speakers", where, span.text))
        return unreadable
    if UNREADABLE in span.text:
        what = f"broken characters: {span.text[:60]!r}"
        fix = "save the file as UTF-8, or name what it is in: --encoding cp1252"
        on_problem(CorpusError(what, where=where, fix=fix))
        return unreadable
    speech = speech_in(span.text, where, options, on_note)
    if speech is not None:
        return replace(unreadable, speech=speech, readable=True)
    return unreadable if spoken(span.text).unclear else None


def speech_in(text: str, where: str, options: FieldOptions, on_note: OnNote) -> Speech | None:
    """What a text says was spoken, with notes on the rest; None where it is left out."""
    speech = spoken(text, options.parentheses or PARENTHESES[0])
    for kind, details in (("event", speech.events), ("uncertain", speech.uncertain)):
        for detail in details:
            on_note(Note(kind, where, detail))
    if speech.unclear and not options.keep_unclear:
        on_note(Note("unclear", where, text))
    elif not speech.has_words:
        on_note(Note("events only", where, text))
    else:
        return speech
    return None


def _overlaps(turns: Sequence[Turn]) -> list[tuple[Turn, Turn, Note]]:
    """Pairs of turns, in the order of time, of which the second begins while the first goes on."""
    overlaps = []
    # Turns come by their starts, so only those that have not ended can overlap with the next one.
    going_on: list[Turn] = []
    for turn in turns:
        start = turn.span.start_seconds + _TOUCH_SECONDS
        going_on = [other for other in going_on if other.span.end_seconds > start]
        for other in going_on:
            if not (turn.readable or other.readable):
                continue
            seconds = min(other.span.end_seconds, turn.span.end_seconds) - turn.span.start_seconds
            kind = "overlap in one tier" if other.tier == turn.tier else "overlap"
            note = Note(kind, turn.where, f"{seconds:.2f} s with {other.where} of tier {other.tier}")
            overlaps.append((other, turn, note))
        going_on.append(turn)
    return overlaps
