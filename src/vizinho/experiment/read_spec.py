"""Reads an experiment's TOML file into frozen values, and refuses what would make its arms unequal or ambiguous."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from vizinho.errors import SpecError
from vizinho.experiment.spec import (
    DEFAULT,
    SCRATCH,
    SYNTHETIC,
    UNTRAINED,
    UPDATE,
    ControlSpec,
    DonorSpec,
    ExperimentSpec,
    RecipeSpec,
    SyntheticSpec,
)
from vizinho.files import read_toml
from vizinho.training.options import TrainingOptions

_TABLES = {"donors": DonorSpec, "recipes": RecipeSpec, "controls": ControlSpec, "synthetic": SyntheticSpec}
_BUDGET = ("steps", "batch_seconds", "accumulate")
"""Options that no arm may have for itself: together they are the seconds of audio an arm sees."""
Faults = Iterator[tuple[str, str]]
"""(What is wrong, what to do)."""


def read_spec(path: Path) -> ExperimentSpec:
    """Parse and check a spec. Paths are relative to the working directory; $VIZINHO_SHARED is filled in.

    Raises SpecError naming the file, the table, the key and what to do.
    """
    raw = read_toml(path, "experiment file", SpecError)
    if "source" in raw:
        raise SpecError("unknown key source", where=path, fix=f"known keys: {_keys(ExperimentSpec)}")
    try:
        # As JSON, because strict validation takes its lists for tuples. Dates, which no key holds, become texts.
        spec = TypeAdapter(ExperimentSpec).validate_json(json.dumps(_laid_over(raw), default=str))
    except ValidationError as error:
        raise _spec_error(path, raw, error.errors(include_url=False)) from error
    spec = replace(spec, donors=(*spec.donors, *_stages(spec)), source=raw)
    for what, fix in _faults(spec):
        raise SpecError(what, where=path, fix=fix)
    return spec


def _spec_error(path: Path, raw: Mapping[str, Any], errors: Sequence[ErrorDetails]) -> SpecError:
    """The first error; a key that is unknown goes before one that is missing, since it may be the same misspelt."""
    error = min(errors, key=lambda error: error["type"] != "unexpected_keyword_argument")
    *tables, key = _labels(raw, error["loc"]) or ["the file"]
    where = f"{path}: {'.'.join(tables)}" if tables else str(path)
    if error["type"] == "missing":
        return SpecError(f"the key {key} is missing", where=where, fix="add it")
    if error["type"] == "unexpected_keyword_argument":
        known = _keys(_TABLES.get(str(error["loc"][0]), ExperimentSpec))
        return SpecError(f"unknown key {key}", where=where, fix=f"known keys: {known}")
    if error["type"] == "spec":
        context = error["ctx"]
        place = ".".join((*tables, key)) + context["inside"]
        return SpecError(context["what"], where=f"{path}: {place}", fix=context["fix"])
    return SpecError(f"{key} is {error['input']!r:.60}", where=where, fix=error["msg"].replace("Input", "it", 1))


def _labels(raw: Any, location: Sequence[int | str]) -> list[str]:
    """The steps to a value as a person names them: a table of a list by its name, another item by its number."""
    # `raw` lacks the tables that were laid over others, and may hold anything at all where a table should be.
    labels: list[str] = []
    for step in location:
        try:
            raw = raw[step]
        except (LookupError, TypeError):
            raw = None
        if isinstance(step, str):
            labels.append(step)
        else:
            labels[-1] += f" {raw['name']}" if isinstance(raw, Mapping) and "name" in raw else f"[{step}]"
    return labels


def _keys(kind: type) -> str:
    return ", ".join(sorted(field.name for field in fields(kind) if (kind, field.name) != (ExperimentSpec, "source")))


def _laid_over(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The file's tables with [training] under [scratch], and a recipe's tables over the file's own.

    Only what differs needs to be said. Values of a wrong kind are left as they are, for the validation to name.
    """
    training, tables = raw.get("training", {}), dict(raw)
    tables["scratch"] = _over(training, raw.get("scratch", {}))
    recipes = raw.get("recipes", [{"name": DEFAULT}])
    if isinstance(recipes, list):
        tables["recipes"] = [_recipe(raw, tables["scratch"], r) if isinstance(r, Mapping) else r for r in recipes]
    stage = raw.get("synthetic")
    if isinstance(stage, Mapping):
        tables["synthetic"] = {**stage, "scratch": _over(stage.get("training", {}), stage.get("scratch", {}))}
    return tables


def _recipe(raw: Mapping[str, Any], scratch: Any, recipe: Mapping[str, Any]) -> dict[str, Any]:
    own, beside, repeat = recipe.get("training", {}), recipe.get("beside", []), raw.get("repeat")
    tables = {
        **recipe,
        "training": _over(raw.get("training", {}), own),
        "scratch": _over(_over(scratch, own), recipe.get("scratch", {})),
        "rows": _over(raw.get("rows", {}), recipe.get("rows", {})),
    }
    if isinstance(repeat, list) and isinstance(beside, list):
        tables.setdefault("repeat", [*repeat, *[1] * len(beside)])
    return tables


def _over(below: Any, above: Any) -> Any:
    """Two tables as one; the upper wins, and tables inside are laid over each other too."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}


def _stages(spec: ExperimentSpec) -> list[DonorSpec]:
    """A donor for every start that goes through synthetic target speech; it starts from what the name says."""
    stage = spec.synthetic
    if stage is None:
        return []
    names = [start for start in spec.starts if start.endswith(SYNTHETIC)]
    bases = {name: name.removesuffix(SYNTHETIC).removeprefix(SCRATCH) for name in names}
    return [
        DonorSpec(
            name=name,
            language=spec.target,
            corpora=stage.corpora,
            base=bases[name],
            minutes=stage.minutes,
            training=stage.training if bases[name] else stage.scratch,
            seed=stage.seed,
        )
        for name in names
    ]


def _faults(spec: ExperimentSpec) -> Faults:
    """What would make arms unequal or their names ambiguous."""
    if (spec.synthetic is None) == any(start.endswith(SYNTHETIC) for start in spec.starts):
        yield (
            "[synthetic] and starts that end in +synthetic belong together",
            f'give [synthetic] corpora = [...], and starts = [..., "scratch{SYNTHETIC}", "es{SYNTHETIC}"]',
        )
    yield from _donor_faults(spec)
    # Something must be there to beat: training without the donor, or the donor without training.
    if SCRATCH not in spec.starts and not spec.untrained:
        yield "there is no scratch arm", f'add "{SCRATCH}" to starts, or untrained = true: without it nothing is shown'
    if not spec.seeds:
        yield "there are no seeds", "give at least three, as seeds = [1, 2, 3]"
    yield from _budget_faults(spec.training, spec.scratch, SCRATCH)
    yield from _control_faults(spec)
    yield from _recipe_faults(spec)
    unused = [start for start in spec.starts if not spec.recipes_for(start)]
    if unused:
        yield f"no recipe is for {', '.join(unused)}", "name it in a recipe's starts, or take it out"
    if spec.scratch_minutes and not spec.minutes:
        yield "scratch_minutes without minutes", "give the amounts of the others too"


def _donor_faults(spec: ExperimentSpec) -> Faults:
    donors, stages = ([d for d in spec.donors if (spec.kind(d.name) == "synthetic") == s] for s in (False, True))
    bases = {d.name: d.base for d in spec.donors}
    if len(bases) != len(spec.donors) or SCRATCH in bases:
        yield "donors need names of their own", f"{SCRATCH!r} is the arm without a donor"
    budgets = {(d.minutes, d.training.steps, d.training.batch_seconds) for d in donors if d.matched}
    if len(budgets) > 1:
        yield (
            "the donors have unequal minutes, steps or batches",
            "make their budgets equal, or say matched = false of those to be reported apart",
        )
    for stage in stages:
        origin = spec.origin(stage.name)
        if origin not in (SCRATCH, *spec.starts):
            fix = f"add {origin!r} to starts, to show what the synthetic speech did"
            yield f"{stage.name} goes on from {origin}, which no arm starts from", fix
    if spec.synthetic is not None:
        yield from _budget_faults(spec.synthetic.training, spec.synthetic.scratch, "synthetic.scratch")
    for name, base in bases.items():
        visited = {name}  # on the way down the chain of what donors start from
        while base in bases and base not in visited:
            visited.add(base)
            base = bases[base]
        if base in visited:
            yield f"the donor {name} starts from itself", "give it another base"


def _control_faults(spec: ExperimentSpec) -> Faults:
    taken = {*spec.starts, *(d.name for d in spec.donors)}
    for control in spec.controls:
        who = f"the control {control.name}"
        if control.name in taken:
            yield f"{who} needs a name of its own", "rename it"
        taken.add(control.name)
        if control.of not in spec.starts or control.of == SCRATCH:
            fix = "give the name of a donor that is among the starts"
            yield f"{who} is of {control.of}, which no arm starts from", fix
        if control.kind == UPDATE and spec.donor(control.of) is None:
            yield (
                f"{who} goes on with the speech of {control.of}, which is not trained here",
                "give a donor of the file: only of those the speech is known",
            )
        if control.corpora and control.kind != UPDATE:
            yield f"{who} has corpora", f"only a {UPDATE} control is trained on any"


def _recipe_faults(spec: ExperimentSpec) -> Faults:
    names = [r.name for r in spec.recipes]
    if not names:
        yield "recipes is empty", "leave it out to have one recipe"
    if len(set(names)) != len(names) or {SCRATCH, UNTRAINED} & set(names) or any(not n or "/" in n for n in names):
        yield (
            f"recipes need names of their own without a slash: {', '.join(map(repr, names))}",
            f"{SCRATCH!r} and {UNTRAINED!r} are recipes of every experiment; rename one",
        )
    for recipe in spec.recipes:
        unknown = sorted(set(recipe.starts) - set(spec.starts))
        if unknown:
            what = f"recipe {recipe.name} is for {', '.join(unknown)}, which no arm starts from"
            yield what, f"starts: {', '.join(spec.starts)}"
        yield from _budget_faults(spec.training, recipe.training, f"recipe {recipe.name}")
        yield from _budget_faults(spec.training, recipe.scratch, f"recipe {recipe.name}.scratch")
        corpora = len(spec.corpora) + len(recipe.beside)
        if recipe.repeat and len(recipe.repeat) != corpora:
            whose = "" if recipe.name == DEFAULT else f" of recipe {recipe.name}"
            fix = f"give a number for each of the {corpora} corpora, those beside last"
            yield f"repeat{whose} does not fit the corpora", fix


def _budget_faults(transfers: TrainingOptions, others: TrainingOptions, who: str) -> Faults:
    for name in _BUDGET:
        if getattr(transfers, name) != getattr(others, name):
            yield f"{who} has other {name} than the transfers", "arms must have equal budgets"
