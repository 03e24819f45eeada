"""Owns the format of a sharded corpus: a folder with `corpus.json`, and for every tar of audio a file of rows.

::

    DIR/corpus.json          what is in it, shard by shard: all that training reads at its start
    DIR/train-000000.tar     audio (and a JSON beside each, so that other programs can read the tar alone)
    DIR/train-000000.jsonl   one row per utterance: text, speaker, seconds, and the place of its audio in the tar
    DIR/dev.jsonl dev/       the other splits, as plain manifests with their audio

Rows name bytes, so any utterance of any uncompressed tar can be read without what comes before it. This makes an epoch
a function of its number, and lets a stopped run resume in the middle of one.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import SHARDS_INDEX
from vizinho.errors import CorpusError, TextError
from vizinho.files import write_json
from vizinho.records import Utterance
from vizinho.rights import Rights
from vizinho.text.normalize import Normalizer

_VERSION = 1
_MEND = "make it again with `vizinho corpus shard`"


@dataclass(frozen=True, slots=True)
class Row:
    """One utterance of a shard, and the bytes of the tar that hold its audio file."""

    id: str
    text: str
    speaker: str
    duration: float
    """Seconds."""
    offset: int
    size: int
    source: str = ""
    licence: str = ""
    consent: str = ""
    restrictions: Sequence[str] = ()

    @property
    def rights(self) -> Rights:
        """Of the speech."""
        return Rights(self.licence, self.consent, tuple(self.restrictions))


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar and its rows. Both paths are relative to the index's folder."""

    tar: str
    rows: str
    utterances: int
    seconds: float
    bytes: int
    """Size of the tar; another size means another file."""
    sha256: str
    """Of the tar."""
    rows_sha256: str


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """A sharded corpus of one language and split. `letters` counts characters as `normalizer` writes the texts."""

    folder: Path
    lang: str
    split: str
    shards: tuple[Shard, ...]
    speakers: int
    normalizer: str
    letters: dict[str, int]
    manifests: dict[str, str]
    """Plain manifests of the other splits, relative to the folder."""
    left_out: int = 0
    """Utterances of the source that were left out; `left-out.jsonl` names them."""
    origin: str = ""
    """Hash of the source and of the options."""
    rights: Sequence[Mapping[str, Any]] = ()
    """Utterances and minutes by licence and restrictions (`vizinho.rights.summary`); empty in older indexes."""

    @property
    def utterances(self) -> int:
        """Utterances in all shards."""
        return sum(s.utterances for s in self.shards)

    @property
    def seconds(self) -> float:
        """Seconds of audio in all shards."""
        return sum(s.seconds for s in self.shards)

    @property
    def fingerprint(self) -> str:
        """Name of the data in 16 hexadecimal digits: SHA-256 over the hashes of all tars and rows, in any order."""
        rows = sorted(f"{s.sha256} {s.rows_sha256}" for s in self.shards)
        return hashlib.sha256("\n".join([self.lang, self.split, *rows]).encode()).hexdigest()[:16]

    def manifest(self, split: str) -> Path | None:
        """The plain manifest of another split, if the corpus has one."""
        return self.folder / self.manifests[split] if split in self.manifests else None

    def tar(self, shard: Shard) -> Path:
        """Where a shard's audio is."""
        return self.folder / shard.tar

    def utterance(self, shard: Shard, row: Row) -> Utterance:
        """The row as an utterance; its audio names tar and id, and is no file of its own."""
        audio = self.tar(shard) / row.id
        utterance = Utterance(row.id, audio, row.text, self.lang, row.speaker, row.duration, self.split)
        return replace(utterance, source=row.source, **asdict(row.rights))


def index_path(path: Path) -> Path | None:
    """The index at a path (the folder, or the file itself); None for anything else."""
    if path.is_dir() and (path / SHARDS_INDEX).is_file():
        return path / SHARDS_INDEX
    return path if path.name == SHARDS_INDEX and path.is_file() else None


def write_index(index: ShardIndex) -> Path:
    """Write `corpus.json` whole or not at all; returns its path."""
    values = asdict(index)
    values.pop("folder")
    path = index.folder / SHARDS_INDEX
    write_json(path, {"version": _VERSION, **values})
    return path


def read_index(path: Path) -> ShardIndex:
    """Read the index of a sharded corpus: its folder or its file. Raises CorpusError for anything else."""
    place = index_path(path)
    if place is None:
        raise CorpusError(f"no {SHARDS_INDEX} here", where=path, fix="make one with `vizinho corpus shard`")
    try:
        values: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        version = values.pop("version")
        shards = tuple(Shard(**shard) for shard in values.pop("shards"))
        index = ShardIndex(folder=place.parent, shards=shards, **values)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorpusError(f"not an index of shards ({error})", where=place, fix=_MEND) from error
    if version != _VERSION:
        raise CorpusError(f"an index of version {version}, this program reads {_VERSION}", where=place, fix=_MEND)
    if not index.utterances:
        raise CorpusError("the sharded corpus holds no utterances", where=place, fix=_MEND)
    return index


def row_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Rows as lines of JSON without line ends; empty values are left out."""
    for row in rows:
        values = {
            key: value for key, value in asdict(row).items() if value not in ("", ()) or key in ("text", "speaker")
        }
        yield json.dumps(values, ensure_ascii=False)


def read_rows(path: Path, sha256: str = "") -> list[Row]:
    """All rows of one shard. Raises CorpusError where the file is missing or has changed."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read the rows of a shard ({error.strerror})", where=path, fix=_MEND) from error
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise CorpusError("the rows of a shard have changed since the index was made", where=path, fix=_MEND)
    try:
        return [Row(**json.loads(line)) for line in content.split(b"\n") if line]
    except (ValueError, TypeError) as error:
        raise CorpusError(f"not the rows of a shard ({error})", where=path, fix=_MEND) from error


def count_letters(rows: Iterable[Row], normalizer: Normalizer) -> Counter[str]:
    """How often each letter occurs in normalised texts. Those that cannot be normalised are skipped here; training
    names them."""
    letters: Counter[str] = Counter()
    for row in rows:
        with suppress(TextError):
            letters.update(normalizer(row.text).replace(" ", ""))
    return letters


def spelt_by(index: ShardIndex, normalizer: Normalizer) -> ShardIndex:
    """The index with its letters as this normaliser writes them; reads all rows where it was made with another one."""
    if index.normalizer == normalizer.name:
        return index
    letters: Counter[str] = Counter()
    for shard in index.shards:
        letters.update(count_letters(read_rows(index.folder / shard.rows, shard.rows_sha256), normalizer))
    return replace(index, normalizer=normalizer.name, letters=dict(sorted(letters.items())))


def first_texts(indexes: Iterable[ShardIndex], most: int = 200_000) -> Iterator[str]:
    """The first texts of the shards: enough of them to learn subword pieces from."""
    texts = (row.text for i in indexes for s in i.shards for row in read_rows(i.folder / s.rows, s.rows_sha256))
    return islice(texts, most)
