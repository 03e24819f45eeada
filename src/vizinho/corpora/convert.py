"""Turns a corpus of any known kind into a manifest, and its audio into 16 kHz FLAC on request."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import check_utterance, write_lines, write_manifest
from vizinho.corpora.readers import configured, detect
from vizinho.corpora.readers.base import store_clip
from vizinho.corpora.rights_file import RightsFile, with_rights
from vizinho.corpora.tiers import Choice
from vizinho.corpora.turns import FieldOptions, Note
from vizinho.errors import CorpusError, VizinhoError
from vizinho.progress import Advance, Event, Log, silent
from vizinho.records import Utterance
from vizinho.rights import Rights

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result of a conversion: `problems` are the rows left out, each with file and line."""

    manifest: Path
    format: str
    utterances: tuple[Utterance, ...]
    problems: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    """What field transcripts have besides words, and what was done with it."""
    tiers: Choice | None = None
    """The tiers of field transcripts, and which were read."""

    @property
    def note_counts(self) -> dict[str, int]:
        """Notes by kind, the most frequent first."""
        return dict(Counter(note.kind for note in self.notes).most_common())

    @property
    def lines(self) -> list[str]:
        """What was read, the tiers of field transcripts, notes by kind with their most frequent texts, and problems."""
        values = self.to_json()
        splits = ", ".join(f"{name} {count}" for name, count in values["splits"].items())
        amount = f"{values['utterances']} utterances, {values['minutes']:.1f} minutes ({splits}), {self.format}"
        lines = [f"{self.manifest}: {amount}", *(self.tiers.lines if self.tiers else [])]
        for kind, count in self.note_counts.items():
            details = Counter(note.detail for note in self.notes if note.kind == kind).most_common(3)
            texts = "; ".join(f"{detail[:80]} ({times})" for detail, times in details)
            lines.append(f"note: {kind}, {count}: {texts}")
        if self.notes:
            all_notes = self.manifest.with_name(f"{self.manifest.stem}.notes.jsonl")
            lines.append(f"all notes with their places: {all_notes}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Counts and problems as JSON values."""
        return {
            "manifest": str(self.manifest),
            "format": self.format,
            "utterances": len(self.utterances),
            "minutes": round(sum(u.duration_seconds for u in self.utterances) / 60, 3),
            "splits": dict(Counter(u.split for u in self.utterances)),
            "left_out": len(self.problems),
            "problems": list(self.problems),
            "notes": self.note_counts,
            "tiers": [group.to_json() for group in self.tiers.groups] if self.tiers else [],
        }


def convert_corpus(
    source: Path,
    manifest: Path,
    *,
    lang: str,
    reader: str | None = None,
    split: str | None = None,
    copy: bool = False,
    skip_bad: bool = False,
    options: FieldOptions = FieldOptions(),
    rights: Rights = Rights(),
    progress: Advance = silent,
) -> Conversion:
    """Read `source` and write `manifest`; new audio files go to `<manifest name>_audio` next to it.

    Notes on field transcripts go to `<manifest name>.notes.jsonl`.

    Args:
        source: A corpus of one of the kinds in docs/corpora.md.
        manifest: The JSONL file to write.
        lang: Language code of the utterances.
        reader: Name of the reader; None guesses it from the files.
        split: Split to read; of a source without splits, the name of the split that it becomes.
        copy: Re-encode every recording to 16 kHz mono FLAC, so that the corpus stands alone.
        skip_bad: Leave bad rows out, naming them in `<manifest name>.problems.jsonl`.
        options: How to read field transcripts (ELAN, TextGrid, subtitles and others).
        rights: Licence, consent and restrictions of all utterances, over what the source and its `rights.jsonl` say.
        progress: Told about each utterance.

    Raises CorpusError when the source cannot be read, has no usable row, or has bad rows without `skip_bad`, and writes
    no manifest then.
    """
    kind = reader or detect(source)
    audio_dir = manifest.parent / f"{manifest.stem}_audio"
    problems: list[VizinhoError] = []
    notes: list[Note] = []
    choices: list[Choice] = []
    reading = configured(kind, options, notes.append, choices.append)
    read = reading(source, lang=lang, split=split, audio_dir=audio_dir, on_problem=problems.append)
    rights_file = RightsFile.beside(source)
    checked = _checked((with_rights(rights_file.applied(u), rights) for u in read), problems, progress)
    utterances = list(_stored(checked, audio_dir, problems) if copy else checked)
    notes += [Note("rights unused", where, f"no utterance of {about}") for where, about in rights_file.unused()]
    if problems and not (skip_bad and utterances):
        raise _too_bad(problems, len(utterances), source)
    _record(manifest, "problems", [{"where": p.where, "what": p.what} for p in problems])
    _record(manifest, "notes", [asdict(note) for note in notes])
    write_manifest(manifest, utterances)
    shown = tuple(str(p) for p in problems)
    return Conversion(manifest, kind, tuple(utterances), shown, tuple(notes), choices[0] if choices else None)


def converted(place: Path, lang: str, folder: Path, *, log: Log, show: Event) -> Path:
    """A manifest of a corpus, made once for each state of its files.

    Args:
        place: File or folder; what it is, is guessed.
        lang: Language of its speech.
        folder: Where the manifests are.
        log: Told what was read, and where its manifest is.
        show: Told of the progress, by utterances.

    Raises CorpusError for a corpus that is of no known format or has rows that cannot be used.
    """
    manifest = folder / f"{place.resolve().stem}-{lang.lower()}-{_state(place)}.jsonl"
    if not manifest.is_file():
        command = f"`vizinho corpus convert {place} {lang}.jsonl --lang {lang}`"
        progress = partial(show, f"reading {place.name}", math.inf)
        try:
            conversion = convert_corpus(place, manifest, lang=lang, progress=progress)
        except CorpusError as error:
            fix = f"{command} and its options choose what is read; then give {lang}.jsonl"
            raise CorpusError(error.what, where=error.where, fix=fix) from error
        for line in conversion.lines:
            log(line)
    return manifest


def _state(place: Path) -> str:
    """Eight hexadecimal digits that change with the files of a corpus: their names, sizes and times."""
    files = sorted(f for f in place.rglob("*") if f.is_file()) if place.is_dir() else [place]
    facts = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return hashlib.sha256(json.dumps([str(place.resolve()), facts]).encode()).hexdigest()[:8]


def _record(manifest: Path, name: str, rows: list[dict[str, str]]) -> None:
    """Write rows beside the manifest; none removes those of an earlier conversion."""
    path = manifest.with_name(f"{manifest.stem}.{name}.jsonl")
    path.unlink(missing_ok=True)
    if rows:
        write_lines(path, (json.dumps(row, ensure_ascii=False) for row in rows))


def _checked(utterances: Iterator[Utterance], problems: list[VizinhoError], progress: Advance) -> Iterator[Utterance]:
    """Those that can be read back from a manifest; of several with one id the first."""
    ids: set[str] = set()
    for utterance in utterances:
        progress(1, utterance.id)
        try:
            check_utterance(utterance)
        except CorpusError as problem:
            problems.append(problem)
            continue
        if utterance.id in ids:
            problems.append(CorpusError("an id that occurs before", where=utterance.id, fix="give it another"))
            continue
        ids.add(utterance.id)
        yield utterance


def _stored(utterances: Iterator[Utterance], audio_dir: Path, problems: list[VizinhoError]) -> Iterator[Utterance]:
    for utterance in utterances:
        # Readers that cut audio out of containers have written it there already.
        if utterance.audio.is_relative_to(audio_dir.absolute()) or utterance.audio.is_relative_to(audio_dir):
            yield utterance
            continue
        try:
            samples = load_audio(utterance.audio)
        except VizinhoError as problem:
            problems.append(problem)
            continue
        folder = audio_dir / (re.sub(r"\W", "_", utterance.split) or "all")
        path, seconds = store_clip(folder, utterance.id, samples, SAMPLE_RATE)
        yield replace(utterance, audio=path, duration_seconds=round(seconds, 4))


def _too_bad(problems: list[VizinhoError], good: int, source: Path) -> CorpusError:
    # One broken recording is a problem of each of its utterances: a kind of problem is shown once, with its first row.
    first: dict[str, VizinhoError] = {}
    for problem in problems:
        first.setdefault(problem.what, problem)
    times = Counter(problem.what for problem in problems)
    kinds = [(p, times[what] - 1) for what, p in list(first.items())[:_SHOWN]]
    shown = "; ".join(f"{p.where}: {p.what}{f' (and {more} more such rows)' if more else ''}" for p, more in kinds)
    more = len(problems) - sum(times[p.what] for p, _ in kinds)
    return CorpusError(
        f"{len(problems)} of {len(problems) + good} rows cannot be used: {shown}{f'; and {more} more' if more else ''}",
        where=source,
        fix=f"{first[kinds[0][0].what].fix or 'repair them'}; or give --skip-bad, which skips and lists them",
    )
