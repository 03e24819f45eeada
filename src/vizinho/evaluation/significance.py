"""Is one recogniser better than another? Paired tests on the same utterances, corrected for several comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError
from vizinho.records import Interval, UtteranceErrors

_Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rate of a minus rate of b (negative: a is better), its 95 % interval and two-sided p-values."""

    difference: float
    ci: Interval
    p: float
    """Paired bootstrap."""
    p_randomisation: float
    """Paired approximate randomisation; a second opinion that assumes less."""
    units: int
    """Utterances, or speakers where resampled by speaker."""
    test: str


def compare(
    a: Sequence[UtteranceErrors],
    b: Sequence[UtteranceErrors],
    *,
    metric: str = "cer",
    seed: int = 1,
    resamples: int = 10_000,
    cluster: bool = False,
) -> Comparison:
    """Compare two systems on the same utterances.

    The paired bootstrap resamples utterances (or speakers) and recomputes both corpus rates from their sums (Bisani &
    Ney 2004; Koehn 2004); its p is twice the share of differences on the other side of zero. Randomisation swaps the
    systems' outputs at random (Noreen 1989). One is added above and below so that no p is zero (Davison & Hinkley
    1997). Raises CorpusError when the ids differ.
    """
    left, right = _paired(a, b, metric, cluster)
    rng = np.random.default_rng(seed)
    difference = _rate(left.sum(axis=0)) - _rate(right.sum(axis=0))
    chosen = rng.integers(0, len(left), size=(resamples, len(left)))
    drawn = _rates(left[chosen].sum(axis=1)) - _rates(right[chosen].sum(axis=1))
    low, high = np.quantile(drawn, [0.025, 0.975])
    other_side = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (other_side + 1) / (resamples + 1))
    return Comparison(
        float(difference),
        Interval(float(low), float(high)),
        p,
        _randomisation(left, right, rng, resamples),
        len(left),
        f"paired bootstrap by {'speaker' if cluster else 'utterance'}, {resamples} resamples, seed {seed}",
    )


def _randomisation(left: _Counts, right: _Counts, rng: np.random.Generator, resamples: int) -> float:
    observed = abs(_rate(left.sum(axis=0)) - _rate(right.sum(axis=0)))
    swap = rng.random((resamples, len(left), 1)) < 0.5
    first, second = np.where(swap, right, left).sum(axis=1), np.where(swap, left, right).sum(axis=1)
    as_large = int((np.abs(_rates(first) - _rates(second)) >= observed - 1e-12).sum())
    return (as_large + 1) / (resamples + 1)


def pool(seeds: Sequence[Sequence[UtteranceErrors]]) -> list[UtteranceErrors]:
    """Add up the counts of several seeds of one arm per utterance, so that utterances stay the unit of resampling."""
    if not seeds:
        raise CorpusError("no seeds to pool", where="significance", fix="give at least one")
    by_id = [{e.id: e for e in errors} for errors in seeds]
    _check_ids(*by_id)
    return [
        UtteranceErrors(
            id_,
            first.speaker,
            first.reference,
            first.hypothesis,
            sum(s[id_].character_errors for s in by_id),
            sum(s[id_].characters for s in by_id),
            sum(s[id_].word_errors for s in by_id),
            sum(s[id_].words for s in by_id),
        )
        for id_, first in by_id[0].items()
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for a family of tests (Holm 1979); in the order given."""
    order = np.argsort(p_values)
    corrected, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = running
    return corrected


def _paired(
    a: Sequence[UtteranceErrors], b: Sequence[UtteranceErrors], metric: str, cluster: bool
) -> tuple[_Counts, _Counts]:
    left, right = {e.id: e for e in a}, {e.id: e for e in b}
    _check_ids(left, right)
    ids = list(left)
    counts = [np.array([_counts(side[i], metric) for i in ids], dtype=np.float64) for side in (left, right)]
    if cluster:
        speakers = sorted({left[i].speaker for i in ids})
        members = [[left[i].speaker == s for i in ids] for s in speakers]
        counts = [np.array([side[m].sum(axis=0) for m in members]) for side in counts]
    return counts[0], counts[1]


def _counts(error: UtteranceErrors, metric: str) -> tuple[int, int]:
    if metric not in ("cer", "wer"):
        raise CorpusError(f"unknown metric {metric!r}", where="significance", fix="use cer or wer")
    return (error.character_errors, error.characters) if metric == "cer" else (error.word_errors, error.words)


def _rate(total: _Counts) -> float:
    return float(total[0] / max(total[1], 1.0))


def _rates(totals: _Counts) -> _Counts:
    return np.asarray(totals[:, 0] / np.maximum(totals[:, 1], 1.0), dtype=np.float64)


def _check_ids(*sides: dict[str, UtteranceErrors]) -> None:
    for other in sides[1:]:
        differing = sorted(sides[0].keys() ^ other.keys())
        if differing:
            raise CorpusError(
                f"{len(differing)} utterances are on one side only", where=differing[0], fix="score the same test set"
            )
