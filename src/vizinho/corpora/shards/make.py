"""Makes a sharded corpus of any source, and guesses the kind of the source."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vizinho.corpora.readers.base import split_called, split_named_by
from vizinho.corpora.shards.build import Building
from vizinho.corpora.shards.foreign import index_lhotse_shar, index_webdataset
from vizinho.corpora.shards.index import ShardIndex
from vizinho.corpora.shards.streaming import open_stream, shard_stream
from vizinho.corpora.shards.writing import ShardOptions, shard_manifest
from vizinho.errors import CorpusError
from vizinho.progress import Advance, silent

KINDS = ("manifest", "webdataset", "lhotse-shar", "huggingface")


def make_shards(
    source: str,
    out: Path,
    *,
    kind: str | None = None,
    lang: str | None = None,
    split: str = "train",
    subset: str | None = None,
    options: ShardOptions = ShardOptions(),
    progress: Advance = silent,
) -> ShardIndex:
    """Make the sharded corpus of `source` under `out`, or resume making it, or return the finished one.

    Args:
        source: A manifest, a folder or file of webdataset tars, a folder of lhotse shar, or Hugging Face data.
        out: Folder of the corpus.
        kind: One of KINDS; None guesses.
        lang: Language code; needed for everything but manifests.
        split: Split to read of Hugging Face data, and of tars that are named after their split.
        subset: Configuration of Hugging Face data.
        options: How shards are cut, where any are written.
        progress: Told about each utterance.

    Raises CorpusError for a source that cannot be read, and when `out` holds something else.
    """
    kind = kind or _guess(source)
    if kind not in KINDS:
        raise CorpusError(f"unknown kind of source {kind!r}", where="--format", fix=f"one of {', '.join(KINDS)}")
    path = Path(source)
    if kind == "manifest":
        return shard_manifest(path, out, options, progress)
    if lang is None:
        raise CorpusError("the language is not known", where=source, fix="give --lang, such as --lang pt")
    if kind == "huggingface":
        building = Building(out, lang, "train", f"{kind} {source} {split} {subset} {lang} {options}")
        return building.done or shard_stream(open_stream(source, split, subset), building, options, progress)
    tars, others = _tars(path, split_called(split))
    sizes = " ".join(f"{os.path.relpath(tar, path)}:{tar.stat().st_size}" for tar in tars)
    building = Building(out, lang, "train", f"{kind} {lang} {hashlib.sha256(sizes.encode()).hexdigest()}")
    if building.done is not None:
        return building.done
    for tar in others:
        building.leave_out(CorpusError(f"a tar of another split than {split!r}", where=tar))
    if kind == "webdataset":
        return index_webdataset(tars, building, progress)
    return index_lhotse_shar(path, building, progress)


def _tars(path: Path, split: str) -> tuple[list[Path], list[Path]]:
    """Tars to read, and those named after another split. Raises CorpusError when only the latter are there."""
    if path.is_file():
        return [path], []
    splits = {tar: split_named_by(tar, path) for tar in sorted(path.rglob("*.tar"))}
    others = [tar for tar, name in splits.items() if name not in (None, split)]
    if others and len(others) == len(splits):
        names = ", ".join(sorted({str(splits[tar]) for tar in others}))
        raise CorpusError(f"no tars of split {split!r}", where=path, fix=f"give --split, one of {names}")
    return [tar for tar in splits if tar not in others], others


_SUFFIXES = {".jsonl": "manifest", ".tar": "webdataset", ".parquet": "huggingface"}


def _guess(source: str) -> str:
    path = Path(source)
    if path.is_file():
        return _SUFFIXES.get(path.suffix, "manifest")
    if not path.exists():
        # The id of a data set on the hub is NAME or OWNER/NAME.
        if path.suffix in _SUFFIXES or source.startswith((".", "/")) or source.count("/") > 1:
            raise CorpusError("no such file or folder", where=source, fix="check the path")
        return "huggingface"
    if any(path.glob("cuts.*.jsonl*")):
        return "lhotse-shar"
    return "webdataset" if any(path.rglob("*.tar")) else "huggingface"
