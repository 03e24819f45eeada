"""Turns a corpus of any known kind into a manifest, and its audio into 16 kHz FLAC on request."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vizinho.audio.io import SAMPLE_RATE, load_audio
from vizinho.corpora.manifest import check_utterance, write_lines, write_manifest
from vizinho.corpora.readers import detect, get_reader
from vizinho.corpora.readers.base import store_clip
from vizinho.errors import CorpusError, VizinhoError
from vizinho.progress import Advance, silent
from vizinho.records import Utterance

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result of a conversion: `problems` are the rows left out, each with file and line."""

    manifest: Path
    format: str
    utterances: tuple[Utterance, ...]
    problems: tuple[str, ...]

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
    progress: Advance = silent,
) -> Conversion:
    """Read `source` and write `manifest`; new audio files go to `<manifest name>_audio` next to it.

    Args:
        source: A corpus of one of the kinds in docs/corpora.md.
        manifest: The JSONL file to write.
        lang: Language code of the utterances.
        reader: Name of the reader; None guesses it from the files.
        split: Split to read; of a source without splits, the name of the split that it becomes.
        copy: Re-encode every recording to 16 kHz mono FLAC, so that the corpus stands alone.
        skip_bad: Leave bad rows out, naming them in `<manifest name>.problems.jsonl`.
        progress: Told about each utterance.

    Raises CorpusError when the source cannot be read, has no usable row, or has bad rows without `skip_bad`, and writes
    no manifest then.
    """
    kind = reader or detect(source)
    audio_dir = manifest.parent / f"{manifest.stem}_audio"
    problems: list[VizinhoError] = []
    read = get_reader(kind)(source, lang=lang, split=split, audio_dir=audio_dir, on_problem=problems.append)
    checked = _checked(read, problems, progress)
    utterances = list(_stored(checked, audio_dir, problems) if copy else checked)
    if problems and not skip_bad:
        raise _too_bad(problems, len(utterances), source)
    record = manifest.with_name(f"{manifest.stem}.problems.jsonl")
    record.unlink(missing_ok=True)  # that of an earlier conversion
    if problems:
        write_lines(record, (json.dumps({"where": p.where, "what": p.what}, ensure_ascii=False) for p in problems))
    write_manifest(manifest, utterances)
    return Conversion(manifest, kind, tuple(utterances), tuple(str(p) for p in problems))


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
    shown = "; ".join(f"{p.where}: {p.what}" for p in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return CorpusError(
        f"{len(problems)} of {len(problems) + good} rows cannot be used: {shown}{more}",
        where=source,
        fix="repair them, or leave them out by name with --skip-bad",
    )
