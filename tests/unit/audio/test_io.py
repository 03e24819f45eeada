import numpy as np
import pytest
import soundfile

from vizinho.audio.io import load_audio, save_audio, seconds_of
from vizinho.errors import AudioError


def tone(rate, seconds=0.5, frequency=440.0):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
def test_every_container_comes_back_as_16_khz(tmp_path, suffix):
    save_audio(tmp_path / f"a.{suffix}", tone(16000))
    samples = load_audio(tmp_path / f"a.{suffix}")
    assert abs(samples.size - 8000) < 2500  # mp3 pads
    spectrum = np.abs(np.fft.rfft(samples[:8000]))
    assert abs(spectrum.argmax() * 16000 / 8000 - 440) < 10


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_any_rate_and_stereo(tmp_path, rate):
    stereo = np.stack([tone(rate), np.zeros(rate // 2, np.float32)], axis=1)
    soundfile.write(tmp_path / "a.wav", stereo, rate)
    samples = load_audio(tmp_path / "a.wav")
    assert abs(samples.size - 8000) <= 2
    assert 0.2 < np.abs(samples[500:-500]).max() < 0.3  # the mean of the two channels
    assert seconds_of(tmp_path / "a.wav") == seconds_of((tmp_path / "a.wav").read_bytes()) == 0.5


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot decode"), (b"not audio at all" * 50, "cannot decode"), (None, "no such audio file")],
)
def test_broken_files_are_named(tmp_path, content, message):
    path = tmp_path / "broken.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=message) as caught:
        load_audio(path)
    assert str(path) in str(caught.value)


def test_empty_and_not_finite(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16000)
    with pytest.raises(AudioError, match="no samples"):
        load_audio(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan, np.float32), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="not numbers"):
        load_audio(tmp_path / "nan.wav")
