"""What a start saves: steps to scratch's best, and minutes of target speech that scratch needs to match it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vizinho.evaluation.resample import Counts, bootstrap_sums, percentiles
from vizinho.experiment.results import Line, Result, amount_of
from vizinho.records import UtteranceErrors

RESAMPLES = 2000
SEED = 1


def steps_to_target(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """For every line, the first evaluated step at which each seed is as good on dev as scratch of its seed ever was.

    `ratio` is scratch's own steps to its best over the line's, geometric mean of the seeds that got there after step 0.
    `scratch_steps` is the other way round: the step at which scratch is as good as the line at its best, None where it
    never is within its steps. All are None where scratch learnt nothing (`scratch_own_steps` tells).
    """
    scratch = {(amount_of(a), a["seed"]): a for line in lines if line.is_scratch for a in line.arms}
    rows = []
    for line in lines:
        seeds = [
            _steps_row(arm, scratch[key]) for arm in line.arms if (key := (amount_of(arm), arm["seed"])) in scratch
        ]
        ratios = [s["ratio"] for s in seeds if s["ratio"] is not None]
        rows.append(
            {
                "line": line.name,
                "minutes": line.minutes,
                "budget_steps": line.arms[0]["steps"],
                "by_seed": seeds,
                "reached": sum(s["steps"] is not None for s in seeds),
                "ratio": math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None,
            }
        )
    return rows


def _steps_row(arm: Result, scratch: Result) -> dict[str, Any]:
    best, goal = _best(arm), _best(scratch)
    if goal is None or goal >= 1 or goal == scratch["curve"][0]["dev_cer"]:
        return {"seed": arm["seed"], "steps": None, "scratch_own_steps": None, "scratch_steps": None, "ratio": None}
    steps, own = _first_at(arm, goal), _first_at(scratch, goal)
    return {
        "seed": arm["seed"],
        "steps": steps,
        "scratch_own_steps": own,
        "scratch_steps": _first_at(scratch, best),
        "ratio": own / steps if steps and own else None,
    }


def _best(arm: Result) -> float | None:
    return min((p["dev_cer"] for p in arm["curve"] if p["dev_cer"] is not None), default=None)


def _first_at(arm: Result, rate: float | None) -> int | None:
    if rate is None:
        return None
    return next((p["step"] for p in arm["curve"] if p["dev_cer"] is not None and p["dev_cer"] <= rate), None)


def data_efficiency(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Minutes of target speech that scratch needs to match each line on test.

    Scratch's pooled CER is interpolated between its amounts on the logarithm of the minutes, at the first crossing.
    `bound` is "equal", or "more" ("less") where scratch at its largest (smallest) amount is still worse (already as
    good); `scratch_minutes` is then that amount. The interval resamples utterances, the same ones for all lines; an
    end at None lies beyond scratch's amounts.
    """
    curve = [line for line in lines if line.is_scratch]
    others = [line for line in lines if not line.is_scratch]
    if not curve or not others:
        return []
    sums = _sums([*curve, *others])
    rates = sums[:, :, 0] / np.maximum(sums[:, :, 1], 1)
    minutes = [line.minutes for line in curve]
    rows = []
    for place, line in enumerate(others, start=len(curve)):
        needed, bound = _needed(minutes, rates[0, : len(curve)], float(rates[0, place]))
        drawn = [_needed(minutes, draw[: len(curve)], float(draw[place])) for draw in rates[1:]]
        rows.append(
            {
                "line": line.name,
                "minutes": line.minutes,
                "cer": float(rates[0, place]),
                "scratch_minutes": needed,
                "bound": bound,
                "ratio": needed / line.minutes,
                "ci": _ends(drawn),
            }
        )
    return rows


def _sums(lines: Sequence[Line]) -> Counts:
    """(1 + resamples, lines, 2): edits and characters, first of all utterances, then of each resample."""
    by_line = [sorted(line.errors(), key=lambda e: e.id) for line in lines]
    counts = np.hstack([_counts(errors) for errors in by_line])
    drawn = bootstrap_sums(counts, np.random.default_rng(SEED), RESAMPLES)
    return np.vstack([counts.sum(axis=0), drawn]).reshape(1 + RESAMPLES, len(lines), 2)


def _counts(errors: Sequence[UtteranceErrors]) -> Counts:
    return np.array([[e.character_errors, e.characters] for e in errors], dtype=np.float64)


def _needed(minutes: Sequence[float], rates: Counts, goal: float) -> tuple[float, str]:
    """Minutes at which a curve of rates first comes down to `goal`, and how it bounds them."""
    if rates[0] <= goal:
        return minutes[0], "less"
    for i in range(1, len(minutes)):
        if rates[i] <= goal:
            share = (rates[i - 1] - goal) / (rates[i - 1] - rates[i])
            logs = math.log(minutes[i - 1]), math.log(minutes[i])
            return math.exp(logs[0] + float(share) * (logs[1] - logs[0])), "equal"
    return minutes[-1], "more"


def _ends(drawn: Sequence[tuple[float, str]]) -> list[float | None]:
    """Percentile ends, with what lies beyond the amounts counted as 0 or infinitely many minutes."""
    beyond = {"less": 0.0, "more": math.inf}
    with np.errstate(invalid="ignore"):  # between two infinities lies infinity, not an undefined number
        ends = percentiles(np.array([beyond.get(bound, needed) for needed, bound in drawn]))
    return [float(e) if math.isfinite(e) and e > 0 else None for e in ends]
