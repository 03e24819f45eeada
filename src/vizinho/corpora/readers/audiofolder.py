"""Reads recordings with a table of their texts: Hugging Face's audio folders, and tables saved by Excel and others."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from vizinho.corpora.encodings import UNREADABLE, decoded, read_text
from vizinho.corpora.readers.base import (
    UniqueIds,
    duration_of,
    fail,
    find_audio,
    first_text,
    rights_in,
    split_named_by,
    splits_here,
)
from vizinho.corpora.readers.huggingface import SPEAKERS, TEXTS
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Utterance

TABLES = ("metadata.csv", "metadata.jsonl")
_FILES = ("file_name", "audio_file_name", "filename", "file", "path", "audio", "wav", "recording")
_DELIMITERS = ",;\t"  # Excel writes what the system's language wants


def is_audiofolder(table: Path) -> bool:
    """Whether a table has a header with a column of files and one of texts, and no vertical bars."""
    with table.open("rb") as file:
        head = file.readline(10_000)
    if b"|" in head:
        return False
    line = decoded(head).split("\n", 1)[0]
    header = {*_header(line.replace('"', "").split(_delimiter(line)))}
    return b"file_name" in head or bool({*_FILES} & header and {*TEXTS} & header)


def read_audiofolder(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read a folder with a table, or with folders of splits that each have one.

    ::

        folder/train/metadata.csv       file_name, and a column of the text and perhaps of the speaker
        folder/train/clips/a.wav
        folder/metadata.jsonl           {"file_name": "train/a.wav", "text": "..."}

    Columns are those of `huggingface`, in small or capital letters, with commas, semicolons or tabs between them. A row
    of a table above the splits is of the split whose folder it names.
    """
    tables = sorted(t for name in TABLES for t in source.rglob(name)) if source.is_dir() else [source]
    root, ids = source if source.is_dir() else source.parent, UniqueIds()
    rows = [row for table in tables for row in _rows(table, on_problem)]
    named: dict[str, list[tuple[str, Path, dict[str, Any]]]] = {}
    for where, folder, row in rows:
        place = _recording(folder, next((str(row[key]) for key in _FILES if row.get(key)), ""))
        named.setdefault(split_named_by(place.parent / "_", root) or "", []).append((where, folder, row))
    if list(named) in ([""], []):
        named = {split or split_named_by(source.absolute()) or "train": rows} if rows else {}
    elif "" in named:
        named.setdefault("train", []).extend(named.pop(""))
    number = 0
    for name, members in splits_here(named, split, source).items():
        for where, folder, row in members:
            number += 1
            try:
                yield _utterance(row, where, folder.absolute(), number, lang, name, ids)
            except VizinhoError as problem:
                on_problem(problem)


def _rows(table: Path, on_problem: OnProblem) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Rows with their place and the folder that their files are in."""
    text = read_text(table)
    if table.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            where = f"{table}:{number}"
            try:
                row = json.loads(line) if line.strip() else None
            except ValueError as error:
                on_problem(CorpusError(f"not a line of JSON ({error})", where=where, fix="one object a line"))
                continue
            if isinstance(row, dict):
                yield where, table.parent, row
            elif row is not None:
                on_problem(CorpusError(f"not a JSON object: {line[:60]!r}", where=where, fix="one object a line"))
        return
    yield from _csv_rows(table, text, on_problem)


def _csv_rows(table: Path, text: str, on_problem: OnProblem) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    csv.field_size_limit(2**31 - 1)  # its own limit of 128 kB is an error of a whole file
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    header: list[str] = []
    while True:
        first = reader.line_num + 1  # a field in quotes may have several lines
        where = f"{table}:{first}"
        try:
            fields = next(reader, None)
        except csv.Error as error:
            on_problem(CorpusError(f"not a row of CSV ({error})", where=where, fix="correct the quotes of the line"))
            continue
        if fields is None:
            return
        if not any(map(str.strip, fields)):  # Excel writes the separators of empty rows
            continue
        if not header:
            header = _header(fields)
        elif len(fields) != len(header):
            what = f"{len(fields)} fields where the header has {len(header)}"
            on_problem(CorpusError(what, where=where, fix='put texts with commas or semicolons in quotes ("...")'))
        else:
            yield where, table.parent, dict(zip(header, fields, strict=True))


def _delimiter(text: str) -> str:
    """The sign that the first line has most of."""
    return max(_DELIMITERS, key=text.split("\n", 1)[0].count)


def _header(fields: list[str]) -> list[str]:
    """Names of columns as `_FILES` and `TEXTS` have them."""
    return [re.sub(r"[\s-]+", "_", field.strip().lower()) for field in fields]


def _recording(folder: Path, file: str) -> Path:
    """The file of a row; a path of Windows counts from the folder, and an absolute one means the name there."""
    windows = PureWindowsPath(file)
    places = (folder / file, folder / (windows.name if windows.drive else windows.as_posix()))
    return next(filter(None, map(find_audio, places)), places[0])


def _utterance(
    row: dict[str, Any], where: str, folder: Path, number: int, lang: str, split: str, ids: UniqueIds
) -> Utterance:
    file, text = first_text(row, _FILES, where), first_text(row, TEXTS, where)
    if not file or not any(key in row for key in TEXTS):
        columns = ", ".join(row)
        fix = f"name them file_name and {TEXTS[1]}"
        raise CorpusError(f"no file or no text among the columns {columns}", where=where, fix=fix)
    if UNREADABLE in file + text:
        raise CorpusError("the line is not UTF-8", where=where, fix='save the table as UTF-8 (Excel: "CSV UTF-8")')
    audio = _recording(folder, file)
    return Utterance(
        id=ids(audio.stem, number),
        audio=audio,
        text=text.strip(),
        lang=lang,
        speaker=first_text(row, SPEAKERS, where),
        duration_seconds=round(duration_of(audio, where), 4),
        split=split,
        **rights_in(row, where),
    )
