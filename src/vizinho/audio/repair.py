"""Files that libsndfile does not read whole: joined streams, Ogg Opus with a wrong clock, WAV with a wrong length.

Of streams that were joined byte by byte it decodes only the first. Ogg calls this chaining (RFC 3533) and allows it,
internet radio and `cat` make it of MP3 and FLAC too. A recorder that lost its power never wrote a WAV's true length.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import soundfile

_OGG_PAGE, _OGG_FIRST = b"OggS\x00", b"OggS\x00\x02"  # version 0; flag 2 on the first page of a stream
_FLAC_HEADS = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")  # marker, then a STREAMINFO block of 34 bytes
_MP3_MARKS = (b"Xing", b"Info")
_MP3_OFFSETS = (36, 21, 13)
"""Bytes from a frame's header to its mark: MPEG 1 stereo; MPEG 1 mono and MPEG 2 stereo; MPEG 2 mono."""
_WINDOW_BYTES, _OVERLAP_BYTES = 16 * 2**20, 64
_HEADER_BYTES = 27
_END_OF_STREAM = 4
_HEADER_PAGES = 2  # OpusHead and OpusTags come first (RFC 7845); short tags fit one page
_FRAME_SAMPLES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
"""Samples at 48 kHz of one frame, by the configuration number in a packet's first byte (RFC 6716, table 2)."""
_SAMPLE_BYTES = {
    "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8, "ULAW": 1, "ALAW": 1,
}  # fmt: skip
_TO_THE_END = b"\xff\xff\xff\xff"  # as a length: libsndfile reads what there is


def split_streams(source: Path | bytes) -> list[bytes]:
    """The bytes of each stream of a file that has several; empty for a file with one, which is not held in memory.

    Raises OSError where the file cannot be read.
    """
    starts = sorted({0, *_starts(source)})  # tags before the first frame belong to the first stream
    if len(starts) == 1:
        return []
    data = source if isinstance(source, bytes) else source.read_bytes()
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def _starts(source: Path | bytes) -> Iterator[int]:
    """Where streams after the first one begin."""
    head = _head(source)
    if head == b"OggS":
        # Streams that play together, such as sound and picture, have their first pages one after another.
        begun = False
        for position, window, place in _occurrences(source, _OGG_PAGE):
            first = window[place : place + len(_OGG_FIRST)] == _OGG_FIRST
            if first and begun:
                yield position
            begun = not first
    elif head == b"fLaC":
        for mark in _FLAC_HEADS:
            yield from (position for position, _, _ in _occurrences(source, mark) if position)
    elif head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        frames = sorted(frame for mark in _MP3_MARKS for frame in _mp3_frames(source, mark))
        yield from frames[1:]


def _head(source: Path | bytes) -> bytes:
    # Of a file only these bytes are read: a long WAV need not be looked through.
    if isinstance(source, bytes):
        return source[:4]
    with source.open("rb") as file:
        return file.read(4)


def _mp3_frames(source: Path | bytes, mark: bytes) -> Iterator[int]:
    """Frames that describe the stream that they begin: such a mark is at a fixed place after a frame's header."""
    for position, window, place in _occurrences(source, mark):
        for offset in _MP3_OFFSETS:
            header = window[max(0, place - offset) :][:2]
            if len(header) == 2 and header[0] == 0xFF and header[1] & 0xE6 == 0xE2:  # 11 bits of sync, layer 3
                yield position - offset
                break


def _occurrences(source: Path | bytes, mark: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Each place of a mark in the file, a window around it, and its place in the window."""
    last = -1
    for offset, window in _windows(source):
        place = window.find(mark)
        while place >= 0:
            if offset + place > last:  # windows overlap
                last = offset + place
                yield last, window, place
            place = window.find(mark, place + 1)


def _windows(source: Path | bytes) -> Iterator[tuple[int, bytes]]:
    """Parts of a file with their offsets; what is cut at the end of one is whole in the next."""
    if isinstance(source, bytes):
        yield 0, source
        return
    with source.open("rb") as file:
        offset, window = 0, file.read(_WINDOW_BYTES)
        while window:
            yield offset, window
            more = file.read(_WINDOW_BYTES)
            offset += len(window) - _OVERLAP_BYTES
            window = window[-_OVERLAP_BYTES:] + more if more else b""


def repair_clock(data: bytes) -> bytes:
    """Set the position of every page to the number of samples so far; the trimming at the end of the stream stays.

    Some muxers write positions that jump between pages. Players ignore this; libsndfile calls the file malformed.
    Raises ValueError for data that is not Ogg Opus.
    """
    if data[:4] != b"OggS" or b"OpusHead" not in data[:64]:
        raise ValueError("not Ogg Opus")
    repaired, samples, unfinished = bytearray(), 0, b""
    for number, page in enumerate(_pages(data)):
        packets, unfinished = _packets(page, unfinished)
        if number >= _HEADER_PAGES and packets:
            samples += sum(map(_packet_samples, packets))
            written = struct.unpack_from("<q", page, 6)[0]
            struct.pack_into("<q", page, 6, min(written, samples) if page[5] & _END_OF_STREAM else samples)
            struct.pack_into("<I", page, 22, 0)  # the checksum is computed with zeros in its own place
            struct.pack_into("<I", page, 22, _checksum(page))
        repaired += page
    return bytes(repaired)


def _pages(data: bytes) -> Iterator[bytearray]:
    start = 0
    while start < len(data):
        if data[start : start + 4] != b"OggS" or len(data) < start + _HEADER_BYTES:
            raise ValueError("not a page of Ogg")
        lacing = data[start + _HEADER_BYTES : start + _HEADER_BYTES + data[start + 26]]
        end = start + _HEADER_BYTES + len(lacing) + sum(lacing)
        yield bytearray(data[start:end])
        start = end


def _packets(page: bytearray, unfinished: bytes) -> tuple[list[bytes], bytes]:
    packets, position = [], _HEADER_BYTES + page[26]
    for size in page[_HEADER_BYTES:position]:
        unfinished += bytes(page[position : position + size])
        position += size
        if size < 255:  # a packet ends with the first segment that is not full; it may begin on an earlier page
            packets.append(unfinished)
            unfinished = b""
    return packets, unfinished


def _packet_samples(packet: bytes) -> int:
    if not packet:
        return 0
    code = packet[0] & 3  # frame count code (RFC 6716, section 3.2): one frame, two, two, or as the next byte says
    frames = 1 if code == 0 else 2 if code < 3 else packet[1] & 63
    return _FRAME_SAMPLES[packet[0] >> 3] * frames


def _checksum(page: bytearray) -> int:
    crc = 0
    for byte in page:
        crc = ((crc << 8) & 0xFFFFFFFF) ^ _CRC[(crc >> 24) ^ byte]
    return crc


def _crc_row(byte: int) -> int:
    row = byte << 24  # Ogg's CRC-32 has the usual polynomial, but no reflection and no inversion
    for _ in range(8):
        row = ((row << 1) ^ (0x04C11DB7 if row & 0x80000000 else 0)) & 0xFFFFFFFF
    return row


_CRC = tuple(map(_crc_row, range(256)))


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
