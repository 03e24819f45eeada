"""From measured transfers to what a donor may be expected to bring, with its uncertainty.

Benefit is 1 - CER(donor) / CER(scratch) at equal budgets. Transfers to the target itself are fitted where there are
enough; otherwise those of the atlas, to other targets, within each target. The fit is either one slope on the weighted
nearness of the votes or slopes of their own, ridge-shrunk towards it; whichever errs less on transfers (of the atlas:
on targets) left out is used, and if neither beats the plain mean, the note says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats

from vizinho.languages.measured import Measured, atlas
from vizinho.languages.rank import Ranked, Vote
from vizinho.text.language import same_language

LEAST = 3
"""Measured transfers to the target below which the atlas is used."""
LEAST_TARGETS = 4
"""Targets of the atlas that a fit needs."""
RIDGE = 10.0
"""Transfers that the default weights of the votes count for, beside those that were measured."""
METHODS = ("mean", "score", "refitted weights")
"""From the plainest: no slope, one slope on the votes as they are weighted, slopes of their own."""
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What donors may bring: `expected` has (benefit, low, high) by donor, or nothing where n is too small."""

    n: int
    method: str
    """One of METHODS, or "none"."""
    errors: Mapping[str, float]
    """Mean absolute error of each method on what is left out; of the atlas within each target."""
    weights: Mapping[str, float]
    expected: Mapping[str, tuple[float, float, float]]
    measured: tuple[Measured, ...]
    note: str


@dataclass(frozen=True, slots=True)
class _Table:
    """Transfers (N) by the nearness of their languages in some votes (K)."""

    names: tuple[str, ...]
    prior: Array
    """Default weights of the votes (K,), which add up to 1."""
    nearness: Array
    """(N, K)."""
    benefit: Array
    """(N,)."""
    target: npt.NDArray[np.int64]
    """Number of each transfer's target (N,): slopes are fitted within targets."""
    fold: npt.NDArray[np.int64]
    """What is left out together (N,)."""

    def part(self, rows: npt.NDArray[np.bool_]) -> _Table:
        """Some of the transfers."""
        return _Table(
            self.names, self.prior, self.nearness[rows], self.benefit[rows], self.target[rows], self.fold[rows]
        )


@dataclass(frozen=True, slots=True)
class _Fit:
    """The best method on a table, with its errors on what is left out (N,)."""

    method: str
    errors: Mapping[str, float]
    offset: float
    slopes: Array
    residuals: Array
    left_out: Array
    """Benefits (N,) as predicted without their fold."""

    def expected(self, nearness: Array, folds: int) -> tuple[float, float, float]:
        """Benefit and its 95 % interval at the nearness of the votes (K,)."""
        value = float(self.offset + nearness @ self.slopes)
        # Root mean square error when left out, times the t quantile: few folds make wide intervals.
        spread = float(np.sqrt((self.residuals**2).mean())) * float(scipy.stats.t.ppf(0.975, max(1, folds - 2)))
        return value, value - spread, value + spread


def predict(
    ranking: Sequence[Ranked], measured: Sequence[Measured], target: str, others: Sequence[Measured] | None = None
) -> Prediction:
    """Expected benefit of each donor of `ranking`.

    From `measured` transfers to `target` from donors that were compared too, or where these are fewer than LEAST from
    `others`, which have the nearness of their languages (the atlas if left out).
    """
    used = tuple(m for m in measured if same_language(m.target, target) and m.donor in {r.donor for r in ranking})
    table = _own(ranking, used)
    if table is not None:
        return _from_own(ranking, used, table)
    # Transfers to the target itself would make the prediction circular.
    others = [m for m in (atlas() if others is None else others) if not same_language(m.target, target)]
    return _from_others(ranking, used, target, others)


def _from_own(ranking: Sequence[Ranked], used: tuple[Measured, ...], table: _Table) -> Prediction:
    fit = _best(table)
    rows = {r.donor: _row(r, table.names) for r in ranking}
    expected = {donor: fit.expected(row, len(used)) for donor, row in rows.items() if row is not None}
    note = f"from {len(used)} measured transfers, each left out once; intervals 95 %"
    if fit.method == "mean":
        note += "; no vote predicts the benefit better than its mean"
    weights = dict(zip(table.names, map(float, fit.slopes), strict=True))
    return Prediction(len(used), fit.method, fit.errors, weights, expected, used, note)


def _from_others(
    ranking: Sequence[Ranked], used: tuple[Measured, ...], target: str, others: Sequence[Measured]
) -> Prediction:
    """Each donor by the votes that it has."""
    fits: dict[tuple[str, ...], tuple[_Table, _Fit]] = {}
    expected: dict[str, tuple[float, float, float]] = {}
    for ranked in ranking:
        votes = [v for v in ranked.votes if v.nearness is not None]
        if (table := _of_others(others, votes)) is None:
            continue
        if table.names not in fits:
            fits[table.names] = table, _best(table)
        row = _row(ranked, table.names)
        assert row is not None  # the table has no other votes
        expected[ranked.donor] = fits[table.names][1].expected(row, len(set(table.target)))
    if not fits:
        note = f"{len(used)} measured transfers to {target} from these donors ({LEAST} are needed), and too few votes"
        return Prediction(len(used), "none", {}, {}, {}, used, f"{note} to predict from other languages")
    table, fit = max(fits.values(), key=lambda pair: len(pair[0].names))
    weights = dict(zip(table.names, map(float, fit.slopes), strict=True))
    order = rank_correlation(table, fit.left_out)
    note = (
        f"from {len(table.benefit)} transfers to {len(set(table.target))} other languages (docs/atlas.md); with each "
        f"language left out once, Spearman's correlation of the order of donors is {order:.2f}; intervals 95 %"
    )
    if fit.method == "mean":
        note += "; no vote predicts the benefit better than its mean"
    return Prediction(len(table.benefit), fit.method, fit.errors, weights, expected, used, note)


def _own(ranking: Sequence[Ranked], used: Sequence[Measured]) -> _Table | None:
    """Measured transfers by the votes that all of their donors have; None where they are too few."""
    by_donor = {r.donor: r for r in ranking}
    names = _common_votes([by_donor[m.donor] for m in used])
    if len(used) < LEAST or not names:
        return None
    nearness = np.array([_row(by_donor[m.donor], names) for m in used], dtype=np.float64)
    weights = {_key(v): v.weight for v in ranking[0].votes}
    benefit = np.array([m.benefit for m in used])
    return _table(names, weights, nearness, benefit, np.zeros(len(used), np.int64), np.arange(len(used)))


def _of_others(transfers: Sequence[Measured], votes: Sequence[Vote]) -> _Table | None:
    """Transfers by those of `votes` that most transfers have; None where votes or targets are too few."""
    names = [key for v in votes if sum((key := _key(v)) in m.nearness for m in transfers) * 2 > len(transfers)]
    rows = [m for m in transfers if all(name in m.nearness for name in names)]
    targets = {target: number for number, target in enumerate(dict.fromkeys(m.target for m in rows))}
    if not names or len(targets) < LEAST_TARGETS:
        return None
    nearness = np.array([[m.nearness[name] for name in names] for m in rows])
    target = np.array([targets[m.target] for m in rows])
    weights = {_key(v): v.weight for v in votes}
    return _table(names, weights, nearness, np.array([m.benefit for m in rows]), target, target)


def _table(
    names: Sequence[str],
    weights: Mapping[str, float],
    nearness: Array,
    benefit: Array,
    target: npt.NDArray[np.int64],
    fold: npt.NDArray[np.int64],
) -> _Table:
    prior = np.array([weights[name] for name in names])
    return _Table(tuple(names), prior / prior.sum(), nearness, benefit, target, fold)


def rank_correlation(table: _Table, predicted: Array) -> float:
    """Spearman's rank correlation of predicted and measured benefits within each target, averaged over targets."""
    values = []
    for number in dict.fromkeys(table.target):
        rows = table.target == number
        if rows.sum() >= LEAST and np.ptp(predicted[rows]) > 0:
            values.append(float(scipy.stats.spearmanr(predicted[rows], table.benefit[rows]).statistic))
    return float(np.mean(values)) if values else 0.0


def _best(table: _Table) -> _Fit:
    left_out = {method: _left_out(method, table) for method in METHODS}
    # Of the atlas, what a target's donors have in common is not the comparison's to know.
    errors = {
        method: round(float(np.abs(_within(predicted - table.benefit, table)).mean()), 4)
        for method, predicted in left_out.items()
    }
    # Of equally good methods the plainest.
    method = min(METHODS, key=lambda name: (errors[name], METHODS.index(name)))
    offset, slopes = _fitted(method, table)
    return _Fit(method, errors, offset, slopes, left_out[method] - table.benefit, left_out[method])


def _within(values: Array, table: _Table) -> Array:
    """`values` (N,) less the mean of their target, where targets are what is left out."""
    if not np.array_equal(table.fold, table.target):
        return values
    return _centred(values[:, None], table.target)[:, 0]


def _centred(values: Array, target: npt.NDArray[np.int64]) -> Array:
    """`values` (N, K) less the means of their target."""
    return values - _means(values, target)[_places(target)]


def _means(values: Array, target: npt.NDArray[np.int64]) -> Array:
    """Means (targets, K) of `values` (N, K) by target."""
    return np.array([values[target == number].mean(axis=0) for number in np.unique(target)])


def _places(target: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.searchsorted(np.unique(target), target)


def _fitted(method: str, table: _Table) -> tuple[float, Array]:
    """Offset and slopes (K,) of benefit on nearness, fitted within targets."""
    x, y = _centred(table.nearness, table.target), _centred(table.benefit[:, None], table.target)[:, 0]
    slopes = np.zeros(len(table.prior))
    if method != "mean":
        score = x @ table.prior  # (N,)
        slopes = float(score @ y / max(float(score @ score), 1e-12)) * table.prior
    if method == "refitted weights":
        # Ridge regression of what one slope leaves, with a penalty in units of the votes' mean variance.
        scale = RIDGE * max(float((x**2).mean()), 1e-12)
        slopes = slopes + np.linalg.solve(x.T @ x + scale * np.eye(len(slopes)), x.T @ (y - x @ slopes))
    # Each target weighs the same in the offset, however many donors it was measured with.
    levels = _means(table.benefit[:, None], table.target)[:, 0] - _means(table.nearness, table.target) @ slopes
    return float(levels.mean()), slopes


def _left_out(method: str, table: _Table) -> Array:
    """Benefits (N,) as a fit predicts them that has not seen their fold."""
    predicted = np.zeros(len(table.benefit))
    for fold in np.unique(table.fold):
        held_out = table.fold == fold
        offset, slopes = _fitted(method, table.part(~held_out))
        predicted[held_out] = offset + table.nearness[held_out] @ slopes
    return predicted


def _key(vote: Vote) -> str:
    return f"{vote.level}/{vote.name}"


def _common_votes(ranked: Sequence[Ranked]) -> list[str]:
    """Votes that every one of these donors has."""
    if not ranked:
        return []
    return [_key(v) for i, v in enumerate(ranked[0].votes) if all(r.votes[i].nearness is not None for r in ranked)]


def _row(ranked: Ranked, names: Sequence[str]) -> Array | None:
    """The nearness (K,) of a donor in some votes; None where it lacks one."""
    nearness = {_key(v): v.nearness for v in ranked.votes}
    row = [nearness[name] for name in names]
    return None if None in row else np.array(row, dtype=np.float64)
