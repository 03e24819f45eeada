"""What a spec must keep to for its arms to be comparable: names of their own, a scratch arm, equal budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vizinho.errors import SpecError
from vizinho.experiment.values import DEFAULT, SCRATCH, ExperimentSpec
from vizinho.training.options import TrainingOptions

_BUDGET = ("steps", "batch_seconds")
"""Options that no arm may have for itself: together they are the seconds of audio an arm sees."""


def check_spec(path: Path, spec: ExperimentSpec) -> None:
    """Raises SpecError naming the first thing that would make arms unequal or their names ambiguous."""
    _check_donors(path, spec)
    if SCRATCH not in spec.starts:
        raise SpecError(
            "there is no scratch arm", where=path, fix=f'add "{SCRATCH}" to starts: without it nothing is shown'
        )
    if not spec.seeds:
        raise SpecError("there are no seeds", where=path, fix="give at least three, as seeds = [1, 2, 3]")
    _check_recipes(path, spec)
    _same_budget(path, spec.training, spec.scratch, SCRATCH)


def _check_donors(path: Path, spec: ExperimentSpec) -> None:
    names = [d.name for d in spec.donors]
    if len(set(names)) != len(names) or SCRATCH in names:
        raise SpecError("donors need names of their own", where=path, fix=f"{SCRATCH!r} is the arm without a donor")
    budgets = {(d.minutes, d.training.steps, d.training.batch_seconds) for d in spec.donors}
    if len(budgets) > 1:
        raise SpecError("the donors have unequal minutes, steps or batches", where=path, fix="make their budgets equal")


def _check_recipes(path: Path, spec: ExperimentSpec) -> None:
    names = [r.name for r in spec.recipes]
    if not names:
        raise SpecError("recipes is empty", where=path, fix="leave it out to have one recipe")
    if len(set(names)) != len(names) or SCRATCH in names or any(not n or "/" in n for n in names):
        raise SpecError(
            f"recipes need names of their own without a slash: {', '.join(map(repr, names))}",
            where=path,
            fix=f"{SCRATCH!r} is the recipe of arms without a donor; rename one",
        )
    for recipe in spec.recipes:
        _check_starts(path, spec.starts, recipe.name, recipe.starts)
        _same_budget(path, spec.training, recipe.training, f"recipe {recipe.name}")
        corpora = len(spec.corpora) + len(recipe.beside)
        if recipe.repeat and (len(recipe.repeat) != corpora or min(recipe.repeat) < 1):
            whose = "" if recipe.name == DEFAULT else f" of recipe {recipe.name}"
            raise SpecError(
                f"repeat{whose} does not fit the corpora",
                where=path,
                fix=f"give a number of 1 or more for each of the {corpora} corpora, those beside last",
            )


def _check_starts(path: Path, starts: Sequence[str], name: str, named: Sequence[str]) -> None:
    unknown = sorted(set(named) - set(starts))
    if unknown:
        raise SpecError(
            f"recipe {name} is for {', '.join(unknown)}, which no arm starts from",
            where=path,
            fix=f"starts: {', '.join(starts)}",
        )


def _same_budget(path: Path, ours: TrainingOptions, theirs: TrainingOptions, who: str) -> None:
    for name in _BUDGET:
        if getattr(ours, name) != getattr(theirs, name):
            raise SpecError(
                f"{who} has other {name} than the transfers", where=path, fix="arms must have equal budgets"
            )
