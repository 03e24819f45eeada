"""Reads NeMo manifests: JSON lines with audio_filepath, duration and text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vizinho.corpora.readers.base import (
    UniqueIds,
    duration_of,
    fail,
    numbered_lines,
    rights_in,
    split_called,
    split_named_by,
    splits_here,
    text_value,
)
from vizinho.corpora.readers.cutting import Cutter
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Utterance
from vizinho.text.language import Language

_ROUNDED_SECONDS = 0.1


def read_nemo(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read one manifest, or a folder with a manifest for each split.

    ::

        train_manifest.json      {"audio_filepath": "wavs/a.wav", "duration": 2.5, "text": "...", "speaker": "..."}
        test_manifest.json

    Paths are relative to the manifest. `speaker` and `duration` are optional; a row with `offset`, or with a duration
    that is not the recording's, is cut out of it and becomes a FLAC file under `audio_dir`.
    """
    ids, cut = UniqueIds(), Cutter(audio_dir)
    for name, manifest in _manifests(source, split).items():
        for number, line in numbered_lines(manifest, on_problem):
            where = f"{manifest}:{number}"
            try:
                yield _utterance(line, where, number, manifest.absolute().parent, lang, name, ids, cut)
            except VizinhoError as problem:
                on_problem(problem)


def _manifests(source: Path, split: str | None) -> dict[str, Path]:
    if not source.is_dir():
        return {split or split_named_by(source) or "train": source}
    paths = sorted(path for path in source.iterdir() if re.fullmatch(r"\w+_manifest\.jsonl?", path.name))
    manifests = {split_called(path.name.partition("_manifest")[0]): path for path in paths}
    return splits_here(manifests, split, source)


def _utterance(
    line: str, where: str, number: int, folder: Path, lang: str, split: str, ids: UniqueIds, cut: Cutter
) -> Utterance:
    # NeMo's own scripts write null for what they do not know.
    row = {key: value for key, value in _row(line, where).items() if value is not None}
    audio = (folder / row["audio_filepath"]).absolute()
    start, duration = float(row.get("offset", 0.0)), row.get("duration")
    # A duration without an offset is that of the recording's beginning; NeMo rounds the durations of whole files.
    part = "offset" in row or (duration is not None and abs(duration_of(audio, where) - duration) > _ROUNDED_SECONDS)
    if part:
        name = ids(f"{audio.stem}-{start:g}", number)
        path, seconds = cut(audio, start, None if duration is None else start + duration, name, where)
    else:
        name, path, seconds = ids(audio.stem, number), audio, duration_of(audio, where)
    return Utterance(
        id=name,
        audio=path,
        text=row["text"].strip(),
        lang=Language.parse(row["lang"], where=where, error=CorpusError).tag if row.get("lang") else lang,
        speaker=text_value(row, "speaker", where),
        duration_seconds=round(seconds, 4),
        split=split,
        **rights_in(row, where),
    )


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CorpusError(f"not a line of JSON ({error})", where=where, fix="one object a line") from error
    for key in ("audio_filepath", "text"):
        if not isinstance(row, dict) or not isinstance(row.get(key), str):
            raise CorpusError(f"field {key!r} is missing or not a string", where=where, fix="see the NeMo manifest")
    if not isinstance(row.get("lang") or "", str):
        raise CorpusError(f"field 'lang' is {row['lang']!r}, not a string", where=where, fix="give a code such as pt")
    for key in ("duration", "offset"):
        value = 0.0 if row.get(key) is None else row[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise CorpusError(f"field {key!r} is {value!r}", where=where, fix="give seconds as a number")
    return dict(row)
