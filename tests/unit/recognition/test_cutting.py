from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tones import Loudness

from vizinho.audio.io import SAMPLE_RATE
from vizinho.errors import SpecError
from vizinho.recognition.cutting import CutOptions, Cutter, Piece, packed
from vizinho.recognition.vad import WINDOW_SAMPLES, SpeechProbability

OPTIONS = CutOptions(silence_seconds=0.3, pad_seconds=0.1, max_seconds=4.0, overlap_seconds=0.5)


def signal(*parts):
    """Alternating silence and speech, in seconds; every sample has its own value where there is speech."""
    values = [np.full(round(s * SAMPLE_RATE), float(i % 2), np.float32) for i, s in enumerate(parts)]
    return np.concatenate(values)


def cut(audio, step=1600, options=OPTIONS):
    cutter, pieces = Cutter(options, Loudness()), []
    for start in range(0, audio.size, step):
        pieces += cutter.feed(audio[start : start + step])
        assert cutter.end_sample - cutter._audio_start <= (options.max_seconds + 3) * SAMPLE_RATE
    return [*pieces, *cutter.flush()]


def test_speech_is_cut_out_with_its_padding():
    audio = signal(2.0, 1.0, 1.0, 0.5, 2.0)
    first, second = cut(audio)
    assert first.start_sample == pytest.approx(1.9 * SAMPLE_RATE, abs=WINDOW_SAMPLES)
    assert first.end_sample == pytest.approx(3.1 * SAMPLE_RATE, abs=WINDOW_SAMPLES)
    assert (first.ends_in_silence, second.ends_in_silence) == (True, True)
    assert np.array_equal(first.samples, audio[first.start_sample : first.end_sample])


@settings(max_examples=20)
@given(st.lists(st.floats(0.05, 6.0), min_size=1, max_size=9), st.sampled_from([100, 1600, 50_000]))
def test_no_speech_is_lost_and_steps_do_not_matter(parts, step):
    audio = signal(*parts)
    pieces = cut(audio, step)
    covered = np.zeros(audio.size, bool)
    for piece in pieces:
        assert np.array_equal(piece.samples, audio[piece.start_sample : piece.end_sample])
        assert piece.samples.size <= (OPTIONS.max_seconds + 1.0) * SAMPLE_RATE
        covered[piece.start_sample : piece.end_sample] = True
    lost = (audio > 0) & ~covered
    # Speech shorter than begin_seconds may be left out; so may the end of a window that is mostly silent.
    runs = np.flatnonzero(np.diff(np.concatenate([[0], lost.astype(int), [0]])))
    longest = (OPTIONS.begin_seconds + 2 * WINDOW_SAMPLES / SAMPLE_RATE) * SAMPLE_RATE
    assert all(end - begin <= longest for begin, end in zip(runs[::2], runs[1::2], strict=True))
    whole = cut(audio, audio.size)
    assert [(p.start_sample, p.end_sample) for p in whole] == [(p.start_sample, p.end_sample) for p in pieces]


def test_speech_without_a_pause_is_cut_with_an_overlap():
    pieces = cut(signal(0.5, 13.0, 1.0))
    assert len(pieces) >= 3
    for left, right in pairwise(pieces):
        assert left.overlap_samples == left.end_sample - right.start_sample > 0
    assert pieces[-1].overlap_samples == 0


def test_an_hour_of_silence_holds_no_audio():
    cutter = Cutter(OPTIONS, Loudness())
    for _ in range(360):
        assert cutter.feed(np.zeros(10 * SAMPLE_RATE, np.float32)) == []
        assert cutter._audio.size < SAMPLE_RATE
    assert cutter.end_sample == 3600 * SAMPLE_RATE
    assert cutter.flush() == []


@pytest.mark.parametrize(
    "values", [{"begin_probability": 0.2}, {"silence_seconds": -1.0}, {"max_seconds": 2.0, "overlap_seconds": 1.0}]
)
def test_impossible_options_are_refused(values):
    with pytest.raises(SpecError):
        CutOptions(**values)


def test_the_detector_hears_no_one_in_noise_and_does_not_mind_the_steps():
    noise = (np.random.default_rng(1).standard_normal(5 * SAMPLE_RATE) * 0.01).astype(np.float32)
    detector = SpeechProbability()
    whole = SpeechProbability().feed(noise)
    parts = np.concatenate([detector.feed(noise[i : i + 700]) for i in range(0, noise.size, 700)])
    assert whole.size == noise.size // WINDOW_SAMPLES
    assert np.abs(whole - parts).max() < 1e-4
    assert np.median(whole) < 0.3


def test_the_detector_is_silero_s(shared):
    """The same probabilities as the wheel's own wrapper gives, on a real recording."""
    import torch
    from silero_vad import load_silero_vad

    from vizinho.audio.io import load_audio

    path = sorted((shared / "speech" / "es").glob("tuxpaint*.opus"))[3]
    samples = load_audio(path)
    samples = samples[: samples.size // WINDOW_SAMPLES * WINDOW_SAMPLES]
    theirs = load_silero_vad(onnx=True).audio_forward(torch.from_numpy(samples), 16_000)[0].numpy()
    ours = SpeechProbability().feed(samples)
    assert ours.max() > 0.8
    assert np.abs(ours - theirs).max() < 1e-3


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(-10, 60)), max_size=12),
    st.integers(5, 100),
)
def test_packed_pieces_hold_the_same_audio_at_the_same_times(parts, most):
    """Parts are lengths of pieces and what lies between one and the next: a pause, or audio that both have."""
    audio = np.arange(1, 2000, dtype=np.float32)
    pieces, at = [], 0
    for length, pause in parts:
        at = max(0, at + pause, pieces[-1].start_sample if pieces else 0)
        pieces.append(Piece(at, audio[at : at + length]))
        at += length
    made = packed(pieces, most / SAMPLE_RATE)
    sizes = [piece.samples.size for piece in made]
    assert max(sizes, default=0) <= max([most, *(p.samples.size for p in pieces)])
    for first, second in pairwise(made):  # nothing more would have fitted
        assert second.start_sample > first.start_sample or second.samples.size >= first.samples.size
    spoken = {i for p in pieces for i in range(p.start_sample, p.end_sample)}
    whole = {i: p.samples[i - p.start_sample] for p in made for i in range(p.start_sample, p.end_sample)}
    assert spoken <= whole.keys()
    assert all(value == (audio[i] if i in spoken else 0.0) for i, value in whole.items())


def test_packed_pieces_end_as_the_last_of_them_does():
    ends = [Piece(0, np.ones(10, np.float32), ends_in_silence=True), Piece(20, np.ones(10, np.float32), False, 4)]
    (one,) = packed(ends, 1.0)
    assert (one.start_sample, one.end_sample, one.ends_in_silence, one.overlap_samples) == (0, 30, False, 4)
    assert len(packed(ends, 29 / SAMPLE_RATE)) == 2
