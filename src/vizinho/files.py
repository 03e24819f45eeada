"""Writes files and folders whole or not at all: under a temporary name, flushed to disk, then moved into place.

Also locks, and scratch folders that do not outlive a killed process for long.
"""

from __future__ import annotations

import fcntl
import functools
import glob
import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vizinho.errors import VizinhoError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends without an error, its file is moved to `path`.

    The file is flushed to disk before it is moved, so a reader sees the old file or the new one, after a power cut too.
    Raises OSError as writing does; `path` is then unchanged and nothing stays behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: a rename is atomic only within one file system. Random, so that two writers do not meet.
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        yield temporary
        _flush_entry(temporary)
        temporary.replace(path)
        _flush_entry(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically; a reader sees the old file or the new one."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically. NaN is refused: other readers do not know it."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_toml(path: Path, what: str, error: type[VizinhoError]) -> dict[str, Any]:
    """The tables of a TOML file. Raises `error`, which says `what` it is, where it is missing or broken."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise error(f"no such {what}", where=path, fix="check the path") from missing
    except OSError as fault:
        raise error(f"the {what} cannot be read ({fault.strerror})", where=path, fix="give a TOML file") from fault
    except ValueError as fault:
        raise error(f"not valid TOML ({fault})", where=path, fix="correct the line it names") from fault


def json_object(path: Path) -> dict[str, Any]:
    """The object in a file of JSON; empty where there is no such file, or it holds something else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def is_file(path: Path) -> bool:
    """Whether a file exists. A name too long for any disk (from a damaged table) counts as missing, not as an error."""
    try:
        return path.is_file()
    except OSError:
        return False


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
        # Copied next to the destination first, so that it appears there by a rename as well.
        _copy_in(source, destination)
        shutil.rmtree(source)
    _flush_entry(destination.parent)


def _copy_in(source: Path, destination: Path) -> None:
    with scratch_folder(destination.parent, destination.name) as place:
        arriving = place / "arriving"
        shutil.copytree(source, arriving)
        _flush(arriving)
        arriving.rename(destination)


@contextmanager
def sole_lock(path: Path) -> Iterator[bool]:
    """Take the lock that a file stands for, and remove the file after; yields False where another process has it.

    Raises OSError where the file cannot be written. A killed process loses its locks, and its forks never have them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _lock(path)
    try:
        yield handle is not None
    finally:
        if handle in _locks:
            _locks.discard(handle)
            path.unlink(missing_ok=True)
            os.close(handle)


_locks: set[int] = set()
"""File descriptors of the locks that this process owns."""


def _lock(path: Path) -> int | None:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed the file since it was opened: then the lock is that of a newer file.
            current = os.path.samestat(os.fstat(handle), path.stat())
        except BlockingIOError:
            os.close(handle)
            return None
        except FileNotFoundError:
            current = False
        if current:
            if not _locks:
                _forget_in_forks()
            _locks.add(handle)
            return handle
        os.close(handle)


@functools.cache
def _forget_in_forks() -> None:
    """Drop locks in forks: a fork shares its parent's locks, and would keep them for seconds after a killed parent."""

    def forget() -> None:
        for handle in _locks:
            os.close(handle)
        _locks.clear()

    os.register_at_fork(after_in_child=forget)


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder `.NAME.*` under `parent`, removed when the block ends. Raises OSError where none can be made.

    Folders of the same name that killed processes left are removed first: their locks are free.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f".{glob.escape(name)}.*.lock"):
        with sole_lock(left) as owned:
            if owned:
                shutil.rmtree(left.with_suffix(""), ignore_errors=True)
    while True:
        folder = parent / f".{name}.{os.urandom(6).hex()}"
        with sole_lock(folder.with_name(f"{folder.name}.lock")) as owned:
            if not owned:
                continue  # another process saw the lock before it was taken, and is removing the folder
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return


def _flush(folder: Path) -> None:
    # Without this, a power cut after the rename could leave the right names with empty files.
    for path in [*folder.rglob("*"), folder]:
        _flush_entry(path)


def _flush_entry(path: Path) -> None:
    # Folders too: a new name is on disk only when its folder is.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
