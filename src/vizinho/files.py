"""Writes files and folders whole or not at all: under a temporary name, flushed to disk, then moved into place."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically. NaN is refused: other readers do not know it."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Hash of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def move_folder(source: Path, destination: Path) -> None:
    """Move a folder, across file systems too; `destination` must not exist and appears by one rename, flushed to disk.

    Raises OSError; `source` is then still whole.
    """
    if destination.exists():
        raise FileExistsError(f"{destination} exists")
    destination.parent.mkdir(parents=True, exist_ok=True)
    if source.stat().st_dev == destination.parent.stat().st_dev:
        _flush(source)
        source.rename(destination)
    else:
        _copy_in(source, destination)
        shutil.rmtree(source)
    _flush_entry(destination.parent)


def _copy_in(source: Path, destination: Path) -> None:
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}.") as place:
        arriving = Path(place) / "arriving"
        shutil.copytree(source, arriving)
        _flush(arriving)
        arriving.rename(destination)


def _flush(folder: Path) -> None:
    """Without this, a power cut after the rename could leave the right names with empty files."""
    for path in [*folder.rglob("*"), folder]:
        _flush_entry(path)


def _flush_entry(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
