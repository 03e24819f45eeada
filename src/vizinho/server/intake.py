"""Audio as it comes to a worker: whole recordings and streams of bytes, to 16 kHz samples within the limits."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from vizinho.audio.io import SAMPLE_RATE, Waveform, resample
from vizinho.errors import AudioError
from vizinho.server.deepgram_live import LiveQuery
from vizinho.server.refusals import bad_parameter
from vizinho.server.session import ByteDecoder
from vizinho.server.work import FileJob


def recording(job: FileJob) -> list[Waveform]:
    try:
        samples, rate = soundfile.read(io.BytesIO(job.audio), dtype="float32", always_2d=True)
    except Exception as e:
        raise AudioError("cannot decode") from e
    if not job.by_channel:
        samples = samples.mean(axis=1, keepdims=True)
    return [resample(np.ascontiguousarray(samples[:, c]), rate, SAMPLE_RATE) for c in range(samples.shape[1])]


class _Linear:
    def __init__(self, rate: int, channels: int) -> None:
        self.rate, self.channels = rate, channels
        self.rest = b""

    def feed(self, data: bytes) -> list[Waveform]:
        data = self.rest + data
        n = len(data) // (2 * self.channels) * 2 * self.channels
        self.rest = data[n:]
        x = np.frombuffer(data[:n], "<i2").astype(np.float32).reshape(-1, self.channels) / 32768
        return [np.ascontiguousarray(x[:, c]) for c in range(self.channels)]

    def finish(self) -> list[Waveform]:
        return []


def stream_decoder(query: LiveQuery) -> ByteDecoder:
    if query.encoding != "linear16":
        raise bad_parameter("encoding", "no")
    return _Linear(query.sample_rate or 16000, query.channels)
