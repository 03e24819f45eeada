"""Reads Hugging Face data sets on disk: saved with save_to_disk, or Parquet files with audio inside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from vizinho.audio.io import decode_audio
from vizinho.corpora.readers.base import (
    UniqueIds,
    duration_of,
    fail,
    first_text,
    rights_in,
    split_called,
    split_named_by,
    splits_here,
    store_clip,
)
from vizinho.errors import CorpusError, OnProblem, VizinhoError
from vizinho.records import Utterance

TEXTS = ("sentence", "text", "raw_transcription", "transcription", "transcript", "normalized_text")
"""Columns of the text, the most certain first."""
SPEAKERS = ("client_id", "speaker_id", "speaker", "user_id")  # columns of the speaker
_HUB_FILE = re.compile(r"(.+)-\d{5}-of-\d{5}")  # how the hub names files of a split


def read_huggingface(
    source: Path, *, lang: str, split: str | None, audio_dir: Path, on_problem: OnProblem = fail
) -> Iterator[Utterance]:
    """Read a folder made by `save_to_disk`, a folder of Parquet files, or one Parquet file.

    ::

        saved/dataset_dict.json  saved/train/data-00000-of-00002.arrow  saved/train/state.json
        parquet/data/train-00000-of-00003.parquet  parquet/data/validation-00000-of-00001.parquet
        parquet/train/0000.parquet                 parquet/validation/0000.parquet

    The column `audio` holds `{"bytes", "path"}`; the text is the first of sentence, text, raw_transcription,
    transcription, transcript; the speaker the first of client_id, speaker_id, speaker, user_id. `validation` becomes
    `dev`; files that are not named after a split become train where no others are. Clips become 16 kHz FLAC files
    under `audio_dir`; a row with only a path is left where it is.
    """
    # The files are read with pyarrow: the data set library would decode audio with torchcodec, and is large.
    ids = UniqueIds()
    files_of = files_by_split(source)
    if list(files_of) == [""]:
        files_of = {split or split_named_by(source.absolute()) or "train": files_of[""]}
    for name, files in splits_here(files_of, split, source).items():
        number = 0
        for file in files:
            for row in _rows(file, on_problem):
                number += 1
                where = f"{file}: row {number}"
                try:
                    yield _utterance(row, where, number, file, lang, name, ids, audio_dir)
                except VizinhoError as problem:
                    on_problem(problem)


def files_by_split(source: Path) -> dict[str, list[Path]]:
    """Files by split; all under the empty name when the source has no splits.

    Raises CorpusError where some files are named after their split and others are not: these might be of any split.
    """
    if source.is_file():
        return {"": [source]}
    files: dict[str, list[Path]] = {}
    for state in sorted([source / "state.json", *source.glob("*/state.json")]):
        if state.is_file():
            split = "" if state.parent == source else split_called(state.parent.name)
            files[split] = [state.parent / name for name in _listed(state)]
    if files:
        return files
    paths = sorted(source.rglob("*.parquet"))
    splits = {path: split_named_by(path, source) for path in paths}
    for path in paths:
        hub = _HUB_FILE.fullmatch(path.stem)
        named: str | None = splits[path] or ("" if not any(splits.values()) else hub[1] if hub else None)
        if named is None:
            fix = "name it like train-00000-of-00001.parquet, or convert it by itself with --split"
            raise CorpusError("others are named after their split, this file is not", where=path, fix=fix)
        files.setdefault(named, []).append(path)
    return files


def _listed(state: Path) -> list[str]:
    try:
        return [str(entry["filename"]) for entry in json.loads(state.read_text("utf-8"))["_data_files"]]
    except (ValueError, LookupError, TypeError) as error:
        raise CorpusError(f"does not list files ({error})", where=state, fix="save the data set again") from error


def _rows(path: Path, on_problem: OnProblem) -> Iterator[dict[str, Any]]:
    """Rows of a table; one that breaks off is reported, and what comes before is read."""
    import pyarrow
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            # Small batches, since each row has a whole recording.
            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=16):
                yield from batch.to_pylist()
            return
        with pyarrow.memory_map(str(path)) as mapped, pyarrow.ipc.open_stream(mapped) as stream:
            for batch in stream:
                for start in range(0, batch.num_rows, 16):
                    yield from batch.slice(start, 16).to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        on_problem(CorpusError(f"cannot read the table ({error})", where=path, fix="save the data set again"))


def _utterance(
    row: dict[str, Any], where: str, number: int, file: Path, lang: str, split: str, ids: UniqueIds, audio_dir: Path
) -> Utterance:
    audio, text = row.get("audio"), next((row[name] for name in TEXTS if isinstance(row.get(name), str)), None)
    if not isinstance(audio, dict) or text is None:
        raise CorpusError(
            f"no audio or no text among the columns {', '.join(sorted(row))}",
            where=where,
            fix="rename the columns to audio and text; cast audio with Audio(decode=False)",
        )
    stem = Path(audio.get("path") or "").stem
    name = ids(stem or f"{split}-{number:06d}", number)
    path, seconds = _audio(audio, where, file, name, audio_dir / split)
    speaker = first_text(row, SPEAKERS, where)
    # A row's own licence wins over that of the whole set.
    rights = rights_in({"license": _licence(file.parent), **row}, where)
    return Utterance(name, path, text.strip(), lang, speaker, round(seconds, 4), split, **rights)


@cache
def _licence(folder: Path) -> str:
    """The licence that `save_to_disk` wrote beside the files."""
    try:
        info = json.loads((folder / "dataset_info.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    licence = info.get("license") if isinstance(info, dict) else ""
    return licence if isinstance(licence, str) else ""


def _audio(audio: dict[str, Any], where: str, file: Path, name: str, audio_dir: Path) -> tuple[Path, float]:
    if audio.get("bytes"):
        samples, rate = decode_audio(audio["bytes"], where)
        return store_clip(audio_dir, name, samples, rate)
    if not audio.get("path"):
        raise CorpusError("the audio has neither bytes nor a path", where=where, fix="leave the row out")
    path = (file.parent / audio["path"]).absolute()
    return path, duration_of(path, where)
