"""How many adjustments each start needed and how large they were, tested over seeds; and what is left of the donor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from vizinho.evaluation.significance import holm
from vizinho.experiment.results import (
    Adjusted,
    AdjustmentTest,
    AnyArm,
    ArmLine,
    ArmResult,
    Line,
    Place,
    Retention,
    Spread,
    TrainedArm,
)
from vizinho.plan.movement import Movement

Measure = Literal["encoder_moved_share", "encoder_distance"]
MEASURES: dict[Measure, str] = {"encoder_moved_share": "fewer", "encoder_distance": "smaller"}
"""Measures without the head, whose rows are other letters in another language; the words for a lower value."""


def adjusted(lines: Sequence[Line[AnyArm]]) -> list[Adjusted]:
    """A row for every line that has a donor."""
    return [_row(line) for line in lines if line.first.movement is not None]


def adjustment_tests(lines: Sequence[ArmLine]) -> list[AdjustmentTest]:
    """Tests between the donors, in the number of weights that moved and in how far they moved.

    Seeds are the units of the tests (paired by seed: equal batches and augmentation), Holm's correction runs over all
    pairs and measures. Two seeds are the fewest that can be tested, and few seeds show large differences only.
    """
    moved = [line for line in lines if line.first.kind == "donor" and line.first.movement is not None]
    tests = [
        _paired(a, b, measure)
        for a, b in combinations(moved, 2)
        if a.first.amount == b.first.amount and a.first.recipe == b.first.recipe
        for measure in MEASURES
    ]
    corrected = iter(holm([test.p for test in tests if test.p is not None]))
    return [test if test.p is None else replace(test, p_holm=next(corrected)) for test in tests]


def _row(line: Line[AnyArm]) -> Adjusted:
    moved = [_movement(arm) for arm in line.arms]
    distances = np.array([[layer.relative_distance for layer in m.layers] for m in moved])  # (seeds, layers)
    return Adjusted(
        line=line.name,
        kind=line.first.kind,
        minutes=line.first.minutes,
        amount=line.first.amount,
        seeds=len(line.arms),
        encoder_moved_share=_spread([encoder_moved_share(m) for m in moved]),
        encoder_distance=_spread([m.encoder_distance for m in moved]),
        moved_share=_spread([m.moved_share for m in moved]),
        relative_distance=_spread([m.relative_distance for m in moved]),
        batch_norm_drift=_spread([m.batch_norm_drift for m in moved]),
        layers={layer.layer: _spread(distances[:, i].tolist()) for i, layer in enumerate(moved[0].layers)},
    )


def _movement(arm: TrainedArm) -> Movement:
    if arm.movement is None:
        raise ValueError(f"the arm {arm.arm} has no movement, other seeds of its line have")
    return arm.movement


def encoder_moved_share(moved: Movement) -> float:
    """Share of the weights outside the head that moved."""
    encoder = [layer for layer in moved.layers if layer.layer != "head"]
    size = sum(layer.weights for layer in encoder)
    # Layers count by their size, as if all weights of the encoder had been counted at once.
    return sum(layer.moved_share * layer.weights for layer in encoder) / max(size, 1)


def _spread(values: Sequence[float]) -> Spread:
    # The deviation of a sample, as the t-test takes it.
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Spread(float(np.mean(values)), deviation)


def _paired(a: ArmLine, b: ArmLine, measure: Measure) -> AdjustmentTest:
    values_b = {arm.seed: _measured(arm, measure) for arm in b.arms}
    differences = np.array([_measured(arm, measure) - values_b[arm.seed] for arm in a.arms if arm.seed in values_b])
    return AdjustmentTest(
        a=a.name,
        b=b.name,
        minutes=a.first.minutes,
        measure=measure,
        matched=a.first.matched and b.first.matched,
        difference=float(differences.mean()) if len(differences) else None,
        seeds=len(differences),
        p=_t_test(differences),
        p_holm=None,
    )


def _measured(arm: ArmResult, measure: Measure) -> float:
    moved = _movement(arm)
    return encoder_moved_share(moved) if measure == "encoder_moved_share" else moved.encoder_distance


def _t_test(differences: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    from scipy.stats import ttest_1samp

    # One seed has no deviation, and differences that are all equal (of weights that never moved) have none either.
    if len(differences) < 2 or float(differences.std()) == 0:
        return None
    return float(ttest_1samp(differences, 0.0).pvalue)


def retention(lines: Sequence[ArmLine]) -> list[Retention]:
    """CER of the donor's language before and after, and the rates of both languages on the way between the weights."""
    rows = []
    for line in lines:
        tested = [arm.retention for arm in line.arms if arm.retention is not None]
        ways = [arm.interpolation for arm in line.arms if arm.interpolation]
        if not tested and not ways:
            continue
        rows.append(
            Retention(
                line.name,
                line.first.minutes,
                tested[0].lang if tested else None,
                tested[0].utterances if tested else None,
                float(np.mean([t.donor_cer for t in tested])) if tested else None,
                _spread([t.cer for t in tested]) if tested else None,
                tuple(_place(points) for points in zip(*ways, strict=True)),
            )
        )
    return rows


def _place(points: Sequence[Place[float]]) -> Place[Spread]:
    donor_cers = [p.donor_cer for p in points if p.donor_cer is not None]
    return Place(points[0].place, _spread([p.cer for p in points]), _spread(donor_cers) if donor_cers else None)
