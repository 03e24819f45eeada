"""What an experiment is made of, as frozen values: donors, recipes, and the whole spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vizinho.training.options import TrainingOptions
from vizinho.transfer.tokens import RowOptions

SCRATCH = "scratch"
"""The start that has no donor, and the recipe of its own that it has in every experiment."""
DEFAULT = "default"
"""The recipe of a file that names none."""
FORMAT = 2
"""Version of results.json and of the arms it is made of."""
SYNTHETIC = "+synthetic"
"""Ending of a start that goes through synthetic target speech before the real minutes."""
UPDATE = "same-language"
"""The control that goes on with the donor's own language: what training moves where there is no new language."""
CONTROLS = ("permuted-rows", "shuffled-encoder", "gaussian-encoder", UPDATE)
INTERPOLATION = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Places between the donor's weights (0) and the trained ones (1) at which both languages are tested."""


@dataclass(frozen=True, slots=True)
class DonorSpec:
    """A donor that the experiment trains itself, so that all donors have equal minutes and steps."""

    name: str
    """Name of the start, as in `starts`."""
    language: str
    corpora: tuple[Path, ...]
    base: str = ""
    """What the donor itself starts from: another donor of the file, or a model of the store ("es-demo"); empty trains
    it from scratch."""
    minutes: float | None = None
    matched: bool = True
    """False: its budget may differ from the other donors'; it is then reported apart and marked."""
    training: TrainingOptions = field(default_factory=TrainingOptions)
    seed: int = 1


@dataclass(frozen=True, slots=True)
class SyntheticSpec:
    """Synthetic target speech that the starts named "...+synthetic" are trained on before the real minutes."""

    corpora: tuple[Path, ...]
    minutes: float | None = None
    training: TrainingOptions = field(default_factory=TrainingOptions)
    """Of stages that start from a donor."""
    scratch: TrainingOptions = field(default_factory=TrainingOptions)
    """Of the stage that starts from scratch."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class ControlSpec:
    """A start made from a donor so that one explanation of its benefit is taken away; made anew for every seed."""

    name: str
    of: str
    """The donor."""
    kind: str
    """One of CONTROLS."""
    corpora: tuple[Path, ...] = ()
    """Of a same-language update; the donor's own if left out."""


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
    """Stages of synthetic speech among them. Starts that are not trained here are names in the model store."""
    controls: tuple[ControlSpec, ...]
    minutes: tuple[float, ...]
    scratch_minutes: tuple[float, ...]
    """More amounts for scratch alone: to find out how much of the target it needs to match the others."""
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
    """Take train utterances whose text is in test out of train, of donors too, and list them; without it such a text
    is an error."""
    interpolation: tuple[float, ...]
    """Places between start and end to test at; empty: none."""
    source: Mapping[str, Any]
    """The file as read, for the record."""

    def donor(self, start: str) -> DonorSpec | None:
        """The donor of this name that is trained here."""
        return next((d for d in self.donors if d.name == start), None)

    def control(self, start: str) -> ControlSpec | None:
        """The control of this name."""
        return next((c for c in self.controls if c.name == start), None)

    def kind(self, start: str) -> str:
        """ "scratch", "synthetic", "donor", or the kind of a control."""
        control = self.control(start)
        if control is not None:
            return control.kind
        return SCRATCH if start == SCRATCH else "synthetic" if start.endswith(SYNTHETIC) else "donor"

    def origin(self, start: str) -> str:
        """What a control or a synthetic stage was made from; the start itself for others."""
        control = self.control(start)
        return start.removesuffix(SYNTHETIC) if control is None else control.of

    def recipe(self, name: str) -> RecipeSpec:
        """The recipe of this name; SCRATCH names that of the file's own tables, for arms without a donor."""
        plain = RecipeSpec(SCRATCH, self.training, self.scratch, self.rows, (SCRATCH,), repeat=self.repeat)
        return next((r for r in self.recipes if r.name == name), plain)

    def recipes_for(self, start: str) -> list[str]:
        """Names of a start's recipes. Scratch has its own in every experiment, so that there is something to beat."""
        named = [r.name for r in self.recipes if (start in r.starts if r.starts else start != SCRATCH)]
        return [SCRATCH, *named] if start == SCRATCH else named
