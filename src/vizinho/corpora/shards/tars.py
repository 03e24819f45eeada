"""Writes audio files into tars in the form of webdataset, and reads single files back by offset."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vizinho.corpora.shards.index import Row
from vizinho.errors import AudioError, CorpusError
from vizinho.files import replacing
from vizinho.rights import NO_RIGHTS, Rights

_OPEN = 64  # tars that a process keeps open


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance on its way into a tar: a row without its place, and the audio file's bytes."""

    id: str
    text: str
    speaker: str
    duration_seconds: float
    suffix: str
    """Of the audio file, such as .flac."""
    audio: bytes
    source: str = ""
    more: dict[str, Any] | None = None
    """Other values for the JSON beside the audio."""
    rights: Rights = NO_RIGHTS


def write_tar(path: Path, clips: Iterable[tuple[int, Clip]]) -> list[Row]:
    """Write numbered clips as `NUMBER.SUFFIX` and `NUMBER.json`, whole or not at all; returns their rows.

    The same clips give the same bytes. Raises CorpusError when the folder cannot be written.
    """
    rows = []
    try:
        with replacing(path) as temporary, tarfile.open(temporary, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for number, clip in clips:
                # The key has no dot: for webdataset the kind of a file begins after the first dot.
                key = f"{number:09d}"
                _add(tar, f"{key}{clip.suffix}", clip.audio)
                rows.append(_row(clip, tar.offset))
                _add(tar, f"{key}.json", json.dumps(_beside(clip), ensure_ascii=False).encode())
    except OSError as error:
        raise CorpusError(f"cannot write here ({error.strerror})", where=path, fix="choose another folder") from error
    return rows


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _row(clip: Clip, end: int) -> Row:
    """The row of a clip that ends at `end` with its padding: a member takes whole blocks of 512 bytes."""
    blocks = -(-len(clip.audio) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    row = Row(clip.id, clip.text, clip.speaker, clip.duration_seconds, end - blocks, len(clip.audio), clip.source)
    return replace(row, **asdict(clip.rights))


def _beside(clip: Clip) -> dict[str, Any]:
    values = {"id": clip.id, "text": clip.text, "speaker": clip.speaker, "duration": clip.duration_seconds}
    return values | ({"source": clip.source} if clip.source else {}) | clip.rights.row() | (clip.more or {})


def members(path: Path) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """The members of an uncompressed tar in order, without folders, each with the tar to read it from.

    Links and devices come too: `refusal` says which must not be read. Raises CorpusError naming the tar where it
    cannot be opened, ends too early or is no tar; earlier members are good.
    """
    again = "copy it again; a tar.gz has to be unpacked first"
    try:
        size = path.stat().st_size
        with tarfile.open(path, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it remembers them all, and a tar may hold a million
                if member.size < 0:
                    raise CorpusError(f"{member.name[:200]} has {member.size} bytes", where=path, fix=again)
                if member.isreg() and not member.issparse() and member.offset_data + member.size > size:
                    raise CorpusError("the tar ends too early", where=path, fix="copy it again")
                if not member.isdir():
                    yield member, tar
    # tarfile believes the lengths and numbers in headers, so a broken header raises Python's own errors too.
    except (tarfile.TarError, OSError, ValueError, MemoryError, OverflowError) as error:
        raise CorpusError(f"cannot read the tar ({error or type(error).__name__})", where=path, fix=again) from error


def refusal(member: tarfile.TarInfo) -> str:
    """Why a member is not read, "" for a plain file. A link could lead anywhere, a sparse file unpacks to any size."""
    kinds = ((member.islnk(), "hard link"), (member.issym(), "symbolic link"), (member.issparse(), "file with holes"))
    return next((f"{member.name[:200]} is a {kind}" for yes, kind in kinds if yes), "") or (
        "" if member.isreg() else f"{member.name[:200]} is no file"
    )


class TarBytes:
    """Reads utterances' audio files out of tars by offset; keeps a bounded number of tars open."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, int] = OrderedDict()

    def __call__(self, tar: Path, row: Row) -> bytes:
        """The bytes of one audio file. Raises CorpusError where the tar is gone, AudioError where it ends too early."""
        data = os.pread(self._handle(tar), row.size, row.offset)  # needs no seek, so forked workers may share handles
        if len(data) != row.size:
            raise AudioError("the tar ends before this utterance", where=f"{tar}: {row.id}", fix="copy the tar again")
        return data

    def _handle(self, tar: Path) -> int:
        handle = self._open.get(tar)
        if handle is None:
            try:
                handle = os.open(tar, os.O_RDONLY)
            except OSError as error:
                raise CorpusError(
                    f"a shard cannot be opened ({error.strerror})", where=tar, fix="bring the file back"
                ) from error
            self._open[tar] = handle
            while len(self._open) > _OPEN:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(tar)
        return handle
