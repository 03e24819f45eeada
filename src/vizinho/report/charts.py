"""Charts of how arms learn: curves over steps, rates over minutes of speech, steps that a start saves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vizinho.experiment.results import ArmLine, Pooled, StepsToTarget
from vizinho.report.drawing import INK, Looks, figure, horizontal, legend, svg


def curves_chart(lines: Sequence[ArmLine], looks: Looks, name: str) -> str:
    """Dev CER against steps, one line of the experiment each; a band from the worst to the best seed."""
    drawn, axes = figure()
    for line in lines:
        # Seeds that stopped early leave shorter curves; the band spans what all of them have.
        shared = min(len(arm.curve) for arm in line.arms)
        steps = [point.step for point in line.first.curve[:shared]]
        rates = np.array(
            [[np.nan if p.dev_cer is None else p.dev_cer for p in arm.curve[:shared]] for arm in line.arms]
        )
        look = looks[line.name]
        if steps == [0]:  # not trained: a level to compare with
            axes.axhline(rates.mean(), label=line.name, linewidth=2, **look)
            continue
        axes.plot(steps, rates.mean(axis=0), label=line.name, linewidth=2, **look)
        axes.fill_between(steps, rates.min(axis=0), rates.max(axis=0), color=look["color"], alpha=0.18, linewidth=0)
    axes.set(xlabel="steps", ylabel="CER on dev")
    axes.set_ylim(bottom=0)
    legend(axes)
    return svg(drawn, axes, name, "CER on dev against training steps")


def minutes_chart(pooled: Sequence[Pooled], looks: Looks) -> str:
    """Test CER against minutes of target speech on a logarithmic axis, with intervals; "" for one amount."""
    amounts = sorted({row.minutes for row in pooled})
    if len(amounts) < 2:
        return ""
    drawn, axes = figure()
    for name in dict.fromkeys(row.line for row in pooled):
        rows = sorted((row for row in pooled if row.line == name), key=lambda row: row.minutes)
        minutes, rates = [row.minutes for row in rows], np.array([row.cer for row in rows])
        # Matplotlib wants the distances from the rate down and up, (2, amounts).
        reach = np.maximum(0, np.abs(np.array([row.cer_ci for row in rows]).T - rates))
        axes.errorbar(minutes, rates, yerr=reach, label=name, marker="o", markersize=5, capsize=3, **looks[name])
    axes.set_xscale("log")
    axes.set_xticks(amounts, [f"{m:.3g}" for m in amounts])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="minutes of target speech", ylabel="CER on test")
    axes.set_ylim(bottom=0)
    legend(axes)
    return svg(drawn, axes, "minutes", "CER on test against minutes of target speech")


def steps_chart(rows: Sequence[StepsToTarget], looks: Looks, name: str) -> str:
    """Steps to scratch's best, a dot each seed; "" where scratch learnt nothing to reach."""
    rows = [row for row in rows if row.budget_steps and any(s.scratch_own_steps is not None for s in row.by_seed)]
    if not rows:
        return ""
    drawn, axes = figure(0.9 + 0.42 * len(rows))
    budget = rows[0].budget_steps
    for place, row in enumerate(rows):
        reached = [s.steps for s in row.by_seed if s.steps is not None]
        if reached:
            axes.barh(place, float(np.mean(reached)), color=looks[row.line]["color"], height=0.6, alpha=0.55)
            axes.plot(reached, [place] * len(reached), "o", color=looks[row.line]["color"], markersize=5)
        missed = len(row.by_seed) - len(reached)
        if missed:
            note = "never" if not reached else f"never: {missed} of {len(row.by_seed)} seeds"
            axes.annotate(note, (budget, place), ha="right", va="center", fontsize=9, color=INK)
    horizontal(axes, [row.line for row in rows], "steps until as good on dev as scratch at its best")
    axes.set_xlim(0, budget * 1.02)  # the budget's end is seen, where "never" is written
    return svg(drawn, axes, name, "Steps to scratch's best")
