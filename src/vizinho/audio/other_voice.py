"""A recording in another voice: Praat changes its pitch, vocal tract and pace.

Praat is GPL-3.0 (as praat-parselmouth has it) and therefore an optional extra. The result is a distorted recording of
one speaker: useful to train on, no evidence about people who were never recorded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vizinho.audio.augment import Random
from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.errors import AudioError, VizinhoError

PITCH_HZ = (85.0, 280.0)
"""Median pitches to draw from, on a logarithmic scale: from low male voices to high female and children's voices."""
FORMANTS = (0.86, 1.18)
"""Formants, as a ratio to a middle voice, of the lowest and the highest pitch: high voices have short tracts."""
_FORMANT_SPREAD = 0.08  # formants differ from those that go with the pitch by a factor of exp(+-this)
_MELODY = (0.6, 1.5)  # how far the pitch moves around its median, as a factor
_PACE = (0.82, 1.22)  # factor of the duration
_SEARCH_HZ = (60.0, 500.0)  # where Praat looks for the pitch


def other_voice(samples: Waveform, rng: Random) -> Waveform:
    """Samples (N,) at 16 kHz in a voice drawn at random, shape (N',), peak at most .9; by Praat's "Change gender".

    PSOLA moves the pitch (Moulines & Charpentier 1990), resampling the formants. Raises AudioError for a recording
    without a pitch (a whisper, silence) or too short to have one, VizinhoError without Praat.
    """
    call, run, praat_error, sound_of = _praat()
    pitch = _between(PITCH_HZ, rng)
    spread, melody, pace = rng.uniform(-_FORMANT_SPREAD, _FORMANT_SPREAD), _between(_MELODY, rng), _between(_PACE, rng)
    try:
        sound = sound_of(samples.astype(np.float64), sampling_frequency=SAMPLE_RATE)
        median_hz = call(call(sound, "To Pitch", 0.0, *_SEARCH_HZ), "Get quantile", 0.0, 0.0, 0.5, "Hertz")
        if not math.isfinite(median_hz):
            raise AudioError("it has no pitch to change", fix="leave it out")
        ratio = _formants(pitch) / _formants(median_hz) * math.exp(spread)
        # Praat draws the pulses of voiceless sounds at random.
        run(f"random_initializeWithSeedUnsafelyButPredictably ({rng.integers(2**31)})")
        changed = call(sound, "Change gender", *_SEARCH_HZ, ratio, pitch, melody, pace).values[0]
    except praat_error as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        raise AudioError(f"Praat cannot change its voice: {reason}", fix="leave it out") from error
    peak = float(np.abs(changed).max(initial=0.0))
    return np.asarray(changed * min(1.0, 0.9 / peak) if peak else changed, dtype=np.float32)


def _between(limits: tuple[float, float], rng: Random) -> float:
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))


def _formants(pitch_hz: float) -> float:
    """The formant ratio that usually goes with a pitch."""
    low, high = map(math.log, PITCH_HZ)
    place = min(1.0, max(0.0, (math.log(pitch_hz) - low) / (high - low)))
    return FORMANTS[0] + place * (FORMANTS[1] - FORMANTS[0])


def _praat() -> tuple[Any, Any, type[Exception], Any]:
    try:
        from parselmouth import PraatError, Sound
        from parselmouth.praat import call, run
    except ImportError as error:
        raise VizinhoError("Praat is not installed", fix="pip install 'vizinho[voices]'") from error
    return call, run, PraatError, Sound
