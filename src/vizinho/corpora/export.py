"""Writes a corpus as time-aligned transcripts for other programs: one file for each recording."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vizinho.audio.io import seconds_of
from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.readers.base import file_name
from vizinho.corpora.rights_file import write_rights
from vizinho.corpora.writers import WRITERS
from vizinho.corpora.writers.spans import name_with_speaker
from vizinho.errors import AudioError, CorpusError, SpecError
from vizinho.files import write_text
from vizinho.records import Utterance

_TIER = "speech"
_NOT_IN_NAMES = re.compile(r'^\.|^.{121}|[<>:"/\\|?*\x00-\x1f]')  # of files on some systems


@dataclass(frozen=True, slots=True)
class Exported:
    """The files that an export wrote, and the number of utterances in them."""

    files: tuple[Path, ...]
    utterances: int
    rights: Path | None = None
    """Licences, consents and restrictions, which these formats have no place for."""
    mixed: int = 0
    """Recordings with utterances of several splits, whose files are read again as train."""


def export_corpus(utterances: Iterable[Utterance], out: Path, kind: str) -> Exported:
    """Write the utterances of each recording to `out` in one of WRITERS' formats, at their places in it.

    Those of dev and test are in folders of that name, so that they are read again as such. Utterances that were cut out
    of a recording go back to it; others are recordings of their own. Raises SpecError for an unknown format,
    CorpusError where a file cannot be written.
    """
    if kind not in WRITERS:
        raise SpecError(f"unknown format {kind!r}", where="--format", fix=f"use {', '.join(WRITERS)}")
    suffix, write = WRITERS[kind]
    by_recording: dict[Path, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        by_recording[utterance.place.recording if utterance.place else utterance.audio].append(utterance)
    files, mixed = [], 0
    for name, (recording, parts) in zip(_names(by_recording), by_recording.items(), strict=True):
        splits = {part.split for part in parts}
        mixed += len(splits) > 1
        # Readers take dev and test from folders of that name, and all others for train.
        path = out / (parts[0].split if splits in ({"dev"}, {"test"}) else "") / f"{name}{suffix}"
        try:
            write_text(path, write(_document(path, recording, parts)))
        except OSError as error:
            what = f"cannot write here ({error.strerror})"
            raise CorpusError(what, where=path, fix="choose another folder") from error
        files.append(path)
    rights = write_rights(out, (u for parts in by_recording.values() for u in parts))
    return Exported(tuple(files), sum(map(len, by_recording.values())), rights, mixed)


def _names(recordings: Iterable[Path]) -> Iterator[str]:
    """File names after the recordings; those of one name in several folders get numbers."""
    taken: set[str] = set()
    for recording in recordings:
        stem = recording.stem
        # The name of a recording is kept, spaces too: TextGrids and labels are matched with it when they are read.
        plain = file_name(stem) if _NOT_IN_NAMES.search(stem) else stem
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        yield name


def _document(path: Path, recording: Path, utterances: list[Utterance]) -> Document:
    tiers: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for u in utterances:
        start = u.place.start_seconds if u.place else 0.0  # a clip is the whole of its recording
        text = " ".join(filter(None, (u.text, u.events)))  # where an event was between the words is not known
        name = (u.place.tier if u.place else "") or _TIER
        span = Span(start, start + u.duration_seconds, text, speaker=u.speaker, confidence=u.confidence)
        if u.speaker and name != u.speaker:
            name = name_with_speaker(Tier(name, (), u.speaker))
        tiers[name, u.speaker].append(span)
    read = tuple(Tier(name, tuple(spans), speaker) for (name, speaker), spans in tiers.items())
    try:
        seconds = seconds_of(recording)
    except AudioError:
        seconds = 0.0  # a recording may be on another disk; its last utterance then ends it
    return Document(path, read, (Media(str(recording)),), duration_seconds=seconds)
