"""Audio as it comes to a worker: recordings in any container or none, at 16 kHz and within the limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from vizinho.audio.blocks import Channels, PacketDecoder, mono, read_blocks
from vizinho.audio.containers import AudioLimits, AudioTooLongError
from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.errors import AudioError, SpecError
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.segments import OnWords
from vizinho.records import Transcript
from vizinho.server.security.refusals import bad_audio, bad_parameter, too_large
from vizinho.server.workers.messages import FileJob, RawFormat

_RAW_SECONDS = 10  # raw samples are decoded in blocks of this length, as files are


class Recording:
    """One recording, decoded each time it is listened to, so that never more than a few blocks of it are in memory."""

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
        blocks = islice((mono(block) for block in self._blocks()), 1 + int(seconds / _RAW_SECONDS))
        return _joined(blocks)[: int(seconds * SAMPLE_RATE)]

    def transcribe(self, recognizer: Recognizer, number: int, on_words: OnWords | None = None) -> Transcript:
        """Transcript of one channel: short ones are decoded whole, long ones block by block."""
        return recognizer.transcribe(self.channel(number), on_words=on_words)

    def _blocks(self) -> Iterator[Channels]:
        job = self._job
        limits = AudioLimits(len(job.audio), job.max_seconds, job.max_channels)
        try:
            yield from _raw_blocks(job.audio, job.raw, limits) if job.raw else read_blocks(job.audio, "", limits)
        except AudioTooLongError as error:
            raise too_large(error.what) from error


VOICE_SECONDS = (1.0, 30.0)
"""How long a recording of a known voice may be."""


def voice_samples(audio: bytes) -> Waveform:
    """A recording of one person's voice, (N,). Raises Refusal 400."""
    shortest, longest = VOICE_SECONDS
    try:
        samples = _joined(mono(block) for block in read_blocks(audio, "", AudioLimits(len(audio), longest)))
    except AudioError as error:
        raise bad_parameter("known_speaker_references", error.what) from error
    if samples.size < shortest * SAMPLE_RATE:
        raise bad_parameter("known_speaker_references", f"a voice needs {shortest:g} to {longest:g} s of audio")
    return samples


def packet_decoder(raw: RawFormat, limits: AudioLimits | None = None) -> PacketDecoder:
    """The decoder of raw samples. Raises Refusal 400 for parameters that do not fit together."""
    try:
        return PacketDecoder(raw.encoding, raw.sample_rate, raw.channels, limits or AudioLimits())
    except SpecError as error:
        raise bad_parameter(error.where, error.what) from error


def _raw_blocks(audio: bytes, raw: RawFormat, limits: AudioLimits) -> Iterator[Channels]:
    decoder = packet_decoder(raw, limits)
    size = _RAW_SECONDS * raw.sample_rate * raw.channels * (2 if raw.encoding == "linear16" else 1)
    if len(audio) > size * limits.max_seconds / _RAW_SECONDS:
        raise too_large(f"longer than the {limits.max_seconds:.0f} s allowed")
    for start in range(0, len(audio), size):
        yield decoder.feed(audio[start : start + size])
    yield decoder.finish()


def _joined(blocks: Iterable[Waveform]) -> Waveform:
    return np.concatenate([np.zeros(0, np.float32), *blocks])
