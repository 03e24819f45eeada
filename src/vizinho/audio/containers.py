"""Opens audio in any container, from a file or from untrusted bytes, and yields it in blocks at its own rate.

Headers are not trusted: samples are counted while they are decoded, so the limits bound memory and time whatever a file
claims. libsndfile reads wav, flac, ogg, opus, mp3, aiff and others; webm, m4a and mp4 need PyAV (the extra `media`),
which is told the container, so that no other part of FFmpeg can be reached.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from vizinho.audio.repair import repair_clock, split_streams, whole_wav
from vizinho.errors import AudioError

Block = npt.NDArray[np.float32]
"""Samples of all channels, shape (N, channels)."""

ADVICE = "give wav, flac, ogg, opus, mp3, webm, m4a or mp4, or convert the file"
_BLOCK_SECONDS = 10
_LOUDEST = 65536.0  # floating-point files may have any value; larger ones would overflow in the features
_BROKEN = (soundfile.LibsndfileError, OSError, TypeError, ValueError, IndexError, struct.error)  # of broken files
_MENDED_BYTES = 32 * 2**20  # largest file whose page clock is repaired, which reads every byte in Python


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """What is refused. The defaults only stop mistakes; a server sets tighter limits."""

    max_bytes: int = 8 * 2**30
    max_seconds: float = 24 * 3600.0
    max_channels: int = 16
    min_rate: int = 4000
    max_rate: int = 192_000


DEFAULT_LIMITS = AudioLimits()


class AudioTooLongError(AudioError):
    """Audio that is longer than the limits allow."""


@dataclass(frozen=True, slots=True)
class NativeAudio:
    """Opened audio. `blocks` can be iterated once, while the source is open."""

    sample_rate: int
    channels: int
    blocks: Iterator[Block]


@contextmanager
def open_native(source: Path | bytes, name: object = "", limits: AudioLimits = DEFAULT_LIMITS) -> Iterator[NativeAudio]:
    """Open a file or a file's bytes; `name` is used in errors about bytes.

    Raises AudioError, here or while blocks are read, for a missing, broken, empty or non-finite file and for one
    beyond the limits. A truncated file yields what it still has.
    """
    where = source if isinstance(source, Path) else name
    _check_size(source, where, limits)
    head = _head(source)
    if _media_format(head):
        with _open_media(source, head, where, limits) as native:
            yield native
        return
    streams = _streams(source)
    file = open_sound(streams[0] if streams else source, where)
    with file:
        check_format(file.samplerate, file.channels, where, limits)
        # A stream of unknown length has 2**63 - 1 frames in its header.
        if 0 < file.frames < 2**62 and file.frames / file.samplerate > limits.max_seconds:
            raise too_long(where, limits)
        blocks = _chained_blocks(file, streams, where) if streams else _sound_blocks(file, source, where)
        yield NativeAudio(file.samplerate, file.channels, _checked(blocks, file.samplerate, where, limits))


def _streams(source: Path | bytes) -> list[bytes]:
    try:
        return split_streams(source)
    except OSError:  # named when the file is opened
        return []


def _chained_blocks(first: Any, streams: Sequence[bytes], where: object) -> Iterator[Block]:
    """Blocks of all streams of a file, one after another."""
    yield from _sound_blocks(first, streams[0], where)
    for number, data in enumerate(streams[1:], start=2):
        with open_sound(data, where) as file:
            if (file.samplerate, file.channels) != (first.samplerate, first.channels):
                what = f"stream {number} of the file has {file.samplerate} Hz and {file.channels} channels, "
                what += f"the first one {first.samplerate} Hz and {first.channels}"
                raise AudioError(what, where=where, fix="split the file, or convert it")
            yield from _sound_blocks(file, data, where)


def _check_size(source: Path | bytes, where: object, limits: AudioLimits) -> None:
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
    except OSError as error:
        raise AudioError("no such audio file", where=where, fix="check the path") from error
    if size > limits.max_bytes:
        raise AudioError(
            f"{size / 2**20:.0f} MB are more than the {limits.max_bytes / 2**20:.0f} MB allowed",
            where=where,
            fix="cut the file into smaller ones",
        )


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:16]
    try:
        with source.open("rb") as file:
            return file.read(16)
    except OSError as error:
        raise AudioError(f"cannot be read ({error.strerror})", where=source, fix="check the path") from error


def open_sound(source: Path | bytes, where: object) -> Any:
    """An open soundfile.SoundFile, faults of its header repaired. Raises AudioError where libsndfile cannot read it."""
    try:
        file = soundfile.SoundFile(str(source) if isinstance(source, Path) else io.BytesIO(source))
        return whole_wav(file, source)
    except _BROKEN as error:
        return _mended(source, where, error)


def _mended(source: Path | bytes, where: object, error: Exception) -> Any:
    """Reopen Ogg Opus with its page clock repaired; AudioError for everything else."""
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
        if len(data) > _MENDED_BYTES:
            raise ValueError("too large to repair")
        return soundfile.SoundFile(io.BytesIO(repair_clock(data)))
    except _BROKEN:
        raise undecodable(error, where) from error


def _sound_blocks(file: Any, source: Path | bytes, where: object) -> Iterator[Block]:
    """Blocks of an open file. Where a wrong page clock shows in the middle, the repaired file continues from there."""
    frames = _BLOCK_SECONDS * file.samplerate
    yielded = 0
    try:
        while (block := _read(file, frames)).shape[0]:
            yielded += block.shape[0]
            yield block
    except _BROKEN as error:
        with _mended(source, where, error) as repaired:
            try:
                while yielded > 0 and (skipped := _read(repaired, min(yielded, frames)).shape[0]):
                    yielded -= skipped
                while (block := _read(repaired, frames)).shape[0]:
                    yield block
            except _BROKEN as final:
                raise undecodable(final, where) from final


def _read(file: Any, frames: int) -> Block:
    block: Block = file.read(frames, dtype="float32", always_2d=True)
    return block


def _checked(blocks: Iterator[Block], rate: int, where: object, limits: AudioLimits) -> Iterator[Block]:
    """Blocks while they pass the checks; AudioError for too many samples, none, or samples that are not finite."""
    samples = 0
    for block in blocks:
        samples += block.shape[0]
        if samples > limits.max_seconds * rate:
            raise too_long(where, limits)
        yield bounded(block, where)
    if samples == 0:
        raise AudioError("the file has no samples", where=where, fix="re-record or remove the utterance")


def bounded(block: Block, where: object) -> Block:
    """A block within the loudest level that features bear. Raises AudioError for samples that are not finite."""
    if not np.isfinite(block).all():
        raise AudioError("the audio has samples that are not numbers", where=where, fix="encode it again")
    clipped: Block = np.clip(block, -_LOUDEST, _LOUDEST)
    return clipped


def _media_format(head: bytes) -> str | None:
    """The FFmpeg container of these first bytes, if it is one that libsndfile cannot read."""
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    return "mp4" if head[4:8] == b"ftyp" else None


@contextmanager
def _open_media(source: Path | bytes, head: bytes, where: object, limits: AudioLimits) -> Iterator[NativeAudio]:
    try:
        import av
    except ImportError as error:
        raise AudioError(
            "webm, m4a and mp4 need PyAV, which is not installed", where=where, fix="pip install 'vizinho[media]'"
        ) from error
    file = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
    with file:
        try:
            container = av.open(file, mode="r", format=_media_format(head))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise undecodable(error, where) from error
        with container:
            if not container.streams.audio:
                raise AudioError("the file has no audio track", where=where, fix=ADVICE)
            stream = container.streams.audio[0]
            if stream.codec_context is None:
                raise AudioError("the audio track is in a codec that is not known", where=where, fix=ADVICE)
            rate, channels = int(stream.rate or 0), int(stream.channels or 0)
            check_format(rate, channels, where, limits)
            yield NativeAudio(rate, channels, _checked(_media_blocks(container, stream, where), rate, where, limits))


def _media_blocks(container: Any, stream: Any, where: object) -> Iterator[Block]:
    """Frames as they are decoded; a truncated file yields what it still has."""
    import av

    to_floats = Floats(stream.layout, stream.rate)
    any_decoded = False
    try:
        for frame in container.decode(stream):
            for part in to_floats.of(frame):
                any_decoded = True
                yield np.ascontiguousarray(part.to_ndarray().T, dtype=np.float32)
    except (av.FFmpegError, OSError, ValueError) as error:
        if not any_decoded:
            raise undecodable(error, where) from error


class Floats:
    """Frames as floats of one layout and rate. A stream may change both on its way: a damaged one, or files joined."""

    def __init__(self, layout: Any, rate: int) -> None:
        self._layout, self._rate = layout, rate
        self._resampler: Any = None
        self._kind: tuple[Any, ...] = ()

    def of(self, frame: Any) -> Iterator[Any]:
        """The frames that become of one of the stream's."""
        import av

        kind = (frame.layout.name, frame.sample_rate, frame.format.name)
        # By its first frame a resampler decides whether there is anything to do, and then passes all of them on.
        if kind != self._kind:
            if self._resampler is not None:
                yield from self._resampler.resample(None)
            self._resampler, self._kind = av.AudioResampler("fltp", self._layout, self._rate), kind
        yield from self._resampler.resample(frame)


def check_format(rate: int, channels: int, where: object, limits: AudioLimits) -> None:
    """Raises AudioError for a rate or a number of channels beyond the limits."""
    if not limits.min_rate <= rate <= limits.max_rate:
        raise AudioError(
            f"{rate} samples per second; from {limits.min_rate} to {limits.max_rate} are read",
            where=where,
            fix="convert the file to 16 kHz",
        )
    if not 1 <= channels <= limits.max_channels:
        raise AudioError(
            f"{channels} channels; up to {limits.max_channels} are read", where=where, fix="mix the file down"
        )


def too_long(where: object, limits: AudioLimits) -> AudioTooLongError:
    """The error for audio beyond the limit."""
    return AudioTooLongError(
        f"longer than the {limits.max_seconds:.0f} s allowed", where=where, fix="cut the file into shorter ones"
    )


def undecodable(error: Exception, where: object) -> AudioError:
    """A library's error as one that says what to do."""
    # libsndfile repeats the name of the file, and for bytes their address, which would make every message different.
    reason = re.sub(r"^Error opening (<[^>]*>|'[^']*'): ", "", str(error)).rstrip(".")
    return AudioError(f"cannot decode the audio ({reason})", where=where, fix=ADVICE)
