"""Audio in a container that comes piece by piece, as a live stream sends it: first bytes tell which container it is."""

from __future__ import annotations

import threading

import numpy as np

from vizinho.audio.blocks import Channels, PacketDecoder, Resampler
from vizinho.audio.containers import (
    DEFAULT_LIMITS,
    AudioLimits,
    Block,
    Floats,
    bounded,
    check_format,
    too_long,
    undecodable,
)
from vizinho.audio.wav_head import wav_samples
from vizinho.errors import AudioError

_ADVICE = "send wav, ogg, webm, flac, mp3 or aac from its beginning"
_HEAD_BYTES = 12  # enough to tell every container apart
# Waiting for more packets than the first would hold back the beginning of speech.
_AT_ONCE = {"probesize": "2048", "analyzeduration": "1"}


def container_of(head: bytes) -> str | None:
    """FFmpeg's name of the container that begins with these bytes (12 are enough); None for none that is known."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    if head[:2] == b"\xff\xf1" or head[:2] == b"\xff\xf9":  # ADTS: sync, layer 0
        return "aac"
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        return "mp3"
    names = {b"OggS": "ogg", b"\x1a\x45\xdf\xa3": "matroska", b"fLaC": "flac"}
    return names.get(head[:4]) or ("mp4" if head[4:8] == b"ftyp" else None)


class ContainerStream:
    """Decodes a container to 16 kHz while it comes. `close` must be called: a thread may wait for more bytes.

    Packets that do not decode are counted in `bad_packets` and left out. Raises AudioError for bytes that are no
    container and, for all but plain WAV, where the extra `media` is missing.
    """

    def __init__(self, limits: AudioLimits = DEFAULT_LIMITS) -> None:
        self._limits, self._head = limits, b""
        self._decoder: PacketDecoder | _FFmpegStream | None = None

    @property
    def bad_packets(self) -> int:
        """Packets left out so far."""
        return self._decoder.bad_packets if self._decoder else 0

    def feed(self, data: bytes) -> Channels:
        """Samples (channels, N) of the next bytes; N may be 0, and channels is 1 while their number is not known."""
        if self._decoder is not None:
            return self._decoder.feed(data)
        self._head += data
        begun = self._begin()
        if begun is None:
            return np.zeros((1, 0), np.float32)
        self._decoder, data, self._head = *begun, b""
        return self._decoder.feed(data)

    def finish(self) -> Channels:
        """The last samples."""
        if self._decoder is not None:
            return self._decoder.finish()
        if self._head:
            raise AudioError("the stream ended in the head of its audio", fix=_ADVICE)
        return np.zeros((1, 0), np.float32)

    def close(self) -> None:
        """Let the thread come to its end; may be called again."""
        if isinstance(self._decoder, _FFmpegStream):
            self._decoder.close()

    def _begin(self) -> tuple[PacketDecoder | _FFmpegStream, bytes] | None:
        """The decoder and the bytes that it begins with; None where more of the head has to come."""
        head = self._head
        if len(head) < _HEAD_BYTES:
            return None
        container = container_of(head)
        if container is None:
            raise AudioError("the bytes begin no container that is known; raw samples need an encoding", fix=_ADVICE)
        if container == "wav":  # FFmpeg would look at 60 kB first: two seconds of speech
            try:
                found = wav_samples(head)
            except ValueError:  # samples of other kinds
                return _FFmpegStream("wav", self._limits), head
            if found is None:
                return None
            start, encoding, rate, channels = found
            check_format(rate, channels, "", self._limits)
            return PacketDecoder(encoding, rate, channels, self._limits), head[start:]
        return _FFmpegStream(container, self._limits), head


class _FFmpegStream:
    """FFmpeg asks for bytes whenever it likes, so it runs in a thread.

    `feed` returns when all bytes given so far have been asked for.
    """

    def __init__(self, container: str, limits: AudioLimits) -> None:
        self.bad_packets = 0
        self._limits = limits
        self._source = _Source()
        self._blocks: list[Block] = []
        self._failure: Exception | None = None
        self._resampler: Resampler | None = None
        self._channels = 1
        try:
            import av  # noqa: F401
        except ImportError as error:
            raise AudioError("needs PyAV, which is not installed", fix="pip install 'vizinho[media]'") from error
        self._thread = threading.Thread(target=self._decode_all, args=(container,), daemon=True)
        self._thread.start()

    def feed(self, data: bytes) -> Channels:
        self._source.put(data)
        return self._decoded()

    def finish(self) -> Channels:
        self.close()
        return self._decoded(last=True)

    def close(self) -> None:
        self._source.end()
        self._thread.join()

    def _decoded(self, *, last: bool = False) -> Channels:
        """What the thread has decoded since, at 16 kHz. Raises what ended it."""
        # The thread waits for bytes by now, or has ended: nobody else touches the list.
        blocks, self._blocks = self._blocks, []
        if self._failure is not None and not blocks:
            raise self._failure
        if self._resampler is None:
            return np.zeros((1, 0), np.float32)
        empty = np.zeros((0, self._channels), np.float32)
        return self._resampler.feed(np.concatenate([empty, *blocks]), last=last)

    def _decode_all(self, container: str) -> None:
        """The thread: decode to the end, and keep what went wrong for the caller."""
        try:
            self._decode(container)
        except AudioError as error:
            self._failure = error
        except Exception as error:  # FFmpeg's own, and whatever hostile bytes make PyAV raise
            self._failure = undecodable(error, "")
        finally:
            self._source.abandon()

    def _decode(self, container: str) -> None:
        import av

        with av.open(self._source, mode="r", format=container, options=_AT_ONCE) as opened:
            if not opened.streams.audio or opened.streams.audio[0].codec_context is None:
                raise AudioError("there is no audio track in a codec that is known", fix=_ADVICE)
            stream = opened.streams.audio[0]
            to_floats: Floats | None = None
            rate, samples = 0, 0
            for packet in opened.demux(stream):
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    self.bad_packets += 1
                    continue
                for frame in frames:
                    if to_floats is None:  # what is decoded counts: heads may say nothing or something else
                        rate, channels = frame.sample_rate, frame.layout.nb_channels
                        check_format(rate, channels, "", self._limits)
                        to_floats = Floats(frame.layout, rate)
                        self._channels, self._resampler = channels, Resampler(rate, channels)
                    for part in to_floats.of(frame):
                        samples += part.samples
                        if samples > self._limits.max_seconds * rate:
                            raise too_long("", self._limits)
                        self._blocks.append(bounded(part.to_ndarray().T.astype(np.float32), ""))


class _Source:
    """Bytes between a caller that has them and FFmpeg that asks for them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._data = b""
        self._ended = self._starved = self._abandoned = False

    def put(self, data: bytes) -> None:
        """Give bytes; returns when FFmpeg asks for more than them, or no longer asks."""
        with self._changed:
            self._data, self._starved = self._data + data, False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._starved or self._abandoned)
            if self._abandoned:
                self._data = b""

    def end(self) -> None:
        """There will be no more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Nobody asks any more."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def read(self, size: int) -> bytes:
        """At least one byte and at most `size` of them; none at the end. Called by FFmpeg."""
        with self._changed:
            if not self._data:
                self._starved = True
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._data or self._ended)
            taken, self._data = self._data[:size], self._data[size:]
            return taken
