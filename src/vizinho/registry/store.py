"""The model store: NAME@VERSION folders under the user's data directory, added whole, one writer at a time.

HOME/models/NAME/VERSION/ holds a model, HOME/models/NAME/current the version that a bare name means. Donors that come
with the package are found when the store has no model of their name.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vizinho.errors import ModelError, StoreError
from vizinho.files import write_text
from vizinho.registry.card import Card, read_card, verify, write_card

BUNDLED = Path(__file__).parent.parent / "donors"
"""Donors that come with the package: BUNDLED/NAME/VERSION/."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def default_home() -> Path:
    """$VIZINHO_HOME, else vizinho/ in the user's data directory ($XDG_DATA_HOME or ~/.local/share)."""
    if os.environ.get("VIZINHO_HOME"):
        return Path(os.environ["VIZINHO_HOME"])
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vizinho"


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the store."""

    name: str
    version: int
    current: bool
    bundled: bool
    folder: Path

    @property
    def ref(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"


class Store:
    """Models by name and version. Reading never writes: a store on a read-only disk can be read."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home or default_home()
        self.models = self.home / "models"

    def entries(self) -> list[Entry]:
        """All models, bundled donors included, by name and version."""
        names = {
            p.name
            for root in (self.models, BUNDLED)
            if root.is_dir()
            for p in root.iterdir()
            if _NAME.fullmatch(p.name)
        }
        return [entry for name in sorted(names) for entry in self.versions(name)]

    def versions(self, name: str) -> list[Entry]:
        """Versions of a name, oldest first; empty when there is no such name."""
        own, bundled = _numbers(self.models / name), _numbers(BUNDLED / name)
        if own:
            current = self._current(name, own)
            return [Entry(name, v, v == current, False, self.models / name / str(v)) for v in own]
        return [Entry(name, v, v == bundled[-1], True, BUNDLED / name / str(v)) for v in bundled]

    def find(self, ref: str) -> Entry | None:
        """The entry of NAME or NAME@VERSION; None when the store has it not."""
        name, at, number = ref.partition("@")
        wanted = [e for e in self.versions(name) if (e.current if not at else str(e.version) == number)]
        return wanted[0] if wanted else None

    def resolve(self, ref: str) -> Path:
        """Folder of NAME, NAME@VERSION or a path to a model folder; its files are checked against the card.

        Raises StoreError listing what there is, and ModelError for a file, a corpus or a damaged folder.
        """
        entry = self.find(ref)
        if entry is None:
            path = Path(ref)
            if path.is_file() or path.suffix in (".jsonl", ".wav", ".flac"):
                raise ModelError(
                    "this is a file, not a model",
                    where=ref,
                    fix="give a model's name or folder; corpora go to --corpus",
                )
            if not path.is_dir():
                there = ", ".join(e.ref for e in self.entries()) or "no models"
                raise StoreError(f"no model {ref!r}", where=self.models, fix=f"the store has {there}")
            return path
        verify(entry.folder)
        return entry.folder

    def card(self, ref: str) -> Card | None:
        """Card of a model; None for folders without one."""
        return read_card(self.resolve(ref))

    def add(self, name: str, folder: Path, card: Card, *, make_current: bool = True) -> str:
        """Move a model folder into the store as the next version of `name`; returns its ref.

        The card gets its version and hashes on the way. Nothing is left half-written: a version appears by one rename.
        """
        self.check_name(name)
        home = self.models / name
        with self._locked():
            home.mkdir(parents=True, exist_ok=True)
            version = max([*_numbers(home), *_numbers(BUNDLED / name), 0]) + 1
            write_card(folder, dataclasses.replace(card, name=name, version=version))
            arriving = home / f".arriving-{os.getpid()}"
            shutil.rmtree(arriving, ignore_errors=True)
            shutil.move(folder, arriving)
            arriving.replace(home / str(version))
            if make_current:
                write_text(home / "current", f"{version}\n")
        return f"{name}@{version}"

    def set_current(self, name: str, version: int) -> str:
        """Make a version the one that the bare name means. Raises StoreError when there is no such version."""
        with self._locked():
            if version not in _numbers(self.models / name):
                there = ", ".join(e.ref for e in self.versions(name) if not e.bundled) or "no versions of its own"
                raise StoreError(f"no version {name}@{version}", where=self.models, fix=f"the store has {there}")
            write_text(self.models / name / "current", f"{version}\n")
        return f"{name}@{version}"

    def check_name(self, name: str) -> None:
        """Raises StoreError for names that are not lower-case letters, digits, dots, dashes and underscores."""
        if not _NAME.fullmatch(name):
            raise StoreError(
                f"{name!r} is not a name", where="--name", fix="use a-z, 0-9, '.', '-' and '_'; no version"
            )

    def _current(self, name: str, numbers: list[int]) -> int:
        try:
            return int((self.models / name / "current").read_text())
        except (OSError, ValueError):
            return numbers[-1]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.models.mkdir(parents=True, exist_ok=True)
            lock = (self.models / ".lock").open("w")
        except OSError as error:
            raise StoreError(
                f"cannot be written ({error.strerror})", where=self.models, fix="set VIZINHO_HOME to a writable folder"
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdecimal() and (p / "config.json").is_file())
