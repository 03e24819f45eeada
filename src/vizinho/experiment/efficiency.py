"""What a start saves: steps to scratch's best, and minutes of target speech that scratch needs to match it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from vizinho.evaluation.significance import Counts, bootstrap_sums, percentiles
from vizinho.experiment.results import (
    ArmLine,
    ArmResult,
    Efficiency,
    SeedSteps,
    StepsToTarget,
    pooled_errors,
)
from vizinho.records import UtteranceErrors

RESAMPLES = 2000
SEED = 1
Bound = Literal["equal", "more", "less"]


def steps_to_target(lines: Sequence[ArmLine]) -> list[StepsToTarget]:
    """For every line, the first evaluated step at which each seed is as good on dev as scratch of its seed ever was."""
    scratch = {(arm.amount, arm.seed): arm for line in lines if line.first.is_scratch for arm in line.arms}
    rows = []
    for line in lines:
        pairs = [(arm, scratch[key]) for arm in line.arms if (key := (arm.amount, arm.seed)) in scratch]
        seeds = tuple(_steps(arm, reference) for arm, reference in pairs)
        ratios = [s.ratio for s in seeds if s.ratio is not None]
        reached = sum(s.steps is not None for s in seeds)
        # Ratios are averaged as logarithms: twice as fast and half as fast cancel out.
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None
        rows.append(StepsToTarget(line.name, line.first.minutes, line.first.steps, seeds, reached, mean))
    return rows


def _steps(arm: ArmResult, scratch: ArmResult) -> SeedSteps:
    best, goal = _best(arm), _best(scratch)
    # A CER of 1 or more, or that of step 0, is what scratch has without having learnt anything: no goal to reach.
    if goal is None or goal >= 1 or goal == scratch.curve[0].dev_cer:
        return SeedSteps(arm.seed)
    steps, own = _first_at(arm, goal), _first_at(scratch, goal)
    return SeedSteps(arm.seed, steps, own, _first_at(scratch, best), own / steps if steps and own else None)


def _best(arm: ArmResult) -> float | None:
    return min((p.dev_cer for p in arm.curve if p.dev_cer is not None), default=None)


def _first_at(arm: ArmResult, rate: float | None) -> int | None:
    if rate is None:
        return None
    return next((p.step for p in arm.curve if p.dev_cer is not None and p.dev_cer <= rate), None)


def data_efficiency(lines: Sequence[ArmLine]) -> list[Efficiency]:
    """Minutes of target speech that scratch needs to match each line on test.

    Scratch's pooled CER is interpolated between its amounts on the logarithm of the minutes, at the first crossing.
    The interval resamples utterances, the same ones for all lines.
    """
    curve = [line for line in lines if line.first.is_scratch]
    others = [line for line in lines if not line.first.is_scratch]
    if not curve or not others:
        return []
    sums = _sums([*curve, *others])
    rates = sums[:, :, 0] / np.maximum(sums[:, :, 1], 1)
    minutes = [line.first.minutes for line in curve]
    rows = []
    for column, line in enumerate(others, start=len(curve)):
        # Row 0 holds the rates of all utterances, the other rows those of the resamples.
        (needed, bound), *drawn = (_needed(minutes, row[: len(curve)], float(row[column])) for row in rates)
        cer = float(rates[0, column])
        rows.append(
            Efficiency(line.name, line.first.minutes, cer, needed, bound, needed / line.first.minutes, _ends(drawn))
        )
    return rows


def _sums(lines: Sequence[ArmLine]) -> Counts:
    """(1 + resamples, lines, 2): edits and characters, first of all utterances, then of each resample."""
    counts = np.hstack([_counts(sorted(pooled_errors(line), key=lambda e: e.id)) for line in lines])
    drawn = bootstrap_sums(counts, np.random.default_rng(SEED), RESAMPLES)
    return np.vstack([counts.sum(axis=0), drawn]).reshape(1 + RESAMPLES, len(lines), 2)


def _counts(errors: Sequence[UtteranceErrors]) -> Counts:
    return np.array([[e.character_errors, e.characters] for e in errors], dtype=np.float64)


def _needed(minutes: Sequence[float], rates: Counts, goal: float) -> tuple[float, Bound]:
    """Minutes at which a curve of rates first comes down to `goal`, and how it bounds them."""
    if rates[0] <= goal:
        return minutes[0], "less"
    for i in range(1, len(minutes)):
        if rates[i] <= goal:
            # Rates fall about linearly with the logarithm of the amount of speech.
            share = (rates[i - 1] - goal) / (rates[i - 1] - rates[i])
            logs = math.log(minutes[i - 1]), math.log(minutes[i])
            return math.exp(logs[0] + float(share) * (logs[1] - logs[0])), "equal"
    return minutes[-1], "more"


def _ends(drawn: Sequence[tuple[float, Bound]]) -> tuple[float | None, float | None]:
    """Percentile ends, with what lies beyond the amounts counted as 0 or infinitely many minutes."""
    beyond = {"less": 0.0, "more": math.inf}
    with np.errstate(invalid="ignore"):  # between two infinities lies infinity, not an undefined number
        ends = percentiles(np.array([beyond.get(bound, needed) for needed, bound in drawn]))
    low, high = (float(end) if math.isfinite(end) and end > 0 else None for end in ends)
    return low, high
