"""Whisper's features equal those of the official extractor, whatever the length and the window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import WhisperFeatureExtractor

from vizinho.audio.io import load_audio
from vizinho.audio.whisper_mel import WhisperMel


def official(samples, seconds, bands=80):
    extractor = WhisperFeatureExtractor(feature_size=bands, chunk_length=seconds)
    return extractor(samples, sampling_rate=16_000, return_tensors="np").input_features[0]


def noise(size, seed=0, loudness=0.1):
    return np.random.default_rng(seed).normal(0.0, loudness, size).astype(np.float32)


@settings(max_examples=25)
@given(
    size=st.integers(0, 80_000),
    seconds=st.sampled_from([5, 10]),
    bands=st.sampled_from([80, 128]),
    loudness=st.sampled_from([0.0, 1e-4, 0.3]),
)
def test_features_are_the_official_ones(size, seconds, bands, loudness):
    samples = noise(size, size, loudness)
    features = WhisperMel(bands)(samples, seconds)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, official(samples, seconds, bands), atol=2e-4)


@pytest.mark.parametrize("size", [0, 1, 150, 200, 201, 399, 400, 79_679, 79_840, 79_999, 80_000])
def test_features_at_the_edges_of_the_window_are_the_official_ones(size):
    samples = noise(size)
    np.testing.assert_allclose(WhisperMel()(samples, 5), official(samples, 5), atol=2e-4)


def test_features_of_real_speech_are_the_official_ones(shared):
    for file in sorted((shared / "speech" / "pt").glob("*.opus"))[::200]:
        samples = load_audio(file)
        np.testing.assert_allclose(WhisperMel()(samples), official(samples, 30), atol=2e-4)
