"""The arms of an experiment, and the job that each of them is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from vizinho.corpora.manifest import read_manifest
from vizinho.experiment.spec import DEFAULT, SCRATCH, UPDATE, ExperimentSpec
from vizinho.job.job import Job
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


def arm_folder(folder: Path, name: str) -> Path:
    """Where an arm's result and model are, in the folder of the experiment."""
    return folder / "arms" / name.replace("/", "-")


def arms_of(spec: ExperimentSpec) -> list[Arm]:
    """All arms, seed by seed, so that an interrupted experiment has whole comparisons first.

    Controls are trained by the first recipe of the donor that they were made from.
    """
    amounts = spec.minutes or (None,)
    made = []
    for seed in spec.seeds:
        for minutes in amounts:
            made += [Arm(start, minutes, seed, recipe) for start in spec.starts for recipe in spec.recipes_for(start)]
            made += [Arm(c.name, minutes, seed, spec.recipes_for(c.of)[0]) for c in spec.controls if c.kind != UPDATE]
        more = [m for m in spec.scratch_minutes if m not in amounts]
        made += [Arm(SCRATCH, minutes, seed, recipe) for minutes in more for recipe in spec.recipes_for(SCRATCH)]
    return made


def updates_of(spec: ExperimentSpec) -> list[Arm]:
    """The same-language updates: as many steps and minutes as the arms have, of the donor's own language."""
    return [
        Arm(control.name, minutes, seed, spec.recipes_for(control.of)[0])
        for seed in spec.seeds
        for minutes in spec.minutes or (None,)
        for control in spec.controls
        if control.kind == UPDATE
    ]


def options_of(spec: ExperimentSpec, arm: Arm) -> TrainingOptions:
    """The training options of an arm, its seed among them."""
    recipe = spec.recipe(arm.recipe)
    return replace(recipe.scratch if arm.start == SCRATCH else recipe.training, seed=arm.seed)


def job_of(spec: ExperimentSpec, arm: Arm, donor: Path | None, donor_language: str | None) -> Job:
    """The job of an arm; whatever a recipe can say beyond training options comes in here."""
    recipe = spec.recipe(arm.recipe)
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


def update_of(spec: ExperimentSpec, arm: Arm, folder: Path | None) -> Job:
    """The job of a same-language update: the donor goes on with its own language, as long as the arms do."""
    control = spec.control(arm.start)
    assert control is not None
    donor = spec.donor(control.of)
    assert donor is not None
    return Job(
        donor.language,
        control.corpora or donor.corpora,
        folder,
        donor.language,
        minutes=arm.minutes if arm.minutes is not None else _all_minutes(spec),
        rows=spec.recipe(arm.recipe).rows,
        options=options_of(spec, arm),
    )


def _all_minutes(spec: ExperimentSpec) -> float:
    """Target speech that arms without a limit train on; so much more at most does an update hear, too."""
    train = [u for path in spec.corpora for u in read_manifest(path) if u.split == "train"]
    return sum(u.duration_seconds for u in train) / 60
