"""WAV files whose header says less than they hold: a recorder that lost its power never wrote the true length."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, BinaryIO

import soundfile

_SAMPLE_BYTES = {
    "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1,
}  # fmt: skip
_TO_THE_END = b"\xff\xff\xff\xff"  # as a length: libsndfile reads what there is


def whole_wav(file: Any, source: Path | bytes) -> Any:
    """An open soundfile.SoundFile; opened again where its header ends the samples before those of the file end."""
    frame_bytes = _SAMPLE_BYTES.get(file.subtype, 0) * file.channels
    if file.format not in ("WAV", "WAVEX") or not frame_bytes:
        return file
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    unread = size - file.frames * frame_bytes
    # Heads and tags are shorter than a second of audio; without any frame there is nothing else to read.
    if file.frames and unread < frame_bytes * file.samplerate:
        return file
    place = _wrong_length(source, size)
    if place is None:
        return file
    file.close()
    return soundfile.SoundFile(_Corrected(source, place))


def _wrong_length(source: Path | bytes, size: int) -> int | None:
    """Where the length of the samples stands, if neither a chunk nor a tag follows them at the place that it says."""
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        file.seek(12)  # behind RIFF, its length, and WAVE
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            place = file.tell() - 4
            file.seek(length + length % 2, io.SEEK_CUR)  # chunks begin at even places
            if name == b"data":
                return None if _begins_chunk(file, size) else place
    return None


def _begins_chunk(file: BinaryIO, size: int) -> bool:
    after = file.read(8)
    if len(after) < 8 or after.startswith((b"ID3", b"TAG")):
        return True  # the end of the file, or a tag of players
    name, length = struct.unpack("<4sI", after)
    return bool(name.isascii() and name.decode().isprintable() and length <= size - file.tell())


class _Corrected(io.RawIOBase):
    """The bytes of a WAV with another length of its samples: without a copy, for there may be gigabytes."""

    def __init__(self, source: Path | bytes, place: int) -> None:
        self._file: BinaryIO = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
        self._place = place

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; returns the number of bytes."""
        start = self._file.tell()
        data = bytearray(self._file.read(len(buffer)))
        for number, byte in enumerate(_TO_THE_END, start=self._place - start):
            if 0 <= number < len(data):
                data[number] = byte
        buffer[: len(data)] = bytes(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; returns the new place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place of the next byte."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()
