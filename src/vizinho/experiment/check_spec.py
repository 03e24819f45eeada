"""What a spec must keep to for its arms to be comparable: names of their own, a scratch arm, equal budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vizinho.errors import SpecError
from vizinho.experiment.spec import CONTROLS, DEFAULT, SCRATCH, UPDATE, ExperimentSpec, SyntheticSpec
from vizinho.training.options import TrainingOptions

_BUDGET = ("steps", "batch_seconds", "accumulate")
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
    _check_controls(path, spec)
    _check_recipes(path, spec)
    _check_every_start(path, spec)
    if any(not 0 <= place <= 1 for place in spec.interpolation):
        raise SpecError(f"interpolation is {list(spec.interpolation)}", where=path, fix="give places from 0 to 1")
    if spec.scratch_minutes and not spec.minutes:
        raise SpecError("scratch_minutes without minutes", where=path, fix="give the amounts of the others too")
    _same_budget(path, spec.training, spec.scratch, SCRATCH)


def check_stage(path: Path, stage: SyntheticSpec) -> None:
    """Stages from a donor and from scratch must have equal steps and batches."""
    _same_budget(path, stage.training, stage.scratch, "synthetic.scratch")


def _check_donors(path: Path, spec: ExperimentSpec) -> None:
    donors, stages = ([d for d in spec.donors if (spec.kind(d.name) == "synthetic") == s] for s in (False, True))
    names = [d.name for d in spec.donors]
    if len(set(names)) != len(names) or SCRATCH in names:
        raise SpecError("donors need names of their own", where=path, fix=f"{SCRATCH!r} is the arm without a donor")
    budgets = {(d.minutes, d.training.steps, d.training.batch_seconds) for d in donors if d.matched}
    if len(budgets) > 1:
        raise SpecError(
            "the donors have unequal minutes, steps or batches",
            where=path,
            fix="make their budgets equal, or say matched = false of those to be reported apart",
        )
    bases = {d.name: d.base for d in spec.donors}
    for stage in stages:
        if spec.origin(stage.name) not in (SCRATCH, *spec.starts):
            raise SpecError(
                f"{stage.name} goes on from {spec.origin(stage.name)}, which no arm starts from",
                where=path,
                fix=f"add {spec.origin(stage.name)!r} to starts, to show what the synthetic speech did",
            )
    for name in bases:
        seen, at = {name}, bases[name]
        while at in bases:
            if at in seen:
                raise SpecError(f"the donor {name} starts from itself", where=path, fix="give it another base")
            seen.add(at)
            at = bases[at]


def _check_controls(path: Path, spec: ExperimentSpec) -> None:
    taken = {*spec.starts, *(d.name for d in spec.donors)}
    for control in spec.controls:
        if control.kind not in CONTROLS:
            raise SpecError(
                f"unknown kind of control {control.kind!r}", where=path, fix=f"use one of {', '.join(CONTROLS)}"
            )
        if control.name in taken:
            raise SpecError(f"the control {control.name} needs a name of its own", where=path, fix="rename it")
        taken.add(control.name)
        if control.of not in spec.starts or control.of == SCRATCH:
            raise SpecError(
                f"the control {control.name} is of {control.of}, which no arm starts from",
                where=path,
                fix="give the name of a donor that is among the starts",
            )
        if control.kind == UPDATE and spec.donor(control.of) is None:
            raise SpecError(
                f"the control {control.name} goes on with the speech of {control.of}, which is not trained here",
                where=path,
                fix="give a donor of the file: only of those it is known what they have heard",
            )
        if control.corpora and control.kind != UPDATE:
            raise SpecError(
                f"the control {control.name} has corpora", where=path, fix=f"only a {UPDATE} control is trained on any"
            )


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


def _check_every_start(path: Path, spec: ExperimentSpec) -> None:
    without = [start for start in spec.starts if not spec.recipes_for(start)]
    if without:
        raise SpecError(
            f"no recipe is for {', '.join(without)}", where=path, fix="name it in a recipe's starts, or take it out"
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
