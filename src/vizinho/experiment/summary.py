"""From finished arms to what they show: pooled rates, comparisons, the questions answered by name, and a reading."""

from __future__ import annotations

from collections.abc import Sequence

from vizinho.evaluation.score import score_errors
from vizinho.experiment.adjustments import adjusted, adjustment_tests, retention
from vizinho.experiment.comparisons import compare_lines
from vizinho.experiment.efficiency import data_efficiency, steps_to_target
from vizinho.experiment.reading import answered, reading
from vizinho.experiment.results import (
    ArmLine,
    ArmResult,
    Pooled,
    StepsToTarget,
    Summary,
    TrainedArm,
    lines_of,
    pooled_errors,
)


def summarise(arms: Sequence[ArmResult], updates: Sequence[TrainedArm] = ()) -> Summary:
    """What the arms show. `updates` are same-language updates, which only the question of adjustments looks at.

    Arms of different amounts of target speech are never compared with each other, except to find how much of it
    scratch needs.
    """
    lines = lines_of(arms)
    steps = steps_to_target(lines)
    pooled = [_pooled(line, row) for line, row in zip(lines, steps, strict=True)]
    comparisons = compare_lines(lines)
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.start, line.name)
    questions = answered(
        pooled,
        comparisons,
        steps=steps,
        efficiency=data_efficiency(lines),
        adjustments=[*adjusted(lines), *adjusted(lines_of(updates))],
        tests=adjustment_tests(lines),
        retained=retention(lines),
        named={line.name for line in lines if line.is_main and first[line.start] == line.name},
    )
    return Summary(tuple(pooled), tuple(comparisons), questions, reading(questions, arms))


def _pooled(line: ArmLine, steps: StepsToTarget) -> Pooled:
    """Seeds of one line together: rates over all their outputs, intervals by resampling utterances."""
    rates = score_errors(pooled_errors(line))
    return Pooled(
        line=line.name,
        start=line.start,
        recipe=line.recipe,
        kind=line.kind,
        matched=line.first.matched,
        source=line.first.source,
        donor=line.first.donor,
        minutes=line.minutes,
        steps=line.first.steps,
        seeds=len(line.arms),
        cer=rates["cer"],
        cer_ci=tuple(rates["cer_ci"]),
        wer=rates["wer"],
        wer_ci=tuple(rates["wer_ci"]),
        cer_by_seed=tuple(arm.test.cer for arm in line.arms),
        dev_cer_by_seed=tuple(arm.dev_cer for arm in line.arms),
        # Seeds in which scratch learnt nothing have no best to be reached, which is not the same as never reaching it.
        steps_to_scratch_best=tuple(s.steps for s in steps.by_seed if s.scratch_own_steps is not None),
        findings=sum(bool(arm.findings) for arm in line.arms),
    )
