"""The same words in another voice: pitch, vocal tract and pace of a recording, changed by Praat.

Praat is GPL-3.0 (as praat-parselmouth carries it) and therefore an optional extra. What it makes is a recording of
the same speaker, bent: useful to train on, no evidence about people who were never recorded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vizinho.audio.augment import Random
from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.errors import AudioError, VizinhoError

PITCH_HZ = (85.0, 280.0)
"""Median pitches to draw from, on a logarithmic scale: from low men's voices to high women's and children's."""
FORMANTS = (0.86, 1.18)
"""Formants, as a ratio to a middle voice, of the lowest and the highest pitch: high voices have short tracts."""
_FORMANT_SPREAD = 0.08  # A voice's formants differ from those of its pitch by a factor of exp(+-this)
_MELODY = (0.6, 1.5)  # how far the pitch moves around its median, as a factor
_PACE = (0.82, 1.22)
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
        now = call(call(sound, "To Pitch", 0.0, *_SEARCH_HZ), "Get quantile", 0.0, 0.0, 0.5, "Hertz")
        if not math.isfinite(now):
            raise AudioError("it has no pitch to change", fix="leave it out")
        ratio = _formants(pitch) / _formants(now) * math.exp(spread)
        run(f"random_initializeWithSeedUnsafelyButPredictably ({rng.integers(2**31)})")  # it draws the voiceless pulses
        made = call(sound, "Change gender", *_SEARCH_HZ, ratio, pitch, melody, pace).values[0]
    except praat_error as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        raise AudioError(f"Praat cannot change its voice: {reason}", fix="leave it out") from error
    peak = float(np.abs(made).max(initial=0.0))
    return np.asarray(made * min(1.0, 0.9 / peak) if peak else made, dtype=np.float32)


def _between(limits: tuple[float, float], rng: Random) -> float:
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))


def _formants(pitch_hz: float) -> float:
    """The ratio that usually goes with a pitch."""
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
