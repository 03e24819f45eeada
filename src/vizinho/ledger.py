"""A file of JSON lines that only grows: what is done is on disk before the next thing begins."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any


class Ledger:
    """Opens `path` for adding. `lines` are the objects that were there, in order; a line that a kill cut off is not.

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
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        fcntl.flock(self._file, fcntl.LOCK_SH)
        return alone

    def _read(self) -> list[dict[str, Any]]:
        self._file.seek(0)
        content = self._file.read()
        if content and not content.endswith("\n"):
            self._file.write("\n")
        return _objects(content)


def read_ledger(path: Path) -> list[dict[str, Any]]:
    """The objects that `Ledger.lines` would have, without opening the file for adding; none where there is none."""
    return _objects(path.read_text(encoding="utf-8")) if path.is_file() else []


def _objects(content: str) -> list[dict[str, Any]]:
    found = []
    for line in content.split("\n"):  # not splitlines: a name may hold a line separator of Unicode
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict):
            found.append(values)
    return found
