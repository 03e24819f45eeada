"""Lines of an experiment: the seeds of one start, recipe and amount of target speech, seen as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vizinho.evaluation.significance import pool
from vizinho.experiment.spec import DEFAULT, SCRATCH
from vizinho.records import UtteranceErrors

Result = dict[str, Any]
"""An arm as it stands in results.json."""


@dataclass(frozen=True, slots=True)
class Line:
    """Arms that differ by seed alone; at least one."""

    name: str
    """The start, and the recipe where the file names recipes."""
    arms: tuple[Result, ...]

    @property
    def start(self) -> str:
        """Name of the start."""
        return str(self.arms[0]["start"])

    @property
    def recipe(self) -> str:
        """Name of the recipe."""
        return str(self.arms[0]["recipe"])

    @property
    def kind(self) -> str:
        """ "scratch", "donor", "synthetic" or the kind of a control."""
        return str(self.arms[0]["kind"])

    @property
    def origin(self) -> str:
        """The donor a control or a synthetic stage was made from."""
        return str(self.arms[0]["origin"])

    @property
    def matched(self) -> bool:
        """Whether the donor had the same budget as the others."""
        return bool(self.arms[0]["matched"])

    @property
    def minutes(self) -> float:
        """Target speech heard, as the first seed's arm counted it."""
        return float(self.arms[0]["minutes"])

    @property
    def is_main(self) -> bool:
        """Whether a summary names it: a donor or a synthetic stage, not a control."""
        return self.kind in ("donor", "synthetic")

    @property
    def is_scratch(self) -> bool:
        """Whether this is what everything is measured against: scratch by its own recipe."""
        return self.start == SCRATCH and self.recipe == SCRATCH

    def errors(self) -> list[UtteranceErrors]:
        """Test errors of all seeds, added up per utterance."""
        return pool([errors_of(arm) for arm in self.arms])


def errors_of(arm: Result) -> list[UtteranceErrors]:
    """Test errors of one arm."""
    return [UtteranceErrors(**row) for row in arm["test"]["per_utterance"]]


def amount_of(arm: Result) -> float:
    """Minutes asked for; 0 stands for all there is."""
    return float(arm["minutes_asked"] or 0.0)


def lines_of(arms: Sequence[Result]) -> list[Line]:
    """Lines by amount of speech, and in the order of the arms within an amount."""
    groups: dict[tuple[float, str], list[Result]] = {}
    for arm in arms:
        groups.setdefault((amount_of(arm), _name(arm)), []).append(arm)
    ordered = sorted(groups.items(), key=lambda item: item[0][0])
    return [Line(name, tuple(group)) for (_, name), group in ordered]


def _name(arm: Result) -> str:
    recipe = arm["recipe"]
    return str(arm["start"]) if recipe in (DEFAULT, SCRATCH) else f"{arm['start']}, {recipe}"
