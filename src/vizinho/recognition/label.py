"""Writes what a model hears in untranscribed speech as a manifest to learn from, and what was too unsure beside it.

Self-training: a model labels speech of its own language for the next one (Kahn et al. 2020, arXiv 1909.09116). Every
row says which model labelled it, so that nobody takes it for what a person wrote.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from vizinho.corpora.manifest import manifest_row, write_lines
from vizinho.errors import CorpusError, SpecError
from vizinho.ledger import Ledger
from vizinho.progress import Advance, silent
from vizinho.recognition.files import Outcome, Work, key_of_work, transcribe_files
from vizinho.recognition.inputs import Input
from vizinho.records import Utterance

BY_MODEL = "labelled by "
"""How `source` begins in a row whose text a model wrote."""


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """How to label, and what to keep."""

    least_confidence: float = 0.0
    """Mean confidence of its words below which an utterance is left out, 0 to 1."""
    processes: int = 1
    on_ray: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.least_confidence <= 1:
            raise SpecError(f"confidence {self.least_confidence}", where="--least-confidence", fix="use 0 to 1")


@dataclass(frozen=True, slots=True)
class Heard:
    """One line of the ledger: a recording as it was, by which model and decoding it was heard, and what was heard."""

    audio: str
    size: int
    changed_ns: int
    key: str
    text: str
    confidence: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Labelled:
    """What came of it. Every utterance of the input is counted in exactly one of the numbers."""

    manifest: Path
    ledger: Path
    kept: int
    kept_seconds: float
    unsure: int
    """Below the least confidence."""
    silent: int
    """Nothing was heard."""
    failed: tuple[tuple[str, str], ...]
    """(Utterance id, what is wrong) of recordings that cannot be read; tried again the next time."""
    heard_before: int
    """Of all, those that an earlier run had heard."""
    median_confidence: float

    def as_json(self) -> dict[str, Any]:
        """The counts as JSON values."""
        return {
            "manifest": str(self.manifest),
            "ledger": str(self.ledger),
            "kept": self.kept,
            "kept_minutes": round(self.kept_seconds / 60, 3),
            "unsure": self.unsure,
            "silent": self.silent,
            "failed": [{"id": id_, "error": what} for id_, what in self.failed],
            "heard_before": self.heard_before,
            "median_confidence": self.median_confidence,
        }


def from_files(files: Iterable[Input], lang: str) -> list[Utterance]:
    """Audio files as utterances without text and speaker; the id is the path below the folder that was given."""
    return [Utterance(str(f.output), f.audio.absolute(), "", lang, "", 0.0, "train") for f in files]


def label(
    work: Work,
    model: str,
    utterances: Sequence[Utterance],
    out: Path,
    options: LabelOptions = LabelOptions(),
    progress: Advance = silent,
) -> Labelled:
    """Label utterances with a model (`model` is its NAME@VERSION) and write the manifest `out`.

    `out` with `.heard.jsonl` instead of its suffix keeps everything heard, surely or not: a run that was stopped goes
    on after its last line, and another least confidence needs no second hearing. The texts that utterances had are not
    looked at. Raises CorpusError when nothing is left to keep or ids repeat; SpecError when `out` cannot be written.
    """
    twice = [id_ for id_, count in Counter(u.id for u in utterances).items() if count > 1]
    if twice:
        raise CorpusError(f"id {twice[0]!r} occurs more than once", where=out, fix="give each utterance its own")
    path = out.with_name(f"{out.stem}.heard.jsonl")
    try:
        ledger = Ledger(path)
    except OSError as error:
        raise SpecError(f"cannot be written ({error.strerror})", where=path, fix="choose another place") from error
    key = hashlib.sha256(key_of_work(work).encode()).hexdigest()[:16]
    heard = _earlier(ledger, key)
    stamps = {u.audio: _stamp(u.audio) for u in utterances}
    known = {a for a, stamp in stamps.items() if a in heard and (heard[a].size, heard[a].changed_ns) == stamp}
    pending = [audio for audio in stamps if audio not in known]
    before = sum(u.audio in known for u in utterances)
    progress(before, "heard before")
    errors: dict[Path, str] = {}
    for outcome in transcribe_files(work, pending, options.processes, on_ray=options.on_ray):
        if outcome.error:
            errors[outcome.audio] = outcome.error
        else:
            heard[outcome.audio] = made = _heard(outcome, stamps[outcome.audio], key)
            ledger.add(asdict(made))
        progress(1, outcome.audio.name)
    return _write(utterances, heard, errors, model, out, path, options.least_confidence, before)


def _earlier(ledger: Ledger, key: str) -> dict[Path, Heard]:
    found = {}
    for line in ledger.lines:
        try:
            made = Heard(**line)
        except TypeError:
            continue
        if made.key == key:
            found[Path(made.audio)] = made
    return found


def _stamp(audio: Path) -> tuple[int, int]:
    """Size and time of change: hashing would read a large collection once more. A missing file is named when opened."""
    try:
        status = audio.stat()
    except OSError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns


def _heard(outcome: Outcome, stamp: tuple[int, int], key: str) -> Heard:
    (transcript,) = outcome.transcripts
    seconds = round(transcript.duration_seconds, 4)
    return Heard(str(outcome.audio), *stamp, key, transcript.text, round(transcript.confidence, 4), seconds)


def _write(
    utterances: Sequence[Utterance],
    heard: dict[Path, Heard],
    errors: dict[Path, str],
    model: str,
    out: Path,
    ledger: Path,
    least: float,
    before: int,
) -> Labelled:
    rows, seconds, unsure, silent_ones = [], 0.0, 0, 0
    for utterance in utterances:
        if utterance.audio in errors:
            continue
        made = heard[utterance.audio]
        if not made.text.strip():
            silent_ones += 1
        elif made.confidence < least:
            unsure += 1
        else:
            rows.append(_row(utterance, made, model, out.parent))
            seconds += made.seconds
    failed = tuple((u.id, errors[u.audio]) for u in utterances if u.audio in errors)
    if not rows:
        raise CorpusError(
            f"nothing to keep of {len(utterances)} recordings: {unsure} below the least confidence, {silent_ones} "
            f"without words, {len(failed)} unreadable",
            where=out,
            fix="lower --least-confidence, or label with a better model",
        )
    write_lines(out, (json.dumps(row, ensure_ascii=False) for row in rows))
    usual = median(row["confidence"] for row in rows)
    return Labelled(out, ledger, len(rows), seconds, unsure, silent_ones, failed, before, usual)


def _row(utterance: Utterance, made: Heard, model: str, folder: Path) -> dict[str, Any]:
    source = f"{BY_MODEL}{model}" + (f"; {utterance.source}" if utterance.source else "")
    labelled = replace(utterance, text=made.text, duration_seconds=made.seconds, split="train", source=source)
    return manifest_row(labelled, folder) | {"confidence": made.confidence}
