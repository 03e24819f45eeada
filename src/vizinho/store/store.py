"""The model store: NAME@VERSION folders under the user's data directory, added whole, one writer at a time.

HOME/models/NAME/VERSION/ holds a model, HOME/models/NAME/current the version that a bare name means. Donors that come
with the package are found beside the store's own: version numbers go on after theirs, so a ref means one model.
"""

from __future__ import annotations

import dataclasses
import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError, StoreError
from vizinho.files import move_folder, scratch_folder, write_text
from vizinho.store.card import DECODER, Card, read_card, verify
from vizinho.store.folder import rewrite_card, write_card

BUNDLED = Path(__file__).parent.parent / "donors"
"""Donors that come with the package: BUNDLED/NAME/VERSION/."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,199}")  # file systems take names of up to 255 bytes
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def default_home() -> Path:
    """$VIZINHO_HOME, else vizinho/ in the user's data directory ($XDG_DATA_HOME or ~/.local/share)."""
    if os.environ.get("VIZINHO_HOME"):
        return Path(os.environ["VIZINHO_HOME"]).expanduser()
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
        roots = [root for root in (self.models, BUNDLED) if root.is_dir()]
        names = {path.name for root in roots for path in root.iterdir()}
        return [entry for name in sorted(names) for entry in self.versions(name)]

    def versions(self, name: str) -> list[Entry]:
        """Versions of a name, oldest first, bundled ones included; empty when there is no such name."""
        if not _NAME.fullmatch(name):
            return []
        # A version in the store hides a bundled one of the same number.
        folders = {v: BUNDLED / name / str(v) for v in _numbers(BUNDLED / name)}
        bundled = set(folders)
        own = _numbers(self.models / name)
        folders |= {v: self.models / name / str(v) for v in own}
        # Without a file `current` (bundled donors have none) the newest version is the current one.
        current = self._current(name) or max(folders, default=0)
        return [Entry(name, v, v == current, v in bundled and v not in own, folders[v]) for v in sorted(folders)]

    def find(self, ref: str) -> Entry | None:
        """The entry of NAME or NAME@VERSION; None when the store does not have it.

        Raises StoreError for a bare name whose current version is gone.
        """
        name, at, number = ref.partition("@")
        versions = self.versions(name)
        # Versions are compared as text: "es@01" and "es@+1" are no names of es@1.
        wanted = [e for e in versions if (e.current if not at else str(e.version) == number)]
        if versions and not wanted and not at:
            raise StoreError(
                f"the current version of {name!r} is gone",
                where=self.models / name / "current",
                fix=f"choose one with `vizinho models rollback`: {', '.join(e.ref for e in versions)}",
            )
        return wanted[0] if wanted else None

    def resolve(self, ref: str) -> Path:
        """Folder of NAME, NAME@VERSION (files checked against the card's hashes), a path to any model folder or .nemo
        archive, or the cached folder of OWNER/NAME on the Hugging Face hub.

        Raises StoreError listing what there is, and ModelError for a file, a corpus or a damaged model of the store.
        """
        entry = self.find(ref)
        if entry is not None:
            verify(entry.folder)
            return entry.folder
        path = Path(ref)
        if path.is_dir() or (path.suffix == ".nemo" and path.is_file()):
            return path
        if is_hub_id(ref):
            from vizinho.store.hub import fetch

            return fetch(ref)
        if path.is_file() or path.suffix in (".jsonl", ".wav", ".flac"):
            raise ModelError(
                "this is a file, not a model", where=ref, fix="give a model's name or folder; corpora go to --corpus"
            )
        known = ", ".join(e.ref for e in self.entries()) or "no models"
        raise StoreError(f"no model {ref!r}", where=self.models, fix=f"the store has {known}")

    def card(self, ref: str) -> Card | None:
        """Card of a model; None for folders without one."""
        return read_card(self.resolve(ref))

    def add(self, name: str, folder: Path, card: Card, *, make_current: bool = True) -> str:
        """Move a model folder into the store as the next version of `name`; returns its ref.

        The card gets its version and hashes on the way. Nothing is left half-written: a version appears by one
        rename. Raises ModelError when `folder` is no model, and StoreError when the store cannot be written; `folder`
        then stays where it is.
        """
        self.check_name(name)
        if not (folder / "config.json").is_file():
            raise ModelError("no model folder", where=folder, fix="give a folder with config.json and weights")
        home = self.models / name
        with self.locked():
            version = max([*_numbers(home), *_numbers(BUNDLED / name), 0]) + 1
            # The card is written where the folder is now, so that the move alone makes the version visible.
            write_card(folder, dataclasses.replace(card, name=name, version=version))
            current = version if make_current else self._current(name) or version - 1
            move_folder(folder, home / str(version))
            if current > 0:
                write_text(home / "current", f"{current}\n")
        return f"{name}@{version}"

    def set_current(self, name: str, version: int) -> str:
        """Make a version the one that the bare name means. Raises StoreError when there is no such version."""
        with self.locked():
            versions = self.versions(name)
            if version not in [e.version for e in versions]:
                known = ", ".join(e.ref for e in versions or self.entries()) or "no models"
                raise StoreError(f"no version {name}@{version}", where=self.models, fix=f"the store has {known}")
            write_text(self.models / name / "current", f"{version}\n")
        return f"{name}@{version}"

    def replace_current(self, name: str, version: int, *, instead_of: int) -> bool:
        """Make a version current if `instead_of` still is; False when another writer has made another one current.

        A comparison of two versions must not replace a third that was added meanwhile.
        """
        with self.locked():
            if [e.version for e in self.versions(name) if e.current] != [instead_of]:
                return False
            write_text(self.models / name / "current", f"{version}\n")
        return True

    def add_score(self, ref: str, score: Mapping[str, Any]) -> bool:
        """Write a score into a version's card, in place of one with the same signature; False for bundled models.

        README.md is written again too, unless somebody has edited it. Raises StoreError for an unknown model.
        """
        with self.locked():
            entry = self.find(ref)
            if entry is None:
                raise StoreError(f"no model {ref!r}", where=self.models, fix="see `vizinho models list`")
            card = read_card(entry.folder)
            # Bundled models belong to the installed package, which may be read-only and is replaced by updates.
            if entry.bundled or card is None:
                return False
            others = [s for s in card.scores if s.get("signature") != score["signature"]]
            rewrite_card(entry.folder, dataclasses.replace(card, scores=[*others, dict(score)]))
        return True

    def add_decoder(self, model: str, write: Callable[[Path], None]) -> Path:
        """Give a model of the store, or a model folder, the decoder that `write` puts into a new folder.

        An earlier one is replaced. Raises StoreError as `decoder_place` does and where the store cannot be written.
        """
        folder = self.decoder_place(model)
        with self.locked(), scratch_folder(folder, DECODER) as scratch:
            write(scratch / DECODER)
            if (folder / DECODER).is_dir():
                (folder / DECODER).rename(scratch / "before")
            (scratch / DECODER).rename(folder / DECODER)
        return folder / DECODER

    def decoder_place(self, model: str) -> Path:
        """The folder of a model that may be given a decoder. Raises StoreError for a bundled model."""
        entry = self.find(model)
        if entry is not None and entry.bundled:
            fix = "write the decoder to a file with --out"
            raise StoreError("a bundled model takes no decoder", where=entry.folder, fix=fix)
        return entry.folder if entry else self.resolve(model)

    def check_name(self, name: str) -> None:
        """Raises StoreError for names that are not 1 to 200 lower-case letters, digits, dots, dashes, underscores."""
        if not _NAME.fullmatch(name):
            fix = "use a-z, 0-9, '.', '-' and '_', at most 200; no version"
            raise StoreError(f"{name!r} is not a name", where="--name", fix=fix)

    def _current(self, name: str) -> int:
        """The version that `current` names; 0 without such a file, -1 when it names no number."""
        try:
            return int((self.models / name / "current").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            return -1

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out, of other processes too. Raises StoreError when the store cannot be written."""
        try:
            self.models.mkdir(parents=True, exist_ok=True)
            # flock also excludes other processes, and the kernel releases it when its holder is killed.
            with (self.models / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise unwritable(error, self.models) from error


def is_hub_id(ref: str) -> bool:
    """Whether a reference has the form of a hub id, OWNER/NAME, and is no path here."""
    return _HUB_ID.fullmatch(ref) is not None and not Path(ref).exists()


def unwritable(error: Exception, where: Path) -> StoreError:
    """The error for a store on a full or read-only disk. Its versions are whole, since each appears by a rename."""
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return StoreError(
        f"cannot be written ({reason})",
        where=where,
        fix="make room or set VIZINHO_HOME to a writable folder, and run the same command again",
    )


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    # A folder without config.json is what a killed copy left, or something else's.
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdecimal() and (p / "config.json").is_file())
