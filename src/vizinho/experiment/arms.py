"""The arms of an experiment, and the job that each of them is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vizinho.experiment.values import DEFAULT, SCRATCH, ExperimentSpec, RecipeSpec
from vizinho.jobs import Job
from vizinho.training.options import TrainingOptions


@dataclass(frozen=True, slots=True)
class Arm:
    """One line of the experiment: where it starts, how it is trained, how much target speech, which seed."""

    start: str
    minutes: float | None
    seed: int
    recipe: str = DEFAULT

    @property
    def name(self) -> str:
        """Unique within the experiment; names its folder."""
        amount = "all" if self.minutes is None else f"{self.minutes:g}min"
        recipe = "" if self.recipe in (DEFAULT, SCRATCH) else f"{self.recipe}/"
        return f"{self.start}/{recipe}{amount}/seed{self.seed}"


def arms_of(spec: ExperimentSpec) -> list[Arm]:
    """All arms, seed by seed, so that an interrupted experiment has whole comparisons first."""
    return [
        Arm(start, minutes, seed, recipe)
        for seed in spec.seeds
        for minutes in spec.minutes or (None,)
        for start in spec.starts
        for recipe in _recipes_for(spec, start)
    ]


def _recipes_for(spec: ExperimentSpec, start: str) -> list[str]:
    """Names of recipes; scratch always has one, so that there is something to be better than."""
    named = [r.name for r in spec.recipes if (start in r.starts if r.starts else start != SCRATCH)]
    return named or ([SCRATCH] if start == SCRATCH else [])


def options_of(spec: ExperimentSpec, arm: Arm) -> TrainingOptions:
    """The training options of an arm, its seed among them."""
    recipe = spec.recipe(arm.recipe)
    return replace(recipe.scratch if arm.start == SCRATCH else recipe.training, seed=arm.seed)


def job_of(spec: ExperimentSpec, arm: Arm, donor: Path | None, donor_language: str | None) -> Job:
    """The job of an arm; whatever a recipe can say beyond training options comes in here."""
    recipe: RecipeSpec = spec.recipe(arm.recipe)
    return Job(
        spec.target,
        spec.corpora,
        donor,
        donor_language,
        minutes=arm.minutes,
        beside=recipe.beside,
        repeat=recipe.repeat,
        preset=spec.preset,
        rows=recipe.rows,
        options=options_of(spec, arm),
    )
