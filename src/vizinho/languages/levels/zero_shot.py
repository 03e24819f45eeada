"""What a donor's recogniser makes of the target's speech before any training: measures for the level of acoustics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform, load_audio
from vizinho.corpora.manifest import read_manifest, select
from vizinho.errors import VizinhoError
from vizinho.languages.levels.sampling import percentile_interval
from vizinho.languages.measures import Kind, Measure

LEVEL = "acoustics"
SECONDS = 60.0
"""Speech of each language that is decoded."""
PIECE = SAMPLE_RATE // 50
"""Samples that stay together when speech is shuffled for the chance floor: 20 ms keep the spectrum, not the sounds."""
RESAMPLES = 300
LogProbs = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """What an untrained donor makes of the target's speech, over all frames."""

    frames: int
    blank_share: float
    """Share of frames whose most probable token is the blank: high when the donor hears nothing it knows."""
    entropy: float
    """Mean entropy of the frames' distributions, as a share of the greatest possible (0 sure, 1 uniform)."""
    entropy_spread: float
    """Standard deviation of the frames' entropies."""
    confidence: float
    """Mean greatest probability over the frames that are not blank; 0 where all are."""
    tokens_per_frame: float
    """Tokens that greedy decoding would write, for each frame."""


def _kind(name: str, title: str, nearer: Literal["higher", "lower"]) -> Kind:
    source = "zero-shot decoding; chance: the recordings cut into 20 ms and shuffled"
    return Kind(LEVEL, f"zero_shot_{name}", title, nearer, source=source)


_MEASURES: tuple[tuple[Kind, Callable[[ZeroShot], float]], ...] = (
    (_kind("entropy", "How unsure the donor's recogniser is of the target's speech", "lower"), lambda z: z.entropy),
    (_kind("confidence", "How sure it is of the letters it hears", "higher"), lambda z: z.confidence),
    (_kind("tokens", "Letters it hears for each frame", "higher"), lambda z: z.tokens_per_frame),
)


def decode_untrained(model: Path, target: Path, own: Path, *, seed: int = 1) -> list[Measure]:
    """Measures of a model folder on the train part of the target's manifest; its `own` language's is the ceiling.

    Raises ModelError, CorpusError and AudioError as loading does.
    """
    from vizinho.recognition.recognizer import Recognizer  # torch takes seconds to import

    recognizer = Recognizer.load(model)
    rng = np.random.default_rng([seed, 9])
    speech, own_speech = (_waveforms(path, seed) for path in (target, own))
    blank = recognizer.ctc.blank
    samples = (speech, [_shuffled(w, rng) for w in speech], own_speech)
    outputs = [[recognizer.ctc.log_probs([w])[0] for w in waveforms] for waveforms in samples]
    decoded, chance, ceiling = (zero_shot(output, blank) for output in outputs)
    picks = rng.integers(len(speech), size=(RESAMPLES, len(speech)))  # utterances, drawn with replacement
    resampled = [zero_shot([outputs[0][int(i)] for i in row], blank) for row in picks]
    return [
        kind.measure(
            value(decoded),
            floor=value(chance),
            ceiling=(value(ceiling), "the model on its own language"),
            sample=(decoded.frames, f"frames of {len(speech)} utterances"),
            interval=percentile_interval([value(z) for z in resampled], enclose=value(decoded)),
        )
        for kind, value in _MEASURES
    ]


def zero_shot(log_probs: Sequence[LogProbs], blank: int) -> ZeroShot:
    """Statistics of decoding without training, from log-probabilities (T, V) of each utterance.

    Raises VizinhoError for no frames, a blank outside the vocabulary, or rows that are not probabilities.
    """
    rows = [np.asarray(one, dtype=np.float64) for one in log_probs if len(one)]
    if not rows:
        raise VizinhoError("no frames of log-probabilities", where="zero-shot statistics", fix="give some utterances")
    pooled = np.concatenate(rows)  # (all T, V)
    V = pooled.shape[1]
    if not 0 <= blank < V:
        raise VizinhoError(f"blank {blank} is not one of {V} tokens", where="blank", fix=f"give 0 to {V - 1}")
    probabilities = np.exp(pooled)
    if not np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-3):
        raise VizinhoError("rows do not add up to 1", where="log_probs", fix="apply log_softmax over the tokens first")
    best = pooled.argmax(axis=1)
    # 0 log 0 is 0, and a log-probability of minus infinity must not become NaN.
    terms = np.where(probabilities > 0, probabilities * np.where(np.isfinite(pooled), pooled, 0.0), 0.0)
    # Divided by ln V, the entropy of a uniform distribution over V tokens.
    entropy = -terms.sum(axis=1) / np.log(V) if V > 1 else np.zeros(len(pooled))
    speaking = best != blank
    return ZeroShot(
        frames=len(pooled),
        blank_share=float(1 - speaking.mean()),
        entropy=float(entropy.mean()),
        entropy_spread=float(entropy.std()),
        confidence=float(probabilities[speaking].max(axis=1).mean()) if speaking.any() else 0.0,
        tokens_per_frame=sum(_written(one.argmax(axis=1), blank) for one in rows) / len(pooled),
    )


def _written(best: npt.NDArray[np.intp], blank: int) -> int:
    """Tokens that greedy CTC decoding writes: a run of one token is one, and blanks are none."""
    new = np.r_[True, best[1:] != best[:-1]]
    return int((new & (best != blank)).sum())


def _waveforms(manifest: Path, seed: int) -> list[Waveform]:
    chosen = select(read_manifest(manifest), split="train", minutes=SECONDS / 60, seed=seed)
    return [load_audio(u.audio) for u in chosen]


def _shuffled(samples: Waveform, rng: np.random.Generator) -> Waveform:
    whole = samples[: samples.size // PIECE * PIECE].reshape(-1, PIECE)
    return whole[rng.permutation(len(whole))].ravel()
