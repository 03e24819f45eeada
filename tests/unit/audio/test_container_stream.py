"""Containers that come piece by piece, held to the same bytes read at once."""

import io
import itertools
import threading

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.audio.blocks import read_blocks
from vizinho.audio.container_stream import ContainerStream, container_of
from vizinho.audio.containers import AudioLimits
from vizinho.errors import AudioError

RATE = 24_000


def sound(channels: int, seconds: float = 1.5) -> np.ndarray:
    """(N, channels): another tone in each."""
    t = np.arange(int(RATE * seconds)) / RATE
    return np.stack([0.4 * np.sin(2 * np.pi * 300 * (c + 1) * t) for c in range(channels)], axis=1).astype(np.float32)


def written(samples: np.ndarray, container: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format=container, subtype=subtype)
    return file.getvalue()


def muxed(samples: np.ndarray, container: str, codec: str, rate: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.layout = layout = "mono" if samples.shape[1] == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = RATE
        convert = av.AudioResampler(format=stream.codec_context.format or "fltp", layout=layout, rate=rate)
        for packet in [p for part in convert.resample(frame) for p in stream.encode(part)] + stream.encode(None):
            output.mux(packet)
    return file.getvalue()


FILES = {
    "wav": written(sound(1), "WAV"),
    "wav of two channels": written(sound(2), "WAV"),
    "wav of floats": written(sound(1), "WAV", "FLOAT"),
    "extensible wav": written(sound(2), "WAVEX"),
    "mu-law wav": written(sound(1), "WAV", "ULAW"),
    "flac": written(sound(2), "FLAC"),
    "vorbis": written(sound(1), "OGG", "VORBIS"),
    "mp3": written(sound(1), "MP3"),
    "webm": muxed(sound(2), "webm", "libopus", 48_000),
    "ogg opus": muxed(sound(1), "ogg", "libopus", 48_000),
}


def decoded(data: bytes, cuts: list[int]) -> np.ndarray:
    stream = ContainerStream()
    edges = [0, *sorted(cuts), len(data)]
    try:
        parts = [stream.feed(data[a:b]) for a, b in itertools.pairwise(edges)] + [stream.finish()]
    finally:
        stream.close()
    return np.concatenate([part for part in parts if part.size], axis=1)


@pytest.mark.parametrize("first", [1, 2])
def test_a_stream_that_changes_its_channels_goes_on_with_those_it_began_with(first):
    """As joined files do, and a damaged bit can make it."""
    data = written(sound(first), "MP3") + written(sound(3 - first), "MP3")
    samples = decoded(data, list(range(0, len(data), 1000)))
    assert samples.shape[0] == first
    assert samples.shape[1] == pytest.approx(2 * 1.5 * 16_000, abs=5_000)
    # The second half is not silence: it is mixed, or stands on both channels.
    assert np.abs(samples[:, -16_000:-8_000]).max(axis=1).min() > 0.1


@pytest.mark.parametrize("kind", FILES)
def test_pieces_give_what_the_whole_gives(kind):
    data = FILES[kind]
    whole = np.concatenate(list(read_blocks(data)), axis=1)
    pieces = decoded(data, list(range(0, len(data), 1000)))
    assert pieces.shape[0] == whole.shape[0]
    assert abs(pieces.shape[1] - whole.shape[1]) <= 240  # MP3 and Vorbis end a frame earlier or later
    shift = 104 if kind == "ogg opus" else 0  # the two decoders differ about the codec's delay of 6.5 ms
    both = min(pieces.shape[1], whole.shape[1]) - shift
    tolerance = 0.01 if kind == "ogg opus" else 1e-3
    assert np.abs(pieces[:, :both] - whole[:, shift : shift + both])[:, 800:-800].max() < tolerance


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, len(FILES["wav"]) - 1), max_size=12))
def test_wav_is_cut_anywhere(cuts):
    assert np.array_equal(decoded(FILES["wav"], cuts), decoded(FILES["wav"], []))


def test_sizes_that_a_live_writer_does_not_know_are_not_read():
    data = bytearray(FILES["wav"])
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    assert np.array_equal(decoded(bytes(data), [50]), decoded(FILES["wav"], []))


def test_speech_comes_out_while_it_comes_in():
    for kind, data in FILES.items():
        if kind not in ("flac", "vorbis", "ogg opus"):  # whose frames and pages are long
            stream = ContainerStream()
            half = sum(stream.feed(data[a : a + 500]).shape[1] for a in range(0, len(data) * 2 // 3, 500))
            stream.close()
            assert half > 0.3 * 1.5 * 16_000, kind


def test_what_is_no_container_is_refused():
    stream = ContainerStream()
    assert stream.feed(b"\x00" * 8).size == 0
    with pytest.raises(AudioError, match="no container that is known"):
        stream.feed(b"\x00" * 8)
    assert container_of(b"\x00" * 12) is None


def test_a_stream_that_ends_in_its_head_is_refused():
    stream = ContainerStream()
    stream.feed(b"RIFF")
    with pytest.raises(AudioError, match="ended in the head"):
        stream.finish()
    assert ContainerStream().finish().size == 0


def test_longer_than_allowed_is_refused():
    stream = ContainerStream(AudioLimits(max_seconds=0.5))
    with pytest.raises(AudioError, match="longer than"):
        for start in range(0, len(FILES["mp3"]), 1000):
            stream.feed(FILES["mp3"][start : start + 1000])
    stream.close()


@pytest.mark.parametrize("kind", ["flac", "webm", "mp3", "ogg opus", "wav of floats"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_broken_bytes_end_in_audio_or_a_clear_error(kind, data):
    damaged = bytearray(FILES[kind])
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=30)):
        damaged[place] ^= data.draw(st.integers(1, 255))
    before = threading.active_count()
    try:
        decoded(bytes(damaged), [len(damaged) // 2])
    except (AudioError, ValueError) as error:
        assert isinstance(error, AudioError) or "concatenate" in str(error)  # nothing could be decoded
    assert threading.active_count() == before
