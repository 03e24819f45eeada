"""From finished arms to what they show: pooled rates, comparisons, the questions answered by name, and a reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vizinho.evaluation.score import score_errors
from vizinho.experiment.adjustments import adjustments, retention
from vizinho.experiment.comparisons import compare_lines
from vizinho.experiment.efficiency import data_efficiency, steps_to_target
from vizinho.experiment.reading import answers, reading
from vizinho.experiment.results import Line, Result, lines_of


def summarise(arms: Sequence[Result], updates: Sequence[Result] = ()) -> dict[str, Any]:
    """The "pooled", "comparisons", "questions" and "reading" of results.json.

    `updates` are same-language updates, which only the question of adjustments looks at. Arms of different amounts of
    target speech are never compared with each other, except to find how much of it scratch needs.
    """
    lines = lines_of(arms)
    steps = steps_to_target(lines)
    pooled = [_pooled(line, row) for line, row in zip(lines, steps, strict=True)]
    comparisons = compare_lines(lines)
    rows: dict[str, Any] = {
        "final_rates": pooled,
        "steps_to_target": steps,
        "data_efficiency": data_efficiency(lines),
        "adjustments": adjustments(lines, lines_of(updates)),
        "retention": retention(lines),
    }
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.start, line.name)
    questions = answers(
        rows, comparisons, {line.name for line in lines if line.is_main and first[line.start] == line.name}
    )
    del questions["final_rates"]["rows"]  # they stand in "pooled"
    return {
        "pooled": pooled,
        "comparisons": comparisons,
        "questions": questions,
        "reading": reading(questions, arms),
    }


def _pooled(line: Line, steps: dict[str, Any]) -> dict[str, Any]:
    """Seeds of one line together: rates over all their outputs, intervals by resampling utterances."""
    together = score_errors(line.errors())
    return {
        "line": line.name,
        "start": line.start,
        "recipe": line.recipe,
        "kind": line.kind,
        "matched": line.matched,
        "source": line.arms[0]["source"],
        "donor": line.arms[0]["donor"],
        "minutes": line.minutes,
        "steps": line.arms[0]["steps"],
        "seeds": len(line.arms),
        **{key: together[key] for key in ("cer", "cer_ci", "wer", "wer_ci")},
        "cer_by_seed": [a["test"]["cer"] for a in line.arms],
        "dev_cer_by_seed": [a["dev_cer"] for a in line.arms],
        # Seeds in which scratch learnt nothing have no best to be reached, which is not the same as never reaching it.
        "steps_to_scratch_best": [s["steps"] for s in steps["by_seed"] if s["scratch_own_steps"] is not None],
        "findings": sum(bool(a["findings"]) for a in line.arms),
    }
