"""Builds a sharded corpus: writes rows shard by shard, and sums them up into the index."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vizinho.corpora.manifest import SHARDS_INDEX, write_lines
from vizinho.corpora.shards.index import (
    Row,
    Shard,
    ShardIndex,
    count_letters,
    read_index,
    read_rows,
    row_lines,
    write_index,
)
from vizinho.errors import CorpusError, VizinhoError
from vizinho.files import sha256, write_json
from vizinho.rights import Tally
from vizinho.text.normalize import get_normalizer

LEFT_OUT = "left-out.jsonl"
_MAKING = "making.json"  # in the folder until the index is; says what the shards there are made of


@dataclass(slots=True)
class Building:
    """An unfinished corpus: a folder, what it is made of, and what was left out.

    Raises CorpusError when the folder holds a corpus of something else, finished or not.
    """

    folder: Path
    lang: str
    split: str
    origin: str
    """Hash of the source and of the options that shape the shards."""
    done: ShardIndex | None = None
    """The finished corpus, where this one was made before."""

    def __post_init__(self) -> None:
        other = CorpusError(
            "another corpus is here", where=self.folder, fix="give an empty folder to --out, or remove this one"
        )
        if (self.folder / SHARDS_INDEX).is_file():
            self.done = read_index(self.folder)
            if self.done.origin != self.origin:
                raise other
            return
        making = self.folder / _MAKING
        names = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        resumed = _MAKING in names and json.loads(making.read_text(encoding="utf-8")) == {"origin": self.origin}
        if not resumed and names - {_MAKING}:  # an attempt that failed before its first shard does not count
            raise other
        try:
            write_json(making, {"origin": self.origin})
        except OSError as error:
            raise CorpusError(
                f"cannot write here ({error.strerror})", where=self.folder, fix="choose another folder"
            ) from error

    def rows_path(self, name: str) -> Path:
        """Path of a shard's rows; they are written after its tar, so a shard that has them is whole."""
        return self.folder / f"{name}.jsonl"

    def add_rows(self, name: str, rows: Iterable[Row]) -> None:
        """Write the rows of a shard."""
        write_lines(self.rows_path(name), row_lines(rows))

    def finish(self, tars: Iterable[tuple[str, Path]], manifests: dict[str, str]) -> ShardIndex:
        """Read all rows once, shard by shard, and write the index. Tars come as (name of their rows, path).

        Memory holds one shard's rows, the letters and the speakers. Raises CorpusError when there are no utterances.
        """
        normalizer = get_normalizer(self.lang)
        letters: Counter[str] = Counter()
        speakers: set[str] = set()
        rights = Tally()
        shards = []
        for name, tar in tars:
            rows_path = self.rows_path(name)
            rows = read_rows(rows_path)
            if not rows:
                continue
            speakers |= {row.speaker for row in rows if row.speaker}  # unknown speakers are not counted as one
            letters.update(count_letters(rows, normalizer))
            for row in rows:
                rights.add(row.rights, row.duration)
            shards.append(_shard(self.folder, tar, rows_path, rows))
        problems = self._problems()
        index = ShardIndex(
            self.folder,
            self.lang,
            self.split,
            tuple(shards),
            len(speakers),
            normalizer.name,
            dict(sorted(letters.items())),
            manifests,
            len(problems),
            self.origin,
            rights.summary(),
        )
        if not index.utterances:
            fix = f"the first of {len(problems)} problems: {problems[0]}" if problems else "check the source"
            raise CorpusError("no utterance could be put into a shard", where=self.folder, fix=fix)
        write_index(index)
        (self.folder / _MAKING).unlink(missing_ok=True)
        return index

    def leave_out(self, problem: VizinhoError) -> None:
        """Name what is left out. Repeated after a resume, it still counts once."""
        line = json.dumps({"where": problem.where, "what": problem.what}, ensure_ascii=False)
        with (self.folder / LEFT_OUT).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _problems(self) -> list[str]:
        path = self.folder / LEFT_OUT
        if not path.is_file():
            return []
        lines = list(dict.fromkeys(path.read_text(encoding="utf-8").splitlines()))
        write_lines(path, lines)
        return lines


def _shard(folder: Path, tar: Path, rows_path: Path, rows: list[Row]) -> Shard:
    relative = Path(os.path.relpath(tar, folder)).as_posix()
    digest = hashlib.sha256(rows_path.read_bytes()).hexdigest()
    seconds = round(sum(row.duration for row in rows), 3)
    return Shard(relative, rows_path.name, len(rows), seconds, tar.stat().st_size, sha256(tar), digest)
