"""What many measured transfers say together: who helps whom, which ways are uneven, and which measures foretell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from vizinho.languages.measured import Measured

LEAST_DONORS = 4
"""Donors of a target below which their order says nothing."""
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Matrix:
    """Transfers by target and donor."""

    cells: Mapping[tuple[str, str], Measured]
    targets: tuple[str, ...]
    """The target that gains most first."""
    donors: tuple[str, ...]
    """The donor that brings most, compared with the other donors of the same targets, first."""

    @classmethod
    def of(cls, transfers: Sequence[Measured]) -> Matrix:
        """Of transfers at several amounts of speech the one with the least stands for a pair."""
        cells = {(m.target, m.donor): m for m in sorted(transfers, key=lambda m: -m.minutes)}
        means = {target: _mean([m for m in cells.values() if m.target == target]) for target, _ in cells}
        above: dict[str, list[float]] = {}
        for m in cells.values():
            above.setdefault(m.donor, []).append(m.benefit - means[m.target])
        donors = sorted(above, key=lambda donor: (-float(np.mean(above[donor])), donor))
        return cls(cells, tuple(sorted(means, key=lambda target: (-means[target], target))), tuple(donors))

    def row(self, target: str) -> list[Measured | None]:
        """The transfers to a target, a donor each; None where nothing was measured."""
        return [self.cells.get((target, donor)) for donor in self.donors]

    def best(self, target: str) -> Measured:
        """The transfer that brings a target most."""
        return max((m for m in self.row(target) if m is not None), key=lambda m: m.benefit)

    def uneven(self) -> list[tuple[Measured, Measured]]:
        """Pairs of languages measured both ways, the better way first, the most uneven pair first."""
        pairs = [
            (m, back)
            for (target, donor), m in self.cells.items()
            if (back := self.cells.get((donor, target))) is not None and m.benefit > back.benefit
        ]
        return sorted(pairs, key=lambda pair: pair[1].benefit - pair[0].benefit)


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation of a measure's nearness with the benefit, within targets, averaged over targets."""

    measure: str
    value: float
    interval: tuple[float, float]
    """95 %, targets drawn with replacement."""
    targets: int
    transfers: int


def correlations(transfers: Sequence[Measured], seed: int = 1) -> list[Correlation]:
    """How well each measure orders the donors of a target, the best first."""
    names = dict.fromkeys(name for m in transfers for name in m.nearness)
    computed = [c for name in names if (c := _correlation(name, transfers, seed)) is not None]
    return sorted(computed, key=lambda c: (-c.value, c.measure))


def _correlation(name: str, transfers: Sequence[Measured], seed: int) -> Correlation | None:
    by_target: dict[str, list[tuple[float, float]]] = {}
    for m in transfers:
        if name in m.nearness:
            by_target.setdefault(m.target, []).append((m.nearness[name], m.benefit))
    rows = [np.array(pairs) for pairs in by_target.values() if len(pairs) >= LEAST_DONORS]
    # A measure that is equal for all donors of a target does not order them.
    values = [0.0 if np.ptp(r[:, 0]) == 0 else float(scipy.stats.spearmanr(r[:, 0], r[:, 1]).statistic) for r in rows]
    if not values:
        return None
    return Correlation(name, float(np.mean(values)), mean_over_targets(values, seed), len(values), sum(map(len, rows)))


def mean_over_targets(values: Sequence[float], seed: int = 1) -> tuple[float, float]:
    """95 % interval of a mean over targets, targets drawn with replacement."""
    drawn = np.random.default_rng(seed).choice(np.array(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(drawn.mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def as_markdown(matrix: Matrix) -> str:
    """The benefits as a table, a target each line; "=" where no difference from scratch is shown."""
    lines = [f"| target | {' | '.join(matrix.donors)} |", "|---" * (len(matrix.donors) + 1) + "|"]
    for target in matrix.targets:
        cells = [
            "" if m is None else f"{m.benefit:.2f}{'' if m.p is None or m.p < 0.05 else '='}"
            for m in matrix.row(target)
        ]
        lines.append(f"| {target} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(transfers: Sequence[Measured]) -> float:
    return float(np.mean([m.benefit for m in transfers]))
