"""Hostile audio: whatever the bytes, the answer is audio within the limits or an AudioError."""

import io
import struct

import numpy as np
import pytest
import soundfile
from blocks import read_channels
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.audio.blocks import ENCODINGS, PacketDecoder
from vizinho.audio.containers import AudioLimits
from vizinho.errors import AudioError

LIMITS = AudioLimits(max_bytes=200_000, max_seconds=5.0, max_channels=4)
KINDS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
}


def sample_of(container, subtype):
    file = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(8_000) / 5.0) + np.random.default_rng(1).standard_normal(8_000) * 0.01
    soundfile.write(file, tone.astype(np.float32), 16_000, format=container, subtype=subtype)
    return file.getvalue()


def media(container, codec):
    av = pytest.importorskip("av", reason="the extra `media` is not installed")
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000, layout="mono")
        tone = (0.3 * np.sin(np.arange(24_000) / 9.0)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone[None].copy(), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        convert = av.AudioResampler(stream.codec_context.format.name, "mono", 48_000, stream.codec_context.frame_size)
        for part in [*convert.resample(frame), *convert.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


@pytest.fixture(scope="module")
def originals():
    made = {name: sample_of(*kind) for name, kind in KINDS.items()}
    return made | {"webm": media("webm", "libopus"), "m4a": media("mp4", "aac")}


def survives(data):
    try:
        samples = read_channels(data, "fuzz", LIMITS)
    except AudioError:
        return
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert samples.shape[0] <= LIMITS.max_channels
    assert 0 < samples.shape[1] <= (LIMITS.max_seconds + 1.0) * 16_000


NAMES = [*KINDS, "webm", "m4a"]


@pytest.mark.parametrize("name", NAMES)
def test_originals_are_read(originals, name):
    assert abs(read_channels(originals[name], name, LIMITS).shape[1] - 8_000) < 2_000


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_mutated_headers(originals, name, data):
    """Bytes near the front, where sizes and rates stand, and a few anywhere."""
    mutated = bytearray(originals[name])
    for _ in range(data.draw(st.integers(1, 8))):
        reach = data.draw(st.sampled_from([64, 200, len(mutated)]))
        mutated[data.draw(st.integers(0, min(reach, len(mutated)) - 1))] = data.draw(st.sampled_from([0, 1, 127, 255]))
    survives(bytes(mutated))


@pytest.mark.parametrize("name", NAMES)
def test_truncated_anywhere(originals, name):
    whole = originals[name]
    for size in [*range(0, 64, 3), *(len(whole) * k // 17 for k in range(1, 17)), len(whole) - 1]:
        survives(whole[:size])


@pytest.mark.parametrize("name", NAMES)
def test_pieces_repeated_and_swapped(originals, name):
    whole, rng = originals[name], np.random.default_rng(7)
    for _ in range(12):
        a, b, c = sorted(rng.integers(0, len(whole), 3))
        survives(whole[:a] + whole[b:c] + whole[a:b] * 2 + whole[c:])


@settings(max_examples=60)
@given(
    st.sampled_from(
        [b"", b"RIFF", b"OggS", b"fLaC", b"ID3\3", b"\xff\xfb", b"\x1a\x45\xdf\xa3", b"\0\0\0\x18ftyp", b"FORM"]
    ),
    st.binary(max_size=600),
)
def test_noise_behind_a_familiar_beginning(magic, rest):
    survives(magic + rest)


@pytest.mark.parametrize(
    ("rate", "channels", "bits", "size"),
    [
        (0, 1, 16, 100),
        (2**31, 1, 16, 100),
        (16_000, 0, 16, 100),
        (16_000, 65_535, 16, 100),
        (16_000, 1, 0, 100),
        (16_000, 1, 16, 2**32 - 1),
        (16_000, 1, 64, 0),
        (1, 1, 8, 2**31),
    ],
)
def test_headers_that_promise_the_impossible(rate, channels, bits, size):
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, (rate * block) % 2**32, block % 65_536, bits)
    header = b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
    survives(header + b"data" + struct.pack("<I", size) + bytes(200))


def test_a_bomb_is_stopped_by_counting():
    """Ten minutes of silence in a few kilobytes."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(600 * 16_000, np.float32), 16_000, format="FLAC")
    assert len(file.getvalue()) < LIMITS.max_bytes
    with pytest.raises(AudioError, match="longer than the 5 s"):
        read_channels(file.getvalue(), "bomb", LIMITS)


@settings(max_examples=40)
@given(st.sampled_from(ENCODINGS), st.lists(st.binary(max_size=400), max_size=6), st.sampled_from([8_000, 48_000]))
def test_packets_of_noise(encoding, packets, rate):
    if encoding == "opus":
        pytest.importorskip("av", reason="the extra `media` is not installed")
    decoder = PacketDecoder(encoding, rate)
    for samples in [*map(decoder.feed, packets), decoder.finish()]:
        assert samples.shape[0] == 1
        assert samples.shape[1] <= 16_000
        assert np.isfinite(samples).all()
