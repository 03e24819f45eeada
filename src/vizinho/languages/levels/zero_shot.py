"""What a donor's recogniser makes of a target's speech before any training: measures for the level of acoustics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.manifest import read_manifest, select
from vizinho.languages.levels.transferability import ZeroShot, zero_shot
from vizinho.languages.measures import Measure
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance

LEVEL = "acoustics"
SECONDS = 60.0
"""Speech of each language that is decoded."""
PIECE = SAMPLE_RATE // 50
"""Samples that stay together when speech is shuffled for the chance floor: 20 ms keep the spectrum, not the sounds."""
RESAMPLES = 300
LogProbs = npt.NDArray[np.float32]

_MEASURES: tuple[tuple[str, str, str, Callable[[ZeroShot], float]], ...] = (
    ("zero_shot_entropy", "How unsure the donor's recogniser is of the target's speech", "lower", lambda z: z.entropy),
    ("zero_shot_confidence", "How sure it is of the letters it hears", "higher", lambda z: z.confidence),
    ("zero_shot_tokens", "Letters it hears for each frame", "higher", lambda z: z.tokens_per_frame),
)


def hear(model: Path, target: Path, own: Path, *, seed: int = 1) -> list[Measure]:
    """Measures of a model folder on the train part of the target's manifest; the ceiling is its own language's speech.

    Raises ModelError, CorpusError and AudioError as loading does.
    """
    recognizer = Recognizer.load(model)
    rng = np.random.default_rng([seed, 9])
    heard, home = (_waveforms(path, seed) for path in (target, own))
    blank = recognizer.engine.blank
    outputs = [_decode(recognizer, w) for w in (heard, [_shuffled(w, rng) for w in heard], home)]
    found, chance, ceiling = (zero_shot(o, blank) for o in outputs)
    picks = rng.integers(len(heard), size=(RESAMPLES, len(heard)))
    resampled = [zero_shot([outputs[0][int(i)] for i in row], blank) for row in picks]
    return [
        Measure(
            LEVEL,
            name,
            title,
            value(found),
            "higher" if nearer == "higher" else "lower",
            found.frames,
            f"frames of {len(heard)} utterances",
            value(chance),
            value(ceiling),
            "the model on its own language",
            _interval(value(found), [value(z) for z in resampled]),
            source="zero-shot decoding; chance: the recordings cut into 20 ms and shuffled",
        )
        for name, title, nearer, value in _MEASURES
    ]


def _waveforms(manifest: Path, seed: int) -> list[Waveform]:
    chosen: Sequence[Utterance] = select(read_manifest(manifest), split="train", minutes=SECONDS / 60, seed=seed)
    return [load_audio(u.audio) for u in chosen]


def _decode(recognizer: Recognizer, waveforms: Sequence[Waveform]) -> list[LogProbs]:
    return [recognizer.engine.log_probs([w])[0] for w in waveforms]


def _shuffled(samples: Waveform, rng: np.random.Generator) -> Waveform:
    whole = samples[: samples.size // PIECE * PIECE].reshape(-1, PIECE)
    return whole[rng.permutation(len(whole))].ravel()


def _interval(value: float, resampled: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return min(float(low), value), max(float(high), value)
