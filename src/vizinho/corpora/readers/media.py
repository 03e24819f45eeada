"""Finds the recording of a document: where the document says, or where it was moved to."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from vizinho.corpora.documents import Document, Media
from vizinho.corpora.readers.base import visible_files
from vizinho.errors import CorpusError
from vizinho.files import is_file

SOUND = (".wav", ".flac", ".aif", ".aiff", ".opus", ".ogg", ".oga", ".mp3", ".m4a")
PICTURES = (".mp4", ".webm", ".mkv", ".mov", ".m4v")
"""Videos have sound too; they are taken where there is no other recording."""
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # Label Studio puts this before the name of a file


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording of a document. Time 0 of the document is `offset_seconds` into it."""

    path: Path
    offset_seconds: float
    moved: bool
    """It is not where the document says."""


class MediaFinder:
    """Looks for recordings beside documents and in the folders that the user names, at any depth."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._beside: dict[Path, dict[str, list[Path]]] = {}

    @cached_property
    def _elsewhere(self) -> dict[str, list[Path]]:
        """Recordings of all folders by name; looked for when the first one is not where it should be."""
        return _by_name(path for folder in dict.fromkeys(self._folders) for path in visible_files(folder))

    def find(self, document: Document) -> Recording:
        """The recording of a document.

        The place that the document names comes first, then its name in the known folders with any suffix, then the
        document's own name. Raises CorpusError where there is none, or several of that name.
        """
        media = sorted(document.media, key=lambda m: _path(m).suffix.lower() in PICTURES)
        for named in media:
            place = document.path.parent / _path(named)
            if _path(named).name and is_file(place):
                return Recording(Path(os.path.abspath(place)), named.offset_seconds, moved=False)  # noqa: PTH100
        # Programs name the recording without its folder, or not at all: then it is called as the document is.
        own = Media(document.path.stem, media[0].line if media else 0, media[0].offset_seconds if media else 0.0)
        for named in [*media, own]:
            name = _path(named).name
            stems = (name.rsplit(".", dots)[0] for dots in range(1, name.count(".") + 1))  # film.pt.srt is of film.mp4
            for key in (name, _UPLOADED.sub("", name), *stems):
                if path := self._nearest(key, document.path):
                    return Recording(Path(os.path.abspath(path)), named.offset_seconds, moved=bool(media))  # noqa: PTH100
        names = ", ".join(dict.fromkeys(_path(m).name for m in media)) or f"{document.path.stem}.wav"
        where = f"{document.path}:{own.line}" if own.line else document.path
        raise CorpusError(
            f"no recording {names}", where=where, fix="put it beside the file, or name its folder: --media"
        )

    def _nearest(self, name: str, document: Path) -> Path | None:
        """The file of that name in the document's folder, or the only one elsewhere; sound before video."""
        parent = document.absolute().parent
        if parent not in self._beside:
            self._beside[parent] = _by_name(p for p in sorted(parent.iterdir()) if not p.name.startswith("."))
        paths = self._beside[parent].get(_key(name)) or self._elsewhere.get(_key(name), [])
        sounds = [p for p in paths if p.suffix.lower() in SOUND] or paths
        if len({p.absolute().parent for p in sounds}) > 1:
            what = f"{len(sounds)} recordings are called {name}: {', '.join(map(str, sounds[:3]))}"
            raise CorpusError(what, where=document, fix="put the right one beside the file")
        return min(sounds, key=lambda p: (SOUND + PICTURES).index(p.suffix.lower()), default=None)


def _by_name(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Recordings by their names, with and without the suffix."""
    named: dict[str, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        if path.suffix.lower() in SOUND + PICTURES and is_file(path):
            named[_key(path.name)].append(path)
            named[_key(path.stem)].append(path)
    return named


def _key(name: str) -> str:
    """A name without capitals; accents are parts of their letters, which macOS takes apart."""
    return unicodedata.normalize("NFC", name.casefold())


def _path(media: Media) -> Path:
    """The path in a name, a file URL of any system, or the address of an upload."""
    parts = urlsplit(media.name)
    query = parse_qs(parts.query).get("d", [])  # Label Studio's local files: /data/local-files/?d=folder/a.wav
    # "C:" of a Windows path would be the scheme of an address.
    address = parts.scheme in ("file", "http", "https", "s3", "gs")
    name = query[0] if query else parts.path if address else media.name
    return Path(re.sub(r"^/?[A-Za-z]:", "", unquote(name).replace("\\", "/")))
