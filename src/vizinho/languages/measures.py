"""What a comparison of two languages yields: numbers with their floor and ceiling, evidence, and gaps named as gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about a target and a donor language."""

    level: str
    """"sounds", "vocabulary", "spelling", "syntax", "vectors", "acoustics" or "map"."""
    name: str
    """Short key, the same for every pair: "exact_share"."""
    title: str
    """What a person reads: "words spelt alike among the 5,000 most frequent"."""
    value: float
    nearer: Literal["higher", "lower"]
    """Whether near languages have a higher or a lower value."""
    n: int
    """Size of the sample the value is computed from."""
    n_of: str
    """What was counted: "words", "sentences", "seconds"."""
    floor: float
    """The value that chance gives: the same computation on shuffled input."""
    ceiling: float
    """The value that the target reaches against itself: another variant of it, or two halves of its own sample."""
    ceiling_of: str
    """What the ceiling was computed from: "pt-pt", "halves of the sample", "the language itself"."""
    interval: tuple[float, float] | None = None
    """95 % bootstrap interval of the value; None only for facts that are not sampled."""
    symmetric: bool = False
    """Whether exchanging target and donor gives the same value."""
    unit: str = ""
    """"share", "bits", "nats", "km"; empty for a plain ratio."""
    source: str = ""
    """Paper, tool or data set that the method or the fact comes from."""

    @property
    def nearness(self) -> float:
        """Where the value lies between floor (0) and ceiling (1); outside that range when it is beyond them."""
        span = self.ceiling - self.floor
        return (self.value - self.floor) / span if span else 0.0


@dataclass(frozen=True, slots=True)
class Gap:
    """A measure that could not be computed: shown as a gap, never as a zero."""

    level: str
    name: str
    """Key of the measure; "*" where the whole level is missing."""
    reason: str
    """What is missing, naming it: "eSpeak NG has no voice for gl"."""
    fix: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class LevelResult:
    """Everything one level says about a target and a donor."""

    level: str
    measures: tuple[Measure, ...] = ()
    gaps: tuple[Gap, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What a person can look at, by name: tables, examples and trees as plain JSON values."""
