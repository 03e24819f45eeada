"""Rescoring: the hypotheses of a beam search reordered with the scores of another language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vizinho.decoding.beam import BeamDecoder, Hypothesis
from vizinho.decoding.greedy import Emission, LogProbs


class Scorer(Protocol):
    """Anything that knows how likely a sentence is: an n-gram model, a neural language model."""

    def score(self, sentences: Sequence[str]) -> list[float]:
        """Natural log-probability of each normalised sentence with its end; the empty one has one too."""
        ...


@dataclass(frozen=True, slots=True)
class RescoreOptions:
    """How the other model's scores count."""

    n_best: int = 20
    """Hypotheses that are scored again."""
    weight: float = 0.5
    """Of the scorer's log-probability; the beam search's own score has weight 1."""
    lm_share: float = 1.0
    """Weight of the search's own language model and scores per word and letter; 0 lets the scorer replace them."""
    word_score: float = 0.0
    """Nats added for every word: a scorer alone prefers short sentences."""


@dataclass(frozen=True, slots=True)
class RescoringDecoder:
    """A beam search whose n best are put in order by their own score and a scorer's."""

    beam: BeamDecoder
    scorer: Scorer
    options: RescoreOptions = RescoreOptions()

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        """Emissions of the best hypothesis."""
        return [emission for best in self.n_best(log_probs, 1) for emission in best.emissions]

    def n_best(self, log_probs: LogProbs, count: int) -> list[Hypothesis]:
        """At most `count` hypotheses, the best first; `score` is the combined one."""
        # More than asked for, because the best text may not be among the first few of the search alone.
        hypotheses = self.beam.n_best(log_probs, max(count, self.options.n_best))
        return rescore(hypotheses, self.scorer, self.options)[:count]


def rescore(hypotheses: Sequence[Hypothesis], scorer: Scorer, options: RescoreOptions) -> list[Hypothesis]:
    """Hypotheses with combined scores, the best first; those that tie keep their order."""
    if not hypotheses:
        return []
    combined = []
    for h, log_prob in zip(hypotheses, scorer.score([h.text for h in hypotheses]), strict=True):
        own = h.acoustic_score + options.lm_share * h.lm_score
        score = own + options.weight * log_prob + options.word_score * len(h.text.split())
        combined.append(replace(h, score=score))
    return sorted(combined, key=lambda h: -h.score)
