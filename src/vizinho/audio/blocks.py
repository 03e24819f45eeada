"""Audio from files, bytes, or the packets of a live stream, as 16 kHz blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from vizinho.audio.containers import DEFAULT_LIMITS, AudioLimits, open_native
from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.errors import AudioError, SpecError

Channels = npt.NDArray[np.float32]
"""16 kHz samples of several channels, shape (channels, N)."""

ENCODINGS = ("linear16", "mulaw", "alaw", "opus")


def read_blocks(
    source: Path | bytes, name: object = "", limits: AudioLimits = DEFAULT_LIMITS, speed: float = 1.0
) -> Iterator[Channels]:
    """Blocks of a file or a file's bytes at 16 kHz, each (channels, N); see `open_native` for what is raised.

    With a `speed` of 1.1 the recording is played a tenth faster, and higher.
    """
    with open_native(source, name, limits) as native:
        resampler = Resampler(round(native.sample_rate * speed), native.channels)
        for block in native.blocks:
            yield resampler.feed(block)
        yield resampler.feed(np.zeros((0, native.channels), np.float32), last=True)


def mono(samples: Channels) -> Waveform:
    """The mean of the channels: (channels, N) to (N,)."""
    mixed: Waveform = samples[0] if samples.shape[0] == 1 else samples.mean(axis=0, dtype=np.float32)
    return mixed


class PacketDecoder:
    """Decodes raw audio from a network to 16 kHz; buffers bytes that do not fill a frame yet.

    `encoding` is linear16 (little-endian), mulaw or alaw (G.711), whose bytes may be cut anywhere, or opus, where each
    call is one packet. Opus packets that do not decode are counted in `bad_packets` and skipped. Raises SpecError for
    an unknown encoding, rate or number of channels, and AudioError where opus needs the extra `media`.
    """

    def __init__(
        self, encoding: str, sample_rate: int, channels: int = 1, limits: AudioLimits = DEFAULT_LIMITS
    ) -> None:
        if encoding not in ENCODINGS:
            raise SpecError(f"unknown encoding {encoding!r}", where="encoding", fix=f"use {', '.join(ENCODINGS)}")
        if not limits.min_rate <= sample_rate <= limits.max_rate:
            raise SpecError(
                f"{sample_rate} is not between {limits.min_rate} and {limits.max_rate}", where="sample_rate"
            )
        if not 1 <= channels <= limits.max_channels:
            raise SpecError(f"{channels} is not between 1 and {limits.max_channels}", where="channels")
        self.bad_packets = 0
        self._encoding, self._channels, self._rest = encoding, channels, b""
        self._resampler = Resampler(sample_rate, channels)
        self._opus = _OpusPackets(sample_rate, channels) if encoding == "opus" else None

    def feed(self, packet: bytes) -> Channels:
        """Samples (channels, N) of the next bytes; N may be 0."""
        if self._opus is None:
            return self._resampler.feed(self._raw(packet))
        block = self._opus.decode(packet)
        if block is None:
            self.bad_packets += 1
            block = np.zeros((0, self._channels), np.float32)
        return self._resampler.feed(block)

    def finish(self) -> Channels:
        """The last samples, from the resampler's buffer."""
        return self._resampler.feed(np.zeros((0, self._channels), np.float32), last=True)

    def _raw(self, packet: bytes) -> npt.NDArray[np.float32]:
        width = self._channels * (2 if self._encoding == "linear16" else 1)
        data = self._rest + packet
        whole = len(data) // width * width
        self._rest = data[whole:]
        if self._encoding == "linear16":
            samples = np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768.0  # 16 bits to [-1, 1)
        else:
            table = _MULAW if self._encoding == "mulaw" else _ALAW
            samples = table[np.frombuffer(data[:whole], np.uint8)]
        return samples.reshape(-1, self._channels)


class _OpusPackets:
    def __init__(self, sample_rate: int, channels: int) -> None:
        try:
            import av
        except ImportError as error:
            raise AudioError(
                "opus packets need PyAV, which is not installed", where="encoding", fix="pip install 'vizinho[media]'"
            ) from error
        if channels > 2:
            raise SpecError(f"opus packets have one or two channels, not {channels}", where="channels")
        self._av = av
        self._codec: Any = av.CodecContext.create("opus", "r")
        self._codec.sample_rate = 48_000  # Opus always decodes at 48 kHz (RFC 6716)
        self._codec.layout = layout = "mono" if channels == 1 else "stereo"
        self._convert = av.AudioResampler(format="fltp", layout=layout, rate=sample_rate)

    def decode(self, packet: bytes) -> npt.NDArray[np.float32] | None:
        """(N, channels); None for a packet that does not decode."""
        try:
            frames = self._codec.decode(self._av.Packet(packet)) if packet else []
            parts = [part.to_ndarray() for frame in frames for part in self._convert.resample(frame)]
        except (self._av.FFmpegError, ValueError):
            return None
        if not parts:
            return None
        return np.concatenate(parts, axis=1).T.astype(np.float32)


class Resampler:
    """Blocks (N, channels) at any rate to (channels, N) at 16 kHz, without seams between blocks."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._stream = (
            None if sample_rate == SAMPLE_RATE else soxr.ResampleStream(sample_rate, SAMPLE_RATE, channels, "float32")
        )

    def feed(self, block: npt.NDArray[np.float32], *, last: bool = False) -> Channels:
        """The next samples, shape (channels, N); `last` empties the buffer."""
        if self._stream is not None:
            block = self._stream.resample_chunk(np.ascontiguousarray(block), last=last)
        return np.ascontiguousarray(block.reshape(-1, block.shape[-1]).T)


def _mulaw_table() -> npt.NDArray[np.float32]:
    """ITU-T G.711, table 2: 8 bits to 14-bit samples, here in [-1, 1]."""
    codes = ~np.arange(256, dtype=np.uint8)  # all bits are sent inverted
    exponent, mantissa = (codes >> 4) & 7, codes & 15
    magnitude = ((2 * mantissa.astype(np.int32) + 33) << exponent) - 33
    return (np.where(codes & 128, -magnitude, magnitude) / 8192.0).astype(np.float32)


def _alaw_table() -> npt.NDArray[np.float32]:
    """ITU-T G.711, table 1: 8 bits to 13-bit samples, here in [-1, 1]."""
    codes = np.arange(256, dtype=np.uint8) ^ 0x55  # every other bit is sent inverted
    exponent, mantissa = (codes >> 4) & 7, (codes & 15).astype(np.int32)
    magnitude = np.where(exponent == 0, 2 * mantissa + 1, (2 * mantissa + 33) << np.maximum(exponent, 1) >> 1)
    return (np.where(codes & 128, magnitude, -magnitude) / 4096.0).astype(np.float32)


_MULAW, _ALAW = _mulaw_table(), _alaw_table()
