import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.audio.augment import (
    NO_AUGMENT,
    AugmentOptions,
    add_echo,
    add_noise,
    augment_waveform,
    band_limit,
    change_speed,
    mask_features,
    mask_waveform,
    warp_channels,
)

SPEECH = (0.3 * np.sin(np.arange(16000) * 0.2) + 0.2 * np.sin(np.arange(16000) * 2.2)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [0.0, 10.0, 30.0])
def test_noise_has_the_set_ratio(snr_db):
    noise = add_noise(SPEECH, snr_db, np.random.default_rng(1)) - SPEECH
    found = 10 * np.log10(np.mean(SPEECH.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
    assert found == pytest.approx(snr_db, abs=0.1)


def test_band_limit_removes_what_is_above_and_keeps_what_is_below():
    limited = band_limit(SPEECH, 3000.0)
    power = lambda x, hz: np.abs(np.fft.rfft(x[2000:10000]))[round(hz / 2)]  # noqa: E731
    low, high = 0.2 / (2 * np.pi) * 16000, 2.2 / (2 * np.pi) * 16000
    assert power(limited, low) == pytest.approx(power(SPEECH, low), rel=0.1)
    assert power(limited, high) < 0.1 * power(SPEECH, high)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_speed_changes_length(factor):
    assert change_speed(SPEECH, factor).size == pytest.approx(16000 / factor, abs=3)


@given(st.integers(0, 1000))
def test_a_seed_fixes_everything(seed):
    one = augment_waveform(SPEECH, AugmentOptions(), np.random.default_rng(seed))
    two = augment_waveform(SPEECH, AugmentOptions(), np.random.default_rng(seed))
    assert np.array_equal(one, two)
    assert np.isfinite(one).all()


def test_no_augment_changes_nothing():
    features = np.random.default_rng(1).standard_normal((50, 80)).astype(np.float32)
    assert np.array_equal(augment_waveform(SPEECH, NO_AUGMENT, np.random.default_rng(1)), SPEECH)
    assert np.array_equal(mask_features(features, NO_AUGMENT, np.random.default_rng(1)), features)


@given(st.integers(1, 120), st.integers(0, 1000))
def test_masks_only_write_zeros_and_leave_some_frames(frames, seed):
    features = np.ones((frames, 80), np.float32)
    masked = mask_features(features, AugmentOptions(), np.random.default_rng(seed))
    assert set(np.unique(masked)) <= {0.0, 1.0}
    assert masked.shape == features.shape
    assert np.array_equal(features, np.ones((frames, 80), np.float32))


def test_an_echo_keeps_the_length_and_rings_on_after_a_click():
    click = np.zeros(16000, dtype=np.float32)
    click[100] = 1.0
    heard = add_echo(click, 0.3, np.random.default_rng(1))
    assert heard.shape == click.shape
    assert heard[100] == pytest.approx(1.0, abs=1e-3)
    power = [float((heard[101 + i * 1600 : 101 + (i + 1) * 1600] ** 2).sum()) for i in range(3)]
    assert not heard[:99].any() or np.abs(heard[:99]).max() < 1e-6
    assert power[0] > 50 * power[1] > 2500 * power[2] > 0


@given(st.floats(0.85, 1.15))
def test_warped_channels_read_another_place_and_keep_both_edges(factor):
    ramp = np.tile(np.arange(80, dtype=np.float32), (3, 1))
    warped = warp_channels(ramp, factor)
    assert warped.shape == ramp.shape
    assert warped[0, 0] == 0 and warped[0, -1] == pytest.approx(79, abs=1e-3)
    assert warped[1, 20] == pytest.approx(20 * factor, abs=0.05)
    assert (np.diff(warped[0]) > 0).all()


def test_parts_that_are_off_leave_the_random_numbers_of_the_others_alone():
    off = AugmentOptions()
    on = AugmentOptions(echo_share=1e-12, warp_share=1e-12)
    same = [augment_waveform(SPEECH, options, np.random.default_rng(3)) for options in (off, off)]
    assert np.array_equal(*same)
    assert not np.array_equal(
        same[0], augment_waveform(SPEECH, AugmentOptions(echo_share=1.0), np.random.default_rng(3))
    )
    assert augment_waveform(SPEECH, on, np.random.default_rng(3)).shape[0] > 0


def test_masked_waveforms_are_silent_in_stretches_and_bands():
    rng = np.random.default_rng(3)
    noise = rng.standard_normal(16000).astype(np.float32)
    only_time = AugmentOptions(freq_masks=0, time_masks=3, time_share=0.2)
    masked = mask_waveform(noise, only_time, np.random.default_rng(5))
    silent = masked == 0
    assert 0 < silent.mean() <= 0.6
    assert np.array_equal(masked[~silent], noise[~silent])
    only_bands = AugmentOptions(freq_masks=1, freq_width=80, time_masks=0)
    spectrum = np.abs(np.fft.rfft(mask_waveform(noise, only_bands, np.random.default_rng(5))))
    gone = np.flatnonzero(spectrum < 1e-2)
    assert gone.size > 100
    assert np.array_equal(gone, np.arange(gone[0], gone[-1] + 1)), "one band"


def test_a_waveform_without_masks_stays_itself_and_a_seed_fixes_the_masks():
    assert np.array_equal(mask_waveform(SPEECH, NO_AUGMENT, np.random.default_rng(1)), SPEECH)
    made = [mask_waveform(SPEECH, AugmentOptions(), np.random.default_rng(7)) for _ in range(2)]
    assert np.array_equal(*made)
