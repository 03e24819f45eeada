"""Rescoring: the hypotheses of a beam search reordered with the scores of another language model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from vizinho.decoding.beam import BeamDecoder
from vizinho.decoding.greedy import Emission, Hypothesis, LogProbs
from vizinho.errors import SpecError
from vizinho.text.normalize import Normalizer

log = logging.getLogger("vizinho.decoding.rescore")


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
    weight: float = 0.3
    """Of the scorer's log-probability; the beam search's own score has weight 1."""
    lm_share: float = 1.0
    """Weight of the search's own language model and scores per word and letter; 0 lets the scorer replace them."""
    word_score: float = 0.0
    """Nats added for every word: a scorer alone prefers short sentences."""

    def __post_init__(self) -> None:
        """Raises SpecError for values out of range."""
        if self.n_best < 1 or self.weight < 0 or self.lm_share < 0:
            what = f"{self.n_best} hypotheses, weight {self.weight}, share {self.lm_share}"
            raise SpecError(what, where="rescoring", fix="give at least 1 hypothesis, weights of at least 0")


def _unknown(folder: Path) -> Scorer:
    fix = "read the decoder with vizinho.text_models.search"
    raise SpecError("nothing opens its language model", where=folder, fix=fix)


@dataclass(frozen=True, slots=True)
class Rescoring:
    """A second language model of a decoder: a folder, and how its scores count."""

    folder: Path
    options: RescoreOptions = RescoreOptions()
    load: Callable[[Path], Scorer] = field(default=_unknown, compare=False)
    """Opens the folder. Decoding knows no neural models, so whoever reads a decoder brings it."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the folder, by name."""
        return tuple(sorted(p for p in self.folder.glob("[!.]*") if p.is_file()))

    def scorer(self, normalizer: Normalizer | None) -> Scorer:
        """The model, with a warning where its texts went through another normaliser than the recogniser's."""
        scorer = self.load(self.folder)
        own = getattr(scorer, "normalizer", None)  # of a model of written text there is none
        if own and normalizer and own != normalizer.name:
            what = f"its text went through the normaliser {own}, the recogniser's through {normalizer.name}"
            log.warning("%s: %s", self.folder, what)
        return scorer


@dataclass(frozen=True, slots=True)
class RescoringDecoder:
    """A beam search whose n best are put in order by their own score and a scorer's."""

    beam: BeamDecoder
    scorer: Scorer
    options: RescoreOptions = RescoreOptions()

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        """Emissions of the best hypothesis."""
        return [emission for best in self.n_best(log_probs, 1) for emission in best.emissions]

    @property
    def letters(self) -> frozenset[str]:
        """Letters that the tokens can write."""
        return self.beam.letters

    def with_hotwords(self, hotwords: Mapping[str, float]) -> RescoringDecoder:
        """This decoder with other hotwords."""
        return replace(self, beam=self.beam.with_hotwords(hotwords))

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
