"""Files that several streams were joined to are read whole."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from vizinho.audio import repair
from vizinho.audio.io import load_audio, seconds_of
from vizinho.audio.repair import split_streams
from vizinho.errors import AudioError

KINDS = {
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def stream(kind, pitch_hz, seconds, rate=16_000, channels=1):
    time = np.arange(round(rate * seconds)) / rate
    samples = np.stack([0.3 * np.sin(2 * np.pi * pitch_hz * time)] * channels, axis=1)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=KINDS[kind][0], subtype=KINDS[kind][1])
    return file.getvalue()


@pytest.mark.parametrize("rate", [16_000, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_stream_is_heard(kind, channels, rate, tmp_path):
    parts = [stream(kind, hz, s, rate, channels) for hz, s in ((300, 2), (500, 3), (700, 1))]
    assert [len(part) for part in split_streams(b"".join(parts))] == [len(part) for part in parts]
    assert split_streams(parts[1]) == []
    path = tmp_path / f"a.{kind}"
    path.write_bytes(b"".join(parts))
    samples = load_audio(path)
    assert seconds_of(path) == pytest.approx(samples.size / 16_000, abs=0.08)  # MP3 has padding at its ends
    assert seconds_of(path.read_bytes()) == seconds_of(path)
    assert samples.size / 16_000 == pytest.approx(6, abs=0.1)
    pitches = [np.argmax(np.abs(np.fft.rfft(samples[s * 16_000 : (s + 1) * 16_000]))) for s in (0, 3, 5)]
    assert pitches == pytest.approx([300, 500, 700], abs=5)


def test_marks_across_the_windows_of_a_long_file_are_found(tmp_path, monkeypatch):
    parts = [stream(kind, 300, 1) for kind in ("mp3",) * 3]
    path = tmp_path / "a.mp3"
    path.write_bytes(b"".join(parts))
    for window in (100, 997, len(parts[0]) + 2, len(parts[0]) + 37):
        monkeypatch.setattr(repair, "_WINDOW_BYTES", window)
        assert [len(part) for part in split_streams(path)] == [len(part) for part in parts]
    ogg = stream("opus", 300, 1)
    path.write_bytes(ogg * 3)
    for window in (100, 997, len(ogg) + 2):
        monkeypatch.setattr(repair, "_WINDOW_BYTES", window)
        assert split_streams(path) == [ogg] * 3


def test_streams_that_do_not_belong_together_are_named(tmp_path):
    path = tmp_path / "a.flac"
    path.write_bytes(stream("flac", 300, 1) + stream("flac", 300, 1, rate=8000, channels=2))
    with pytest.raises(
        AudioError, match=r"a\.flac: stream 2 of the file has 8000 Hz and 2 channels, the first one 16000"
    ):
        load_audio(path)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_broken_later_stream_is_an_error_not_the_end(kind, tmp_path):
    path = tmp_path / f"a.{kind}"
    second = stream(kind, 500, 1)
    path.write_bytes(stream(kind, 300, 1) + second[: len(second) // 2])
    try:
        samples = load_audio(path)
    except AudioError as error:
        assert f"a.{kind}" in str(error)
    else:
        assert samples.size > 16_000  # what a truncated stream still has


def test_texts_that_only_look_like_marks_are_no_streams():
    assert (
        split_streams(b"\xff\xfb" + b"x" * 100 + b"Xing" + b"Info" * 3 + b"OggS\x00\x02" + b"fLaC\x00\x00\x00\x22")
        == []
    )
    assert split_streams(b"") == split_streams(b"RIFF" + b"fLaC\x00\x00\x00\x22" * 3) == []
