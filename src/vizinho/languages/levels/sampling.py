"""Resampling and shuffling that the levels share: intervals, chance floors and divergences of counts."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

RESAMPLES = 200
"""Bootstrap resamples of totals: enough for two digits of an interval's ends."""
MEAN_RESAMPLES = 1000

Counts = npt.NDArray[np.float64]


def count_matrix(samples: Sequence[Iterable[Hashable]], kinds: dict[Any, int]) -> Any:
    """Sparse counts (S, K) of the kinds in each of S samples; `kinds` maps a kind to its column and grows."""
    rows, columns = [], []
    for row, sample in enumerate(samples):
        for kind in sample:
            rows.append(row)
            columns.append(kinds.setdefault(kind, len(kinds)))
    shape = (len(samples), max(len(kinds), 1))
    return scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)


def count_matrices(*sides: Sequence[Iterable[Hashable]]) -> list[Any]:
    """Sparse counts of several lists of samples over the same columns: (S, K), (S', K), ..."""
    kinds: dict[Any, int] = {}
    counted = [count_matrix(samples, kinds) for samples in sides]
    for counts in counted:  # kinds first seen in a later list are zero in the earlier ones
        counts.resize((counts.shape[0], max(len(kinds), 1)))
    return counted


def resampled_totals(counts: Any, rng: np.random.Generator, resamples: int = RESAMPLES) -> Counts:
    """Totals (R, K) over samples drawn with replacement (R times) from the rows of `counts` (S, K)."""
    S = counts.shape[0]
    # How often each sample is drawn: (R, S).
    weights = rng.multinomial(S, np.full(S, 1 / S), size=resamples)
    # The counts stay sparse: hardly any kind occurs in any one sample.
    return np.ascontiguousarray((counts.T.tocsr() @ weights.T.astype(np.float64)).T)


def totals(counts: Any) -> Counts:
    """Totals (K,) over all samples."""
    return np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()


def js_divergence(p: Counts, q: Counts) -> Any:
    """Jensen-Shannon divergence in bits between counts along the last axis (Lin 1991): 0 alike, 1 disjoint."""
    p = p / p.sum(axis=-1, keepdims=True)
    q = q / q.sum(axis=-1, keepdims=True)
    middle = (p + q) / 2
    # Rounding may carry equal counts below zero.
    return np.maximum(0.0, (_kl(p, middle) + _kl(q, middle)) / 2)


def _kl(p: Counts, q: Counts) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log2(p / q), 0.0).sum(axis=-1)


def mean_interval(
    values: npt.NDArray[np.float64], rng: np.random.Generator, weights: npt.NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of (N,) values, by their weights (N,) where given."""
    picks = rng.integers(len(values), size=(MEAN_RESAMPLES, len(values)))  # (R, N)
    if weights is None:
        return percentile_interval(values[picks].mean(axis=1))
    return percentile_interval((values * weights)[picks].sum(axis=1) / weights[picks].sum(axis=1))


def percentile_interval(resampled: npt.ArrayLike, enclose: float | None = None) -> tuple[float, float]:
    """The middle 95 % of resampled values, widened to `enclose` a value that lies beyond its ends."""
    low, high = (float(end) for end in np.quantile(np.asarray(resampled, dtype=np.float64), [0.025, 0.975]))
    return (low, high) if enclose is None else (min(low, enclose), max(high, enclose))


def centred_interval(value: float, resampled: npt.ArrayLike, least: float = 0.0) -> tuple[float, float]:
    """95 % interval around `value` with the spread of the resamples; no end lies below `least`.

    Divergences of resampled counts lie above the value, since resampling adds noise of its own; the spread is kept and
    that shift taken out.
    """
    draws = np.asarray(resampled, dtype=np.float64)
    low, high = np.quantile(draws - draws.mean(), [0.025, 0.975])
    return max(least, float(value + low)), float(value + high)
