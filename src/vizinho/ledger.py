"""A file of JSON lines that only grows: each line is on disk before the next task begins."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any


class Ledger:
    """Opens `path` for adding. `lines` are the objects it contains, in order, without a line that a kill cut off;
    `damaged` counts the lines that are none.

    Raises OSError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")
        self.alone = self._share()
        """Whether no other process had the file open for adding."""
        self.lines = self._read()

    def add(self, values: dict[str, Any]) -> None:
        """Add one line and wait until it is on disk."""
        self._file.write(json.dumps(values, ensure_ascii=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _share(self) -> bool:
        # An exclusive lock for a moment tells whether somebody else has the shared one that every user keeps.
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        fcntl.flock(self._file, fcntl.LOCK_SH)
        return alone

    def _read(self) -> list[dict[str, Any]]:
        content = _content(Path(self._file.name))
        # A line that a kill cut off must not swallow the next one.
        if content and not content.endswith("\n"):
            self._file.write("\n")
        objects = _objects(content)
        self.damaged = sum(bool(line.strip()) for line in content.split("\n")) - len(objects)
        return objects


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The objects that `Ledger.lines` would have, without opening the file for adding; none without a file."""
    return _objects(_content(path)) if path.is_file() else []


def _content(path: Path) -> str:
    """The text of a file whose last line may have been cut off within a letter."""
    return path.read_bytes().decode("utf-8", "replace")


def _objects(content: str) -> list[dict[str, Any]]:
    objects = []
    for line in content.split("\n"):  # not splitlines: a name may hold a line separator of Unicode
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            objects.append(values)
    return objects
