"""What an experiment is made of, as frozen values: donors, recipes, and the whole spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vizinho.training.options import TrainingOptions
from vizinho.transfer.tokens import RowOptions

SCRATCH = "scratch"
"""The start that has no donor, and the recipe of its arms where no recipe of the file is for it."""
DEFAULT = "default"
"""The recipe of a file that names none."""


@dataclass(frozen=True, slots=True)
class DonorSpec:
    """A donor that the experiment trains itself, so that all donors have equal minutes and steps."""

    name: str
    """Name of the start, as in `starts`."""
    language: str
    corpora: tuple[Path, ...]
    base: str = ""
    """Model to start the donor from ("es-demo"); empty trains it from scratch."""
    minutes: float | None = None
    training: TrainingOptions = field(default_factory=TrainingOptions)
    seed: int = 1


@dataclass(frozen=True, slots=True)
class RecipeSpec:
    """One way to train: what the arms of a recipe have in common. Steps and audio a step are the same in all."""

    name: str
    training: TrainingOptions
    """Of arms that start from a donor."""
    scratch: TrainingOptions
    """Of arms that start from scratch, where the recipe is for those too."""
    rows: RowOptions
    starts: tuple[str, ...] = ()
    """Starts it is for; empty: every start that has a donor."""
    beside: tuple[Path, ...] = ()
    """Corpora of the target's language (synthetic speech) whose train part is taken whole beside the minutes."""
    repeat: tuple[int, ...] = ()
    """How often the train part of each corpus, those beside last, comes in an epoch; empty: once."""
    source: str = ""
    """File or paper a baseline comes from."""


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """Arms are every start x recipe x minutes x seed; all have the same steps and seconds of audio a step."""

    name: str
    target: str
    corpora: tuple[Path, ...]
    starts: tuple[str, ...]
    donors: tuple[DonorSpec, ...]
    """Starts that are not trained here are names in the model store."""
    minutes: tuple[float, ...]
    seeds: tuple[int, ...]
    preset: str
    training: TrainingOptions
    scratch: TrainingOptions
    """Options of the scratch arms: same steps and batches, but their own learning rates, tuned on dev."""
    rows: RowOptions
    repeat: tuple[int, ...]
    """How often the train part of each corpus comes in an epoch, unless a recipe says otherwise; empty: once."""
    recipes: tuple[RecipeSpec, ...]
    """Without any in the file: one, DEFAULT."""
    drop_test_texts: bool
    """Take train utterances whose text is in test out of train, and list them; without it such a text is an error."""
    source: Mapping[str, Any]
    """The file as read, for the record."""

    def recipe(self, name: str) -> RecipeSpec:
        """The recipe of this name; SCRATCH names the arms without a donor that no recipe is for."""
        plain = RecipeSpec(SCRATCH, self.training, self.scratch, self.rows, (SCRATCH,), repeat=self.repeat)
        return next((r for r in self.recipes if r.name == name), plain)
