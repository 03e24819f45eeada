"""Reads LJSpeech-style corpora: metadata.csv with vertical bars beside a folder of WAV files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vizinho.corpora.readers.base import (
    UniqueIds,
    duration_of,
    fail,
    find_audio,
    numbered_lines,
    split_fields,
    split_named_by,
)
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Utterance

_AUDIO_NAMES = ("id", "file", "filename", "file_name", "path", "audio", "wav")
_TEXT_NAMES = ("normalized_text", "normalised_text", "normalized", "text", "transcription", "transcript", "sentence")
_SPEAKER_NAMES = ("speaker", "speaker_id", "speaker_name")
_PIPER = {"audio": 0, "speaker": 1, "text": 2, "fields": 3}


def read_ljspeech(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read `metadata.csv`, with or without a header, or another file of that form.

    It becomes one split: the one that the file is named after, else train.

    ::

        LJSpeech-1.1/
            metadata.csv           LJ001-0001|the text|the text with numbers as words
            wavs/LJ001-0001.wav    or any path that the first column gives, with or without its suffix

    The text is the last text column that is not empty. A header may name a `speaker` column; otherwise the folder is
    the speaker.
    """
    # Not lhotse's prepare_ljspeech: it expects exactly three columns and skips rows without audio with a log line.
    yield from _read(source, {}, lang, split, on_problem)


def _read(
    source: Path, columns: dict[str, int], lang: str, split: str | None, on_problem: OnProblem
) -> Iterator[Utterance]:
    table = source / "metadata.csv" if source.is_dir() else source
    name = split or split_named_by(table) or "train"
    ids = UniqueIds()
    for position, (number, line) in enumerate(numbered_lines(table, on_problem)):
        fields = [field.strip() for field in split_fields(line, "|")]
        if position == 0 and (header := _header(fields)):
            columns = header
            continue
        try:
            yield _utterance(fields, columns, table, number, lang, name, ids)
        except VizinhoError as problem:
            on_problem(problem)


def read_piper(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read `metadata.csv` of several speakers, as Piper trains on it; without speakers it is that of LJSpeech.

    ::

        voices/
            metadata.csv      a1|ana|the text
            wavs/a1.wav       or wav/, or any path that the first column gives, with or without its suffix
    """
    yield from _read(source, _PIPER, lang, split, on_problem)


def is_piper(table: Path) -> bool:
    """Whether the second of three columns names speakers: short, and no part of the text in the third."""
    with table.open("rb") as file:
        head = file.read(100_000).decode("utf-8", errors="replace").removeprefix("\ufeff")
    rows = [split_fields(line.rstrip("\r"), "|") for line in head.split("\n")[:200] if line.strip()]
    named = sum(
        len(row) == 3 and len(row[1].split()) in (1, 2) and row[1].lower() not in row[2].lower() for row in rows
    )
    return bool(rows) and not _header(rows[0]) and named * 10 >= len(rows) * 9


def _header(fields: list[str]) -> dict[str, int]:
    names = [field.lower().lstrip("#") for field in fields]
    audio = next((names.index(n) for n in _AUDIO_NAMES if n in names), None)
    text = next((names.index(n) for n in _TEXT_NAMES if n in names), None)
    if audio is None or text is None:
        return {}
    speaker = next((names.index(n) for n in _SPEAKER_NAMES if n in names), -1)
    return {"audio": audio, "text": text, "speaker": speaker, "fields": len(fields)}


def _utterance(
    fields: list[str], columns: dict[str, int], table: Path, number: int, lang: str, split: str, ids: UniqueIds
) -> Utterance:
    where = f"{table}:{number}"
    wanted = columns.get("fields", len(fields))
    if len(fields) != wanted or len(fields) < 2 or (not columns and len(fields) > 3):
        raise CorpusError(
            f"{len(fields)} fields between vertical bars",
            where=where,
            fix="give id|text or id|text|normalised text, or a table whose first line is file_name,text",
        )
    name = fields[columns.get("audio", 0)]
    text = fields[columns["text"]] if columns else fields[-1] or fields[1]
    speaker = fields[columns["speaker"]] if columns.get("speaker", -1) >= 0 else table.absolute().parent.name
    audio = _audio(table.absolute().parent, name)
    if audio is None:
        raise CorpusError(f"no audio file for {name!r} (wavs/{name}.wav)", where=where, fix="add it or drop the row")
    return Utterance(
        id=ids(Path(name).stem if Path(name).suffix else name, number),
        audio=audio,
        text=text,
        lang=lang,
        speaker=speaker,
        duration_seconds=round(duration_of(audio, where), 4),
        split=split,
    )


def _audio(folder: Path, name: str) -> Path | None:
    places = (folder / "wavs" / name, folder / "wav" / name, folder / name)
    return next(filter(None, map(find_audio, places)), None) if name else None
