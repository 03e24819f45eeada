"""Reads and writes audio files: any container, rate and number of channels becomes mono float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from vizinho.audio.containers import open_native, open_sound
from vizinho.audio.repair import split_streams
from vizinho.errors import AudioError
from vizinho.files import replacing

SAMPLE_RATE = 16_000  # samples per second inside the project; every loader resamples to it

Waveform = npt.NDArray[np.float32]
"""Mono samples, shape (N,), nominally in [-1, 1]."""


def seconds_of(source: Path | bytes, name: object = "") -> float:
    """Seconds of a file or of a file's bytes, by the header of each of its streams. Raises AudioError.

    Where libsndfile cannot read a header, the file is decoded.
    """
    try:
        if streams := split_streams(source):
            return sum(seconds_of(stream, name or source) for stream in streams)
        with open_sound(source, name) as file:
            frames, rate = file.frames, file.samplerate
    except (AudioError, OSError):
        frames = 0
    if not 0 < frames < 2**62:  # the header may be unreadable, or of a stream of unknown length
        samples, rate = _mono(source, name)
        frames = samples.size
    return float(frames / rate)


def load_audio(path: Path, sample_rate: int = SAMPLE_RATE) -> Waveform:
    """Decode a file (wav, flac, ogg, opus, mp3; webm, m4a and mp4 with the extra `media`) to mono at `sample_rate`.

    Channels are averaged. Returns shape (N,). Raises AudioError for a missing, broken, empty or non-finite file.
    """
    return resample(*_mono(path), sample_rate)


def decode_audio(data: bytes, name: str) -> tuple[Waveform, int]:
    """Decode a file's bytes to mono (N,); returns them with their own rate. `name` is used in errors."""
    return _mono(data, name)


def _mono(source: Path | bytes, name: object = "") -> tuple[Waveform, int]:
    """The mean of the channels, (N,), and its rate."""
    with open_native(source, name) as native:
        parts = [b[:, 0] if native.channels == 1 else b.mean(axis=1, dtype=np.float32) for b in native.blocks]
        return (parts[0] if len(parts) == 1 else np.concatenate(parts)), native.sample_rate


def resample(samples: Waveform, from_rate: int, to_rate: int) -> Waveform:
    """Change the sample rate; shape (N,) to about (N * to_rate / from_rate,)."""
    if from_rate == to_rate:
        return np.ascontiguousarray(samples, dtype=np.float32)
    return np.asarray(soxr.resample(samples, from_rate, to_rate), dtype=np.float32)


def save_audio(path: Path, samples: Waveform, sample_rate: int = SAMPLE_RATE) -> None:
    """Write mono samples, whole or not at all; the suffix names the container (.wav and .flac at 16 bit, Opus in .ogg).

    Raises AudioError where the file cannot be written.
    """
    kinds = {
        ".wav": ("WAV", "PCM_16"),
        ".flac": ("FLAC", "PCM_16"),
        ".mp3": ("MP3", "MPEG_LAYER_III"),
        ".ogg": ("OGG", "OPUS"),
        ".opus": ("OGG", "OPUS"),
    }
    if path.suffix.lower() not in kinds:
        raise AudioError(f"cannot write {path.suffix!r} files", where=path, fix=f"use one of {', '.join(kinds)}")
    container, subtype = kinds[path.suffix.lower()]
    try:
        with replacing(path) as temporary:
            soundfile.write(str(temporary), np.clip(samples, -1.0, 1.0), sample_rate, format=container, subtype=subtype)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"cannot be written ({error})", where=path, fix="make room on the disk") from error
