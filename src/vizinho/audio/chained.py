"""Finds the streams of files that were joined byte by byte; libsndfile decodes only the first of them.

Ogg calls this chaining (RFC 3533) and allows it, internet radio and `cat` make it of MP3 and FLAC too.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_OGG_PAGE, _OGG_FIRST = b"OggS\x00", b"OggS\x00\x02"  # version 0; flag 2 on the first page of a stream
_FLAC_HEADS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # marker, then a STREAMINFO block of 34 bytes
_MP3_MARKS = (b"Xing", b"Info")
_MP3_OFFSETS = (36, 21, 13)
"""Bytes from a frame's header to its mark: MPEG 1 stereo; MPEG 1 mono and MPEG 2 stereo; MPEG 2 mono."""

Bytes = bytes | mmap.mmap


def split_streams(source: Path | bytes) -> list[bytes]:
    """The bytes of each stream of a file that has several; empty for a file with one, which is not read into memory.

    Raises OSError and ValueError where the file cannot be read.
    """
    if isinstance(source, bytes):
        return _parts(source)
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _parts(mapped)


def _parts(data: Bytes) -> list[bytes]:
    starts = sorted({0, *_starts(data)})  # tags before the first frame belong to the first stream
    ends = [*starts[1:], len(data)]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)] if len(starts) > 1 else []


def _starts(data: Bytes) -> Iterator[int]:
    """Where streams after the first one begin."""
    head = data[:4]
    if head == b"OggS":
        # Streams that play together, such as sound and picture, have their first pages one after another.
        begun = False
        for position in _occurrences(data, _OGG_PAGE):
            first = data[position : position + 6] == _OGG_FIRST
            if first and begun:
                yield position
            begun = not first
    elif head == b"fLaC":
        for mark in _FLAC_HEADS:
            yield from (position for position in _occurrences(data, mark) if position)
    elif head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        frames = sorted(frame for mark in _MP3_MARKS for frame in _mp3_frames(data, mark))
        yield from frames[1:]


def _mp3_frames(data: Bytes, mark: bytes) -> Iterator[int]:
    """Frames that describe the stream that they begin: such a mark is at a fixed place after a frame's header."""
    for position in _occurrences(data, mark):
        for offset in _MP3_OFFSETS:
            header = data[max(0, position - offset) : max(0, position - offset) + 2]
            if len(header) == 2 and header[0] == 0xFF and header[1] & 0xE6 == 0xE2:  # 11 bits of sync, layer 3
                yield position - offset
                break


def _occurrences(data: Bytes, mark: bytes) -> Iterator[int]:
    position = data.find(mark)
    while position >= 0:
        yield position
        position = data.find(mark, position + 1)
