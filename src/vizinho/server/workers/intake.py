"""Audio as it comes to a worker: recordings in any container or none, at 16 kHz and within the limits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from vizinho.audio.blocks import Channels, PacketDecoder, mono, read_blocks
from vizinho.audio.containers import AudioLimits, AudioTooLongError
from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.errors import SpecError
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Transcript
from vizinho.server.protocols.deepgram_live import LiveQuery
from vizinho.server.security.refusals import bad_audio, bad_parameter, too_large
from vizinho.server.workers.messages import FileJob

_RAW_SECONDS = 10
"""Raw samples are decoded in blocks of this length, as files are."""
OPUS_RATE = 48_000


class Recording:
    """One recording, decoded as often as it is listened to, so that never more than a few blocks of it are held."""

    def __init__(self, job: FileJob) -> None:
        """Look at the beginning. Raises AudioError for what is no audio."""
        self._job = job
        first = next(self._blocks(), None)
        if first is None:
            raise bad_audio("there are no samples")
        self.channels = first.shape[0] if job.by_channel else 1

    def channel(self, number: int) -> Iterator[Waveform]:
        """Blocks of one channel, or of the mean of all. Raises AudioError and Refusal 413 while it is read."""
        for block in self._blocks():
            yield block[number] if self._job.by_channel else mono(block)

    def beginning(self, seconds: float) -> Waveform:
        """The first seconds of the mean of all channels, (N,)."""
        wanted = int(seconds * SAMPLE_RATE)
        held = _joined(islice((mono(block) for block in self._blocks()), 1 + int(seconds / _RAW_SECONDS)))
        return held[:wanted]

    def transcribe(self, transcriber: Recognizer, number: int) -> Transcript:
        """Transcript of one channel: short ones are decoded whole, long ones block by block."""
        return transcriber.transcribe(self.channel(number))

    def _blocks(self) -> Iterator[Channels]:
        job = self._job
        limits = AudioLimits(len(job.audio), job.max_seconds, job.max_channels)
        try:
            yield from _raw_blocks(job, limits) if job.raw else read_blocks(job.audio, "", limits)
        except AudioTooLongError as error:
            raise too_large(error.what) from error


def stream_decoder(query: LiveQuery) -> PacketDecoder:
    """The decoder of a stream's bytes. Raises Refusal 400 for parameters that do not fit together."""
    encoding = query.encoding or ""
    rate = query.sample_rate or (OPUS_RATE if encoding == "opus" else 0)
    return _decoder(encoding, rate, query.channels, AudioLimits())


def _raw_blocks(job: FileJob, limits: AudioLimits) -> Iterator[Channels]:
    assert job.raw is not None
    raw = job.raw
    decoder = _decoder(raw.encoding, raw.sample_rate, raw.channels, limits)
    size = _RAW_SECONDS * raw.sample_rate * raw.channels * (2 if raw.encoding == "linear16" else 1)
    if len(job.audio) > size * limits.max_seconds / _RAW_SECONDS:
        raise too_large(f"longer than the {limits.max_seconds:.0f} s allowed")
    for start in range(0, len(job.audio), size):
        yield decoder.feed(job.audio[start : start + size])
    yield decoder.finish()


def _decoder(encoding: str, rate: int, channels: int, limits: AudioLimits) -> PacketDecoder:
    try:
        return PacketDecoder(encoding, rate, channels, limits)
    except SpecError as error:
        raise bad_parameter(error.where, error.what) from error


def _joined(blocks: Iterator[Waveform]) -> Waveform:
    return np.concatenate([np.zeros(0, np.float32), *blocks])
