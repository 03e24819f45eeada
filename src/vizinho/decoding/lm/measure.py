"""How well a language model predicts a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vizinho.decoding.lm.arpa import LN10, Arpa, units_of
from vizinho.errors import TextError


@dataclass(frozen=True, slots=True)
class Prediction:
    """Sums over a text; the end of each sentence is a unit too."""

    sentences: int
    units: int
    unknown: int
    """Units outside the vocabulary; they count with the unknown unit's probability, or not at all if it has none."""
    letters: int
    """Characters with the spaces between words, and one for each end: what `bits_per_letter` is relative to."""
    log10_probability: float
    log10_probability_known: float
    """Of the known units alone."""

    @property
    def perplexity(self) -> float:
        """Over all units (Jelinek et al. 1977)."""
        return float(10.0 ** (-self.log10_probability / self.units))

    @property
    def perplexity_known(self) -> float:
        """Over the units of the vocabulary."""
        return float(10.0 ** (-self.log10_probability_known / max(self.units - self.unknown, 1)))

    @property
    def bits_per_letter(self) -> float:
        """Comparable between units where no unit is unknown."""
        return -self.log10_probability * LN10 / math.log(2.0) / self.letters


def predict(arpa: Arpa, unit: str, sentences: Iterable[str]) -> Prediction:
    """Score normalised sentences. Raises TextError when there are none."""
    count = units = unknown = letters = 0
    total = known = 0.0
    for sentence in sentences:
        parts = units_of(sentence, unit)
        if not parts:
            continue
        logs = arpa.log10_of(parts)
        count, units, letters = count + 1, units + len(logs), letters + len(sentence) + 1
        for part, log10 in zip([*parts, None], logs, strict=True):
            total += log10
            if part is None or part in arpa:
                known += log10
            else:
                unknown += 1
    if not count:
        raise TextError("there is no text to score", where="lm score", fix="give lines with words in them")
    return Prediction(count, units, unknown, letters, total, known)
