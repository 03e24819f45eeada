"""Waveform and feature augmentation; every function takes its random generator, so a seed fixes the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, fftconvolve, sosfilt

from vizinho.audio.io import SAMPLE_RATE, Waveform

Features = npt.NDArray[np.float32]
"""Log-mel features of one utterance, shape (T, F), normalised to zero mean per mel channel."""
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class AugmentOptions:
    """How strongly training audio is augmented. Probabilities are per utterance; zero switches a part off."""

    speed_share: float = 0.6
    """Probability of a speed change."""
    speed_range: float = 0.12
    """Largest speed change: the factor is uniform in 1 +- this."""
    noise_share: float = 0.4
    """Probability of additive noise."""
    noise_snr_db: tuple[float, float] = (8.0, 35.0)
    """Signal-to-noise ratio in dB, uniform in this range."""
    band_share: float = 0.15
    """Probability of a telephone-like low-pass."""
    band_hz: tuple[float, float] = (3000.0, 4000.0)
    """Cut-off of the low-pass in Hz, uniform in this range."""
    echo_share: float = 0.0
    """Probability of a room's echo: decaying noise as impulse response (Lebart et al. 2001)."""
    echo_seconds: tuple[float, float] = (0.1, 0.6)
    """Reverberation time (decay by 60 dB), uniform in this range."""
    warp_share: float = 0.0
    """Probability of a warped frequency axis, as vocal tracts of other lengths give (Jaitly & Hinton 2013)."""
    warp_range: float = 0.12
    """Largest warp: the factor is uniform in 1 +- this."""
    freq_masks: int = 2
    """SpecAugment: number of frequency masks (Park et al. 2019, arXiv 1904.08779)."""
    freq_width: int = 18
    """SpecAugment: widest frequency mask in mel channels."""
    time_masks: int = 3
    """SpecAugment: number of time masks."""
    time_share: float = 0.08
    """SpecAugment: longest time mask as a share of the utterance (adaptive: Park et al. 2020, arXiv 1912.05533)."""


NO_AUGMENT = AugmentOptions(speed_share=0, noise_share=0, band_share=0, freq_masks=0, time_masks=0)
"""Leaves audio and features unchanged."""


def augment_waveform(samples: Waveform, options: AugmentOptions, rng: np.random.Generator) -> Waveform:
    """Speed, echo, band limit and noise, each with its probability; shape (N,) to (N',)."""
    # All numbers are drawn, used or not, so that switching one part off leaves the others' randomness alone.
    chances, speed = rng.random(3), 1 + options.speed_range * rng.uniform(-1, 1)
    cutoff_hz, snr_db = rng.uniform(*options.band_hz), rng.uniform(*options.noise_snr_db)
    if chances[0] < options.speed_share:
        samples = change_speed(samples, speed)
    # Echo came later and draws only where it is on, so that older recipes get the same random numbers.
    if options.echo_share and rng.random() < options.echo_share:
        samples = add_echo(samples, rng.uniform(*options.echo_seconds), rng)
    if chances[1] < options.band_share:
        samples = band_limit(samples, cutoff_hz)
    if chances[2] < options.noise_share:
        samples = add_noise(samples, snr_db, rng)
    return samples


def change_speed(samples: Waveform, factor: float) -> Waveform:
    """Play `factor` times as fast, pitch included (Ko et al. 2015); shape (N,) to about (N / factor,)."""
    return np.asarray(soxr.resample(samples, SAMPLE_RATE * factor, SAMPLE_RATE, quality="MQ"), dtype=np.float32)


def add_noise(samples: Waveform, snr_db: float, rng: np.random.Generator) -> Waveform:
    """Add coloured noise (white to pink at random) at a signal-to-noise ratio in dB; digital silence stays silent."""
    signal_power = float(np.mean(samples.astype(np.float64) ** 2))
    if signal_power == 0.0:
        return samples
    # A transform whose length has a large prime factor takes many times as long.
    length = next_fast_len(samples.size, real=True)
    spectrum = rfft(rng.standard_normal(length))
    tilt = rng.uniform(0.0, 0.5)  # amplitude falls as f^-tilt: 0 is white, 0.5 is pink
    spectrum /= np.maximum(np.arange(spectrum.size), 1.0) ** tilt
    noise = irfft(spectrum, n=length)[: samples.size]
    noise_power = float(np.mean(noise**2))
    if noise_power == 0.0:
        return samples
    gain = np.sqrt(signal_power / noise_power / 10 ** (snr_db / 10))  # SNR = 10 log10(signal / (gain² noise))
    return np.asarray(samples + gain * noise, dtype=np.float32)


def add_echo(samples: Waveform, seconds: float, rng: np.random.Generator) -> Waveform:
    """Convolve with a room's impulse response: the direct sound, then noise that falls by 60 dB in `seconds`.

    The direct sound is 3 to 15 dB louder than the tail. Shape (N,) kept: the echo after the last sample is cut off.
    """
    times = np.arange(1, round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(times.size) * 10 ** (-3 * times / seconds)  # -60 dB is a factor of 10^-3 in amplitude
    tail *= 10 ** (-rng.uniform(3.0, 15.0) / 20) / np.sqrt((tail**2).sum())
    return np.asarray(fftconvolve(samples, np.concatenate([[1.0], tail]))[: samples.size], dtype=np.float32)


def band_limit(samples: Waveform, cutoff_hz: float) -> Waveform:
    """Low-pass below `cutoff_hz` (sixth-order Butterworth), as a telephone line does; shape (N,) kept."""
    sections = butter(6, cutoff_hz, fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(sections, samples), dtype=np.float32)


def mask_features(features: Features, options: AugmentOptions, rng: np.random.Generator) -> Features:
    """SpecAugment: bands of channels and stretches of frames become zero, the mean. Shape (T, F) kept.

    Channels may be warped first; time is not.
    """
    T, F = features.shape
    masked = features.copy()
    if options.warp_share and rng.random() < options.warp_share:
        masked = warp_channels(masked, 1 + options.warp_range * rng.uniform(-1, 1))
    for _ in range(options.freq_masks):
        width = int(rng.integers(0, options.freq_width + 1))
        start = int(rng.integers(0, max(1, F - width)))
        masked[:, start : start + width] = 0.0
    for _ in range(options.time_masks):
        width = int(rng.integers(0, max(1, int(T * options.time_share)) + 1))
        start = int(rng.integers(0, max(1, T - width)))
        masked[start : start + width] = 0.0
    return masked


def mask_waveform(samples: Waveform, options: AugmentOptions, rng: Random) -> Waveform:
    """SpecAugment for networks that take waveforms: bands of frequency and stretches of time become silent, shape (N,).

    The masks are as wide as those of `mask_features`: a mel channel is an equal part of the mel scale up to half the
    sampling rate.
    """
    # The networks' own masks (`masked_spec_embed`) stay off: they draw from numpy's global state, which a resumed run
    # does not restore.
    spectrum = rfft(samples)
    mels = _mel(np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE).astype(np.float64))
    for _ in range(options.freq_masks):
        width = rng.integers(0, options.freq_width + 1) / _MEL_CHANNELS * mels[-1]
        start = rng.uniform(0, max(0.0, mels[-1] - width))
        spectrum[(mels >= start) & (mels < start + width)] = 0.0
    masked = irfft(spectrum, n=samples.size).astype(np.float32) if options.freq_masks else samples.copy()
    for _ in range(options.time_masks):
        width = int(rng.integers(0, max(1, int(samples.size * options.time_share)) + 1))
        start = int(rng.integers(0, max(1, samples.size - width)))
        masked[start : start + width] = 0.0
    return masked


_MEL_CHANNELS = 80  # channels that AugmentOptions.freq_width counts in


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 2595.0 * np.log10(1.0 + hertz / 700.0)


def warp_channels(features: Features, factor: float) -> Features:
    """Read every mel channel at `factor` times its place, with the upper edge fixed (VTLP); shape (T, F) kept."""
    F = features.shape[1]
    # Below the edge the axis is stretched by `factor`; above it, it is squeezed so that the last channel stays.
    edge = 0.8 * (F - 1) * min(1.0, 1.0 / factor)
    places = np.interp(np.arange(F), [0.0, edge, F - 1.0], [0.0, edge * factor, F - 1.0])
    low = np.minimum(places.astype(int), F - 2)
    share = (places - low).astype(np.float32)
    return np.asarray(features[:, low] * (1 - share) + features[:, low + 1] * share, dtype=np.float32)
