import struct

import numpy as np
import pytest
import soundfile

from vizinho.audio.blocks import read_blocks
from vizinho.audio.io import load_audio, seconds_of
from vizinho.errors import AudioError

RATE = 8000
SAMPLES = np.random.default_rng(3).uniform(-0.5, 0.5, 3 * RATE)


def wav(path, subtype="PCM_16", kind="WAV", length=None, behind=b"", samples=SAMPLES):
    """A WAV file, perhaps with another length of its samples in the header and bytes behind them."""
    soundfile.write(path, samples, RATE, subtype=subtype, format=kind)
    data = bytearray(path.read_bytes())
    if length is not None:
        place = data.index(b"data") + 4
        data[place : place + 4] = struct.pack("<I", length)
    path.write_bytes(bytes(data) + behind)
    return path


@pytest.mark.parametrize("length", [0, 2 * RATE, 10**7, 0xFFFFFFFF])
@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAVEX", "FLOAT")])
def test_samples_are_read_to_the_end_whatever_length_the_header_has(tmp_path, kind, subtype, length):
    whole, wrong = wav(tmp_path / "a.wav", subtype, kind), wav(tmp_path / "b.wav", subtype, kind, length)
    assert seconds_of(wrong) == seconds_of(wrong.read_bytes()) == 3.0
    assert np.array_equal(load_audio(wrong), load_audio(whole))
    assert sum(b.shape[1] for b in read_blocks(wrong.read_bytes())) == 3 * 16_000


@pytest.mark.parametrize("behind", [b"LIST" + struct.pack("<I", 20_000) + bytes(20_000), b"ID3\x03" + bytes(30_000)])
def test_what_is_behind_the_samples_is_no_audio(tmp_path, behind):
    assert seconds_of(wav(tmp_path / "a.wav", behind=behind)) == 3.0
    empty = wav(tmp_path / "b.wav", behind=behind, samples=np.zeros(0))
    with pytest.raises(AudioError, match="no samples"):
        seconds_of(empty)
