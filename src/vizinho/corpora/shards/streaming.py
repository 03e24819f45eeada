"""Packs Hugging Face data into shards while it streams from the hub or from disk, without a copy of the whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vizinho.audio.io import seconds_of
from vizinho.corpora.readers.base import first_text, split_called, splits_here
from vizinho.corpora.readers.huggingface import SPEAKERS, TEXTS, files_by_split
from vizinho.corpora.shards.build import Building
from vizinho.corpora.shards.index import ShardIndex
from vizinho.corpora.shards.tars import Clip, write_tar
from vizinho.corpora.shards.writing import ShardOptions
from vizinho.errors import CorpusError, VizinhoError, first_line
from vizinho.files import write_json
from vizinho.progress import Advance, silent
from vizinho.rights import trainable_rights

_STATE = "streamed.json"  # how far the stream has been packed, as the data set library says it


def open_stream(source: str, split: str, subset: str | None) -> Any:
    """An IterableDataset over a hub id, a folder made by `save_to_disk`, Parquet files, or one of them; audio as bytes.

    Raises CorpusError when the library is missing, or there is no such data.
    """
    try:
        import datasets
    except ImportError as error:
        raise CorpusError(
            f"datasets cannot be imported ({error})", where=source, fix="pip install 'vizinho[streams]'"
        ) from error
    path = Path(source)
    try:
        if not path.exists():
            stream = datasets.load_dataset(source, subset, split=split, streaming=True)
        elif path.is_dir() and list(path.glob("**/state.json")):
            saved = datasets.load_from_disk(source)
            stream = (saved[split] if isinstance(saved, datasets.DatasetDict) else saved).to_iterable_dataset()
        else:
            files_of = files_by_split(path)
            files = files_of.get("") or splits_here(files_of, split_called(split), path)[split_called(split)]
            stream = datasets.load_dataset("parquet", data_files=list(map(str, files)), split="train", streaming=True)
        # Decoding would need torchcodec, and the tar takes the file as it is.
        if stream.features is not None and isinstance(stream.features.get("audio"), datasets.Audio):
            stream = stream.cast_column("audio", datasets.Audio(decode=False))
    except CorpusError:
        raise
    # The library raises errors of many kinds for what it cannot find or reach.
    except Exception as error:
        what = f"cannot be streamed ({first_line(error)})"
        raise CorpusError(what, where=source, fix="give a folder, a Parquet file or the id of a data set") from error
    return stream


def shard_stream(stream: Any, building: Building, options: ShardOptions, progress: Advance = silent) -> ShardIndex:
    """Write rows of an IterableDataset into shards in their order.

    The state of the stream is saved after each shard, so that a stopped command resumes there. Rows without audio or
    text are left out and named.
    """
    state, number, names = building.folder / _STATE, 0, []
    if state.is_file():
        saved = json.loads(state.read_text(encoding="utf-8"))
        number, names = saved["number"], saved["names"]
        stream.load_state_dict(saved["stream"])
        progress(number, "")
    licence = getattr(getattr(stream, "info", None), "license", None) or ""
    rows = ({"license": licence, **row} for row in stream)
    more = True
    while more:
        taking = _Taking(rows, number, building, options.shard_minutes * 60, progress)
        name = f"{building.split}-{len(names):06d}"
        written = write_tar(building.folder / f"{name}.tar", taking)
        if written:
            building.add_rows(name, written)
            names.append(name)
        else:
            (building.folder / f"{name}.tar").unlink()
        number, more = taking.number, not taking.ended
        write_json(state, {"number": number, "names": names, "stream": stream.state_dict()})
    index = building.finish([(name, building.folder / f"{name}.tar") for name in names], {})
    state.unlink()
    return index


class _Taking:
    """Clips for one shard; afterwards `number` counts the rows taken and `ended` tells whether there are no more."""

    def __init__(
        self, rows: Iterator[dict[str, Any]], number: int, building: Building, seconds: float, progress: Advance
    ) -> None:
        self._rows, self.number, self._building, self._seconds = rows, number, building, seconds
        self._progress = progress
        self.ended = False

    def __iter__(self) -> Iterator[tuple[int, Clip]]:
        seconds = 0.0
        while seconds < self._seconds:
            row = next(self._rows, None)
            if row is None:
                self.ended = True
                return
            name = f"{self._building.split}-{self.number:09d}"
            self.number += 1
            self._progress(1, name)
            try:
                clip = _clip(row, name)
            except VizinhoError as problem:
                self._building.leave_out(problem)
                continue
            seconds += clip.duration_seconds
            yield self.number - 1, clip


def _clip(row: dict[str, Any], name: str) -> Clip:
    audio = row.get("audio")
    text = next((row[n] for n in TEXTS if isinstance(row.get(n), str) and row[n].strip()), None)
    if not isinstance(audio, dict) or text is None:
        raise CorpusError(f"no audio or no text among the columns {', '.join(sorted(row))}", where=name)
    data, path = audio.get("bytes"), audio.get("path") or ""
    if data is None:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise CorpusError(f"cannot read {path!r} ({error.strerror})", where=name) from error
    speaker = first_text(row, SPEAKERS, name)
    suffix = Path(path).suffix.lower() or ".wav"
    seconds = round(seconds_of(data, name), 4)
    more = {"file": path} if path else None
    return Clip(name, text.strip(), speaker, seconds, suffix, data, more=more, rights=trainable_rights(row, name))
