"""The head of a WAV that comes piece by piece: what its samples are, and where they begin."""

from __future__ import annotations

import struct

_ENCODINGS = {(1, 16): "linear16", (6, 8): "alaw", (7, 8): "mulaw"}  # by format tag and bits a sample
_EXTENSIBLE = 0xFFFE  # the format tag is in the first two bytes of a GUID, 24 bytes into the chunk
_MOST_BYTES = 1 << 20  # of chunks before the samples


def wav_samples(data: bytes) -> tuple[int, str, int, int] | None:
    """(offset of the samples, encoding, rate in Hz, channels); None where more of the head has to come.

    The sizes of RIFF and data are not read: writers of live audio do not know them. Raises ValueError for samples that
    are not 16 bits, A-law or mu-law, and for a head without end.
    """
    offset, found = 12, None
    while len(data) >= offset + 8:
        name, size = struct.unpack_from("<4sI", data, offset)
        offset += 8
        if name == b"data" and found:
            return offset, *found
        if name == b"data" or size > _MOST_BYTES:
            raise ValueError("not the head of a WAV")
        if name == b"fmt " and len(data) >= offset + size >= offset + 16:
            found = _format(data[offset : offset + size])
        offset += size + size % 2  # chunks begin at even places
    return None


def _format(chunk: bytes) -> tuple[str, int, int]:
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if (tag, bits) not in _ENCODINGS:
        raise ValueError(f"format {tag} with {bits} bits a sample")
    return _ENCODINGS[tag, bits], rate, channels
