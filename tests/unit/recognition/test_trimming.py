"""Silence is taken from short recordings, speech and other sound never."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.audio.io import SAMPLE_RATE
from vizinho.recognition.cutting import TrimOptions, trimmed

OPTIONS = TrimOptions()
PAD = round(OPTIONS.pad_seconds * SAMPLE_RATE)


@pytest.fixture(scope="module")
def speech():
    """One word by eSpeak NG, without the silence at its ends."""
    espeak = pytest.importorskip("vizinho.g2p.espeak")
    samples = espeak.synthesise("vizinhos", espeak.Voice("pt-br"))
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return samples[loud[0] : loud[-1] + 1]


def silence(seconds, level, seed):
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return (level * noise).astype(np.float32)


@settings(max_examples=15)
@given(st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.sampled_from([0.0, 1e-4, 3e-3]), st.integers(0, 99))
def test_speech_stays_whole_with_little_silence_beside_it(speech, before, after, level, seed):
    parts = [silence(before, level, seed), speech, silence(after, level, seed + 1)]
    samples = np.concatenate(parts)
    (piece,) = trimmed(samples, OPTIONS)
    assert np.array_equal(piece.samples, samples[piece.start_sample : piece.end_sample])
    start, end = parts[0].size, parts[0].size + speech.size
    window = SAMPLE_RATE // 20  # a window of the detector and the soft edge of a sound
    assert (
        piece.start_sample <= max(0, start - PAD + window) and piece.end_sample >= min(end + PAD, samples.size) - window
    )
    # The detector takes some tenths of a second to be sure that nobody speaks any more.
    assert piece.samples.size <= speech.size + 2 * PAD + 0.5 * SAMPLE_RATE


def test_a_long_pause_parts_a_recording_and_a_short_one_does_not(speech):
    long, short = (np.concatenate([speech, silence(s, 1e-4, 1), speech]) for s in (2.0, 0.5))
    assert [p.start_sample for p in trimmed(long, OPTIONS)] == [
        0,
        pytest.approx(speech.size + 1.8 * SAMPLE_RATE, abs=1000),
    ]
    assert len(trimmed(short, OPTIONS)) == 1


def test_sound_that_the_detector_does_not_take_for_speech_stays(speech):
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    samples = np.concatenate([speech, silence(0.3, 1e-4, 1), tone, silence(2.0, 1e-4, 2)])
    (piece,) = trimmed(samples, OPTIONS)
    assert piece.end_sample >= samples.size - 2 * SAMPLE_RATE


def test_a_click_far_from_speech_goes(speech):
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[100:400] = 0.9
    (piece,) = trimmed(np.concatenate([click, speech]), OPTIONS)
    assert piece.start_sample > 400


@pytest.mark.parametrize("size", [0, 1, 511, 512, 16_000])
def test_without_speech_nothing_is_cut(size):
    samples = silence(size / SAMPLE_RATE, 1e-3, 1)
    assert [p.samples.size for p in trimmed(samples, OPTIONS)] == ([size] if size else [])
