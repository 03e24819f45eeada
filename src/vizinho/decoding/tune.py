"""Chooses a beam search's weights on a dev set: those with the fewest errors, never on test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vizinho.decoding.beam import BeamDecoder
from vizinho.decoding.options import BeamOptions
from vizinho.evaluation.score import error_rates
from vizinho.progress import Advance, silent

LM_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4)
WORD_SCORES = (-4.0, -2.0, 0.0, 2.0, 4.0)
LETTER_SCORES = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)
UNKNOWN_SCORES = (-6.0, -3.0, 0.0, 3.0, 6.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of options and what it gave on dev."""

    options: BeamOptions
    cer: float
    wer: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Values to try. Weight and length scores are tried together, the others one after the other at their best."""

    lm_weights: Sequence[float] = LM_WEIGHTS
    word_scores: Sequence[float] = (0.0,)
    letter_scores: Sequence[float] = (0.0,)
    unknown_scores: Sequence[float] = ()
    closed: bool = False
    """Try without unknown words too."""
    beam_widths: Sequence[int] = ()

    @property
    def trials(self) -> int:
        """How many sets of options are tried."""
        together = len(self.lm_weights) * len(self.word_scores) * len(self.letter_scores)
        return together + len(self.unknown_scores) + self.closed + len(self.beam_widths)


def grid_for(decoder: BeamDecoder) -> Grid:
    """What is worth trying: a word model goes with a score per word, a character model with one per letter."""
    if decoder.scores_words:
        return Grid(word_scores=WORD_SCORES, unknown_scores=UNKNOWN_SCORES, closed=True)
    return Grid(letter_scores=LETTER_SCORES) if decoder.scores_letters else Grid(lm_weights=(0.0,))


def tune(
    texts: Callable[[BeamDecoder], Mapping[str, str]],
    references: Mapping[str, str],
    decoder: BeamDecoder,
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
        cer, wer = error_rates(references, texts(decoder.with_options(options)))
        trials.append(Trial(options, cer, wer))
        progress(1, f"best {metric.upper()} {getattr(best(trials, metric), metric):.3f}")

    for options in _together(decoder.options, grid):
        attempt(options)
    # One after the other from the best so far: all combinations would be hundreds of searches of dev.
    for score in grid.unknown_scores:
        attempt(replace(best(trials, metric).options, unknown_score=score))
    if grid.closed:
        attempt(replace(best(trials, metric).options, unknown_words=False))
    for width in grid.beam_widths:
        attempt(replace(best(trials, metric).options, beam_width=width))
    return trials


def best(trials: Sequence[Trial], metric: str = "cer") -> Trial:
    """The trial with the fewest errors; of equals by the other rate, the smallest weight, then the smallest scores."""
    other = {"cer": "wer", "wer": "cer"}[metric]

    def order(trial: Trial) -> tuple[float, ...]:
        o = trial.options
        away = abs(o.word_score) + abs(o.letter_score) + abs(o.unknown_score)  # from not using the scores at all
        rates = getattr(trial, metric), getattr(trial, other)
        return (*rates, o.lm_weight, away, not o.unknown_words, o.beam_width)

    return min(trials, key=order)


def _together(start: BeamOptions, grid: Grid) -> Iterator[BeamOptions]:
    for weight in grid.lm_weights:
        for word in grid.word_scores:
            for letter in grid.letter_scores:
                yield replace(start, lm_weight=weight, word_score=word, letter_score=letter)
