"""Chooses a beam search's weights on a dev set: those with the fewest errors, never on test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from vizinho.decoding.greedy import Emission, Hypothesis, LogProbs, Searching
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.rescore import RescoreOptions, Scorer, rescore
from vizinho.evaluation.score import error_rates
from vizinho.progress import Advance, silent

LM_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4)
WORD_SCORES = (-4.0, -2.0, 0.0, 2.0, 4.0)
LETTER_SCORES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
FINER = (0.7, 1.4)
UNKNOWN_SCORES = (-6.0, -3.0, 0.0, 3.0, 6.0)
RESCORE_WEIGHTS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
RESCORE_WORD_SCORES = (-2.0, -1.0, 1.0, 2.0, 4.0)
RESCORE_SHARES = (0.5, 0.0)
RESCORE_TRIALS = len(RESCORE_WEIGHTS + RESCORE_WORD_SCORES + RESCORE_SHARES)


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of options and what it gave on dev."""

    options: BeamOptions
    cer: float
    wer: float
    rescoring: RescoreOptions | None = None


class Search(Protocol):
    """Whatever has weights to choose: a beam search, or the choice among a network's own texts."""

    @property
    def options(self) -> BeamOptions:
        """The weights."""

    @property
    def scores_words(self) -> bool:
        """Whether a word model takes part."""

    @property
    def scores_letters(self) -> bool:
        """Whether a character model scores the text, rather than unknown words alone."""

    def with_options(self, options: BeamOptions) -> Search:
        """This search with other weights."""

    def n_best(self, log_probs: Any, count: int, /) -> list[Hypothesis]:
        """Texts for what the network made of a piece, the best first."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Values to try, one option after the other, each at the best of those before."""

    lm_weights: Sequence[float] = LM_WEIGHTS
    word_scores: Sequence[float] = ()
    letter_scores: Sequence[float] = ()
    unknown_scores: Sequence[float] = ()
    closed: bool = False
    """Try without unknown words too."""
    finer: Sequence[float] = FINER
    """Multiples of the best weight that are tried at the end, when the other scores have their place."""
    beam_widths: Sequence[int] = ()

    @property
    def trials(self) -> int:
        """How many sets of options are tried at most."""
        scores = (self.lm_weights, self.word_scores, self.letter_scores, self.unknown_scores, self.finer)
        return sum(map(len, scores)) + self.closed + len(self.beam_widths)


def grid_for(decoder: Search) -> Grid:
    """What is worth trying: scores per word and of unknown words go with a word model."""
    if decoder.scores_words:
        return Grid(word_scores=WORD_SCORES, letter_scores=LETTER_SCORES, unknown_scores=UNKNOWN_SCORES, closed=True)
    return Grid(letter_scores=LETTER_SCORES) if decoder.scores_letters else Grid(lm_weights=(0.0,), finer=())


def tune(
    texts: Callable[[Any], Mapping[str, str]],
    references: Mapping[str, str],
    decoder: Search,
    grid: Grid,
    *,
    metric: str = "cer",
    progress: Advance = silent,
) -> list[Trial]:
    """All trials in their order; `best` chooses among them.

    Args:
        texts: What a search makes of each utterance of dev, normalised, by id.
        references: Normalised texts by id.
        decoder: The search; its options hold where the grid has no values for them.
        grid: Values to try.
        metric: "cer" or "wer".
        progress: Moves by trials.
    """
    trials: list[Trial] = []

    def attempt(options: BeamOptions) -> None:
        if all(options != trial.options for trial in trials):
            cer, wer = error_rates(references, texts(decoder.with_options(options)))
            trials.append(Trial(options, cer, wer))
        progress(1, f"best {metric.upper()} {getattr(best(trials, metric), metric):.3f}")

    # One option after the other from the best so far: all combinations would be hundreds of searches of dev.
    for weight in grid.lm_weights:
        attempt(replace(decoder.options, lm_weight=weight))
    for name in ("word_score", "letter_score", "unknown_score"):
        for score in getattr(grid, f"{name}s"):
            attempt(replace(best(trials, metric).options, **{name: score}))
    if grid.closed:
        attempt(replace(best(trials, metric).options, unknown_words=False))
    chosen = best(trials, metric).options
    for share in grid.finer:
        attempt(replace(chosen, lm_weight=round(chosen.lm_weight * share, 3)))
    for width in grid.beam_widths:
        attempt(replace(best(trials, metric).options, beam_width=width))
    return trials


def tune_rescoring(
    texts: Callable[[_Reordering], Mapping[str, str]],
    references: Mapping[str, str],
    search: Search,
    scorer: Scorer,
    options: RescoreOptions,
    *,
    metric: str = "cer",
    progress: Advance = silent,
) -> list[Trial]:
    """All trials of how a second language model counts, in their order; see `tune`.

    `search` finds the texts that `scorer` scores again. `texts` gives each time the very same arrays of
    log-probabilities, or lists of candidates: they are searched once.
    """
    trials: list[Trial] = []
    reordering = _Reordering(search, scorer, options)

    def attempt(weights: RescoreOptions) -> None:
        reordering.options = weights
        trials.append(Trial(search.options, *error_rates(references, texts(reordering)), weights))
        progress(1, f"best {metric.upper()} {getattr(best(trials, metric), metric):.3f}")

    # As in `tune`, one value after the other from the best so far.
    for weight in RESCORE_WEIGHTS:
        attempt(replace(options, weight=weight))
    weighed = best(trials, metric).rescoring or options
    for score in RESCORE_WORD_SCORES:
        attempt(replace(weighed, word_score=score))
    weighed = best(trials, metric).rescoring or options
    for share in RESCORE_SHARES:
        attempt(replace(weighed, lm_share=share))
    return trials


class _Reordering(Searching):
    """A search that remembers its hypotheses and their scores, for one way to weigh them after the other."""

    def __init__(self, search: Search, scorer: Scorer, options: RescoreOptions) -> None:
        self.options, self._search, self._scorer = options, search, scorer
        self._hypotheses: dict[int, list[Hypothesis]] = {}
        self._scores: dict[str, float] = {}

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        return [emission for first in self.n_best(log_probs, 1) for emission in first.emissions]

    def n_best(self, log_probs: LogProbs, count: int) -> list[Hypothesis]:
        # The caller holds the arrays for as long as this lives, so their addresses name them.
        if id(log_probs) not in self._hypotheses:
            self._hypotheses[id(log_probs)] = self._search.n_best(log_probs, self.options.n_best)
        return rescore(self._hypotheses[id(log_probs)], self, self.options)[:count]

    def score(self, sentences: Sequence[str]) -> list[float]:
        new = [sentence for sentence in sentences if sentence not in self._scores]
        self._scores |= zip(new, self._scorer.score(new), strict=True)
        return [self._scores[sentence] for sentence in sentences]


def best(trials: Sequence[Trial], metric: str = "cer") -> Trial:
    """The trial with the fewest errors; of equals by the other rate, the smallest weight, then the smallest scores."""
    other = {"cer": "wer", "wer": "cer"}[metric]

    def order(trial: Trial) -> tuple[float, ...]:
        o = trial.options
        away = abs(o.word_score) + abs(o.letter_score) + abs(o.unknown_score)  # from not using the scores at all
        rates = getattr(trial, metric), getattr(trial, other)
        second = trial.rescoring or RescoreOptions(weight=0.0)
        changes = abs(second.word_score) + 1 - second.lm_share
        return (*rates, o.lm_weight, away, not o.unknown_words, o.width, second.weight, changes)

    return min(trials, key=order)
