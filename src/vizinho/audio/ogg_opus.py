"""Repairs the clock of Ogg Opus files with wrong page positions, which libsndfile refuses to decode."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER_BYTES = 27
_END_OF_STREAM = 4
_HEADER_PAGES = 2  # OpusHead and OpusTags come first (RFC 7845); short tags fit one page
_FRAME_SAMPLES = (480, 960, 1920, 2880) * 3 + (480, 960) * 2 + (120, 240, 480, 960) * 4
"""Samples at 48 kHz of one frame, by the configuration number in a packet's first byte (RFC 6716, table 2)."""


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
