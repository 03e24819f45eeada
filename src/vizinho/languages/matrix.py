"""What many measured transfers say together: who helps whom, which ways are uneven, and which measures foretell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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
    apart: float
    """After each donor's means are taken off both: some donors are better for every target, which no nearness tells."""
    apart_interval: tuple[float, float]
    targets: int
    transfers: int


def correlations(transfers: Sequence[Measured], seed: int = 1) -> list[Correlation]:
    """How well each measure orders the donors of a target, the best first."""
    names = dict.fromkeys(name for m in transfers for name in m.nearness)
    computed = [c for name in names if (c := _correlation(name, transfers, seed)) is not None]
    return sorted(computed, key=lambda c: (-c.value, c.measure))


def _correlation(name: str, transfers: Sequence[Measured], seed: int) -> Correlation | None:
    known = [m for m in transfers if name in m.nearness]
    # (N, 2): nearness and benefit.
    values = np.array([(m.nearness[name], m.benefit) for m in known])
    donors, targets = np.array([m.donor for m in known]), np.array([m.target for m in known])
    apart = values - np.array([values[donors == donor].mean(axis=0) for donor in donors])
    rows = [targets == t for t in dict.fromkeys(targets) if (targets == t).sum() >= LEAST_DONORS]
    if not rows:
        return None
    whole, without_donors = ([_spearman(pairs[row]) for row in rows] for pairs in (values, apart))
    return Correlation(
        measure=name,
        value=float(np.mean(whole)),
        interval=mean_over_targets(whole, seed),
        apart=float(np.mean(without_donors)),
        apart_interval=mean_over_targets(without_donors, seed),
        targets=len(rows),
        transfers=int(sum(row.sum() for row in rows)),
    )


def _spearman(pairs: npt.NDArray[np.float64]) -> float:
    """Of pairs (N, 2); 0 where one of both is the same everywhere, and orders nothing."""
    # Means taken off equal values leave rounding behind.
    if np.ptp(pairs, axis=0).min() < 1e-12:
        return 0.0
    return float(scipy.stats.spearmanr(pairs[:, 0], pairs[:, 1]).statistic)


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
