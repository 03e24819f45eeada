import io

import numpy as np
import pytest
import soundfile
from blocks import read_channels
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.audio.blocks import PacketDecoder, mono, read_blocks
from vizinho.audio.containers import AudioLimits
from vizinho.audio.io import load_audio, save_audio
from vizinho.errors import AudioError, SpecError


def tone(rate, seconds=1.0, frequency=440.0):
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


def wav(samples, rate, subtype="FLOAT"):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def frequency_of(samples):
    return np.abs(np.fft.rfft(samples)).argmax() * 16_000 / samples.size


def encoded(container, codec, samples, rate=48_000):
    """Mono samples in a container that only PyAV writes."""
    av = pytest.importorskip("av", reason="the extra `media` is not installed")
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None].copy(), format="fltp", layout="mono")
        frame.sample_rate = rate
        convert = av.AudioResampler(stream.codec_context.format.name, "mono", rate, stream.codec_context.frame_size)
        for part in [*convert.resample(frame), *convert.resample(None)]:
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("container", "codec"), [("webm", "libopus"), ("mp4", "aac"), ("matroska", "pcm_s16le")])
def test_containers_of_browsers_and_phones(tmp_path, container, codec):
    data = encoded(container, codec, tone(48_000))
    samples = mono(read_channels(data))
    assert abs(samples.size - 16_000) < 1500
    assert abs(frequency_of(samples) - 440) < 2
    (tmp_path / "a.bin").write_bytes(data)
    assert np.array_equal(mono(read_channels(tmp_path / "a.bin")), samples)
    assert load_audio(tmp_path / "a.bin").size == pytest.approx(samples.size, abs=2)


def test_a_truncated_recording_of_a_browser_gives_what_it_holds():
    data = encoded("webm", "libopus", tone(48_000, 3.0))
    samples = mono(read_channels(data[: len(data) // 2]))
    assert 16_000 < samples.size < 2 * 16_000
    assert abs(frequency_of(samples) - 440) < 2


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_blocks_have_no_seams_and_channels_stay_apart(rate):
    stereo = np.stack([tone(rate, 25.0), tone(rate, 25.0, 1000.0)], axis=1)
    blocks = list(read_blocks(wav(stereo, rate)))
    assert len(blocks) >= 3
    left, right = np.concatenate(blocks, axis=1)
    assert abs(left.size - 25 * 16_000) <= 1
    assert (round(frequency_of(left)), round(frequency_of(right))) == (440, 1000)
    inside = left[1600:-1600]
    assert np.abs(inside - tone(16_000, 25.0)[1600 : 1600 + inside.size]).max() < 0.01


@pytest.mark.parametrize(
    ("data", "limits", "message"),
    [
        (wav(tone(16_000, 2.0), 16_000), AudioLimits(max_seconds=1.0), "longer than the 1 s allowed"),
        (wav(tone(16_000), 16_000), AudioLimits(max_bytes=1000), "MB are more than"),
        (wav(np.zeros((100, 9)), 16_000), AudioLimits(max_channels=8), "9 channels"),
        (wav(tone(16_000), 1), AudioLimits(), "1 samples per second"),
        (wav(np.full(100, np.nan, np.float32), 16_000), AudioLimits(), "not numbers"),
        (wav(np.array([1.0, -np.inf], np.float32), 16_000), AudioLimits(), "not numbers"),
        (wav(np.zeros(0, np.float32), 16_000), AudioLimits(), "no samples"),
        (b"", AudioLimits(), "cannot decode"),
        (b"\x1a\x45\xdf\xa3" + bytes(100), AudioLimits(), "cannot decode"),
        (b"\0\0\0\x18ftypM4A " + bytes(100), AudioLimits(), "cannot decode|no audio track"),
    ],
    # Names of their own: a recording's bytes hold the time at which it was written.
    ids=["long", "large", "channels", "rate", "nan", "inf", "no samples", "nothing", "webm", "m4a"],
)
def test_what_is_refused_and_why(data, limits, message):
    pytest.importorskip("av", reason="the extra `media` is not installed")
    with pytest.raises(AudioError, match=message):
        read_channels(data, "upload", limits)


def test_the_length_is_counted_not_believed():
    """A FLAC whose header says nothing of its length."""
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16_000 * 30, np.float32), 16_000, format="FLAC")
    data = bytearray(file.getvalue())
    data[21] &= 0xF0  # the lowest 36 bits of these 8 bytes are the number of samples; 0 stands for unknown
    data[22:26] = bytes(4)
    assert len(data) < 5000
    with pytest.raises(AudioError, match=r"longer than the 20 s allowed|cannot decode"):
        read_channels(bytes(data), limits=AudioLimits(max_seconds=20.0))


def test_enormous_samples_do_not_overflow_later():
    samples = read_channels(wav(np.array([3e38, -3e38] * 800, np.float32), 16_000))
    assert np.abs(samples).max() <= 65536.0


def test_one_sample_is_audio(tmp_path):
    save_audio(tmp_path / "a.wav", np.zeros(1, np.float32))
    assert read_channels(tmp_path / "a.wav").shape == (1, 1)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 97), max_size=60), st.sampled_from([1, 2]))
def test_raw_samples_may_be_cut_anywhere(cuts, channels):
    expected = np.arange(-1000, 1000, dtype="<i2").reshape(-1, channels)
    data = expected.tobytes()
    decoder, parts, start = PacketDecoder("linear16", 16_000, channels), [], 0
    for size in [*cuts, len(data)]:
        parts.append(decoder.feed(data[start : start + size]))
        start += size
    found = np.concatenate([*parts, decoder.finish()], axis=1)
    assert np.array_equal(found * 32768, expected.T)


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_telephone_companding_agrees_with_libsndfile(encoding):
    codes = bytes(range(256))
    raw = {"mulaw": "ULAW", "alaw": "ALAW"}[encoding]
    expected, _ = soundfile.read(
        io.BytesIO(codes), format="RAW", subtype=raw, samplerate=16_000, channels=1, dtype="float32"
    )
    assert np.array_equal(PacketDecoder(encoding, 16_000).feed(codes)[0], expected)


def test_packets_of_8_khz_come_out_at_16():
    data = (tone(8_000) * 32767).astype("<i2").tobytes()
    decoder = PacketDecoder("linear16", 8_000)
    parts = [decoder.feed(data[i : i + 160]) for i in range(0, len(data), 160)]
    samples = np.concatenate([*parts, decoder.finish()], axis=1)[0]
    assert abs(samples.size - 16_000) <= 2
    assert abs(frequency_of(samples) - 440) < 2


@pytest.mark.parametrize("channels", [1, 2])
def test_opus_packets_and_bad_ones_among_them(channels):
    av = pytest.importorskip("av", reason="the extra `media` is not installed")
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format = 48_000, "mono", "flt"
    frame = av.AudioFrame.from_ndarray(tone(48_000)[None].copy(), format="flt", layout="mono")
    frame.sample_rate = 48_000
    split = av.AudioResampler("flt", "mono", 48_000, 960)
    packets = [bytes(p) for part in split.resample(frame) for p in codec.encode(part)]
    decoder = PacketDecoder("opus", 48_000, channels)
    parts = [decoder.feed(p) for packet in packets for p in (packet, b"\xff\xff\xff", b"")]
    samples = np.concatenate([*parts, decoder.finish()], axis=1)
    assert samples.shape[0] == channels
    assert decoder.bad_packets == 2 * len(packets)
    assert abs(samples.shape[1] - 16_000) < 1000
    assert abs(frequency_of(samples[0]) - 440) < 20


@pytest.mark.parametrize(
    "arguments", [("pcm", 16_000, 1), ("linear16", 0, 1), ("linear16", 16_000, 0), ("opus", 48_000, 3)]
)
def test_streams_that_cannot_be(arguments):
    with pytest.raises(SpecError):
        PacketDecoder(*arguments)


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"pip install 'vizinho\[media\]'"):
        read_channels(b"\x1a\x45\xdf\xa3" + bytes(100))
    with pytest.raises(AudioError, match="PyAV"):
        PacketDecoder("opus", 48_000)
