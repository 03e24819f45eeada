"""How likely an utterance is where the search put it, and which confidence has which precision (docs/align.md).

A logistic regression, fitted by bench/align.py to recordings with known times in languages other than Portuguese.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from math import exp, log, log1p

from vizinho.errors import SpecError

_LIMIT = 50.0
"""Beyond it the exponential says 0 or 1 anyway."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one placement."""

    score: float
    """1 for a text that the network reads itself, 0 for one that does not belong there."""
    pauses: int
    """How many of the two ends are at a pause."""
    tokens: int
    elsewhere: float
    """How much worse the best path is that has an end of it elsewhere; 1 is what one token of a wrong text costs."""
    left_out: float
    """How much worse the best path without it is, in the same unit."""
    pause_seconds: float
    """Pauses within it: a sign that it took a neighbour's speech."""
    beside_seconds: float
    """Speech without text before or after it, whichever is more."""

    def features(self) -> dict[str, float]:
        """What the regression sees, by the names of alignment.json."""
        return {
            "score": self.score,
            "score squared": self.score**2,
            "pauses": self.pauses,
            "tokens": log(self.tokens),
            "elsewhere": log1p(self.elsewhere),
            "left out": log1p(self.left_out),
            "pause seconds": log1p(self.pause_seconds),
            "beside seconds": log1p(self.beside_seconds),
        }


@dataclass(frozen=True, slots=True)
class _Calibration:
    weights: Mapping[str, float]
    thresholds: Mapping[float, float]
    """The least confidence by precision."""


@lru_cache(maxsize=1)
def _calibration() -> _Calibration:
    values = json.loads(files("vizinho.recognition").joinpath("alignment.json").read_text(encoding="utf-8"))
    thresholds = {float(precision): confidence for precision, confidence in values["thresholds"].items()}
    return _Calibration(values["weights"], thresholds)


def confidence(evidence: Evidence) -> float:
    """Probability that both ends are right to half a second."""
    weights = _calibration().weights
    logit = weights["constant"] + sum(weights[name] * value for name, value in evidence.features().items())
    return 1 / (1 + exp(-max(-_LIMIT, min(_LIMIT, logit))))


def seems_sure(score: float, pauses: int, tokens: int) -> bool:
    """Whether the search may go on from an utterance without looking back, before its rivals are known."""
    # A regression on these three, at a probability of .9: long texts between pauses tell most.
    return 1.408 * score + 1.576 * pauses + 0.917 * log(tokens) > 6.392


def least_confidence(precision: float) -> float:
    """The confidence from which utterances are right with this precision. Raises SpecError where it is not known."""
    thresholds = _calibration().thresholds
    fitting = [p for p in sorted(thresholds) if p >= precision]
    if not precision > 0 or not fitting:
        what = f"no confidence has a precision of {precision:g}: {max(thresholds):g} at most on other languages"
        raise SpecError(what, where="--precision", fix=f"use up to {max(thresholds):g}")
    return thresholds[fitting[0]]
