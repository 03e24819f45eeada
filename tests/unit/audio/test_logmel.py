import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.audio.features import FrontEnd, make_extractor
from vizinho.audio.logmel import MIN_SAMPLES, LogMel, at_least_minimum

EXTRACTOR = make_extractor()


@settings(max_examples=15)
@given(st.integers(4000, 20_000), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 0.1]))
def test_the_features_are_the_extractors(size, seed, loudness):
    samples = (np.random.default_rng(seed).standard_normal(size) * 0.1 * loudness).astype(np.float32)
    made = FrontEnd(EXTRACTOR, 160).extract([samples])
    count = int(made.mask.sum())
    ours = LogMel()(samples)
    assert ours.shape == (80, count)
    # Normalising by the deviation of few frames enlarges the rounding of single precision.
    assert np.abs(ours - made.features[0, :count].numpy().T).max() < 1e-3


def test_settings_are_read_by_the_extractors_names():
    from transformers import ParakeetFeatureExtractor

    extractor = ParakeetFeatureExtractor(feature_size=40, hop_length=200, win_length=320, n_fft=400, preemphasis=0.9)
    samples = np.random.default_rng(1).standard_normal(9000).astype(np.float32)
    made = FrontEnd(extractor, 200).extract([samples])
    count = int(made.mask.sum())
    ours = LogMel.of(extractor.to_dict())(samples)
    assert np.abs(ours - made.features[0, :count].numpy().T).max() < 5e-4


def test_silence_is_finite_and_short_audio_is_filled_up():
    assert np.isfinite(LogMel()(np.zeros(16_000, np.float32))).all()
    assert at_least_minimum(np.ones(1, np.float32)).size == MIN_SAMPLES
