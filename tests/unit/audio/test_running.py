import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.audio.logmel import LogMel, RunningFeatures, RunningStatistics, normalize_running

FEATURES = LogMel()


def noise(samples: int) -> np.ndarray:
    rng = np.random.default_rng(samples)
    return (rng.standard_normal(samples) * np.linspace(0.05, 0.3, samples)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.integers(640, 40_000), st.lists(st.integers(0, 9000), max_size=6), st.sampled_from([4, 32, 1000]))
def test_samples_may_come_in_any_blocks(samples, cuts, chunk):
    speech = noise(samples)
    running = RunningFeatures(FEATURES, chunk)
    blocks = np.split(speech, sorted(c for c in cuts if c < samples))
    parts = [part for block in blocks for part in running.feed(block)] + running.finish()
    assert all(len(part) == chunk for part in parts[:-1])
    streamed = np.concatenate(parts)
    whole = normalize_running(FEATURES(speech).T, chunk)
    assert streamed.shape == whole.shape
    assert np.abs(streamed - whole).max() < 0.02  # the floor of the deviation counts for raw bands and normalised ones


def test_one_chunk_of_everything_is_the_normalisation_of_utterances():
    whole = FEATURES(noise(16_000)).T
    assert np.allclose(normalize_running(whole, 10_000), whole, atol=1e-3)


def test_frames_are_normalised_by_what_came_before_them_and_not_by_what_comes_after():
    frames = np.random.default_rng(1).standard_normal((40, 3)).astype(np.float32)
    changed = frames.copy()
    changed[30:] *= 5
    assert np.array_equal(normalize_running(frames, 10)[:30], normalize_running(changed, 10)[:30])
    second = RunningStatistics()
    second.normalize(frames[:10])
    mean, deviation = frames[:20].mean(axis=0), frames[:20].std(axis=0, ddof=1)
    assert second.normalize(frames[10:20]) == pytest.approx((frames[10:20] - mean) / deviation, abs=1e-3)


def test_silence_is_no_division_by_zero():
    running = RunningFeatures(FEATURES, 32)
    parts = running.feed(np.zeros(16_000, np.float32)) + running.finish()
    assert np.isfinite(np.concatenate(parts)).all()
