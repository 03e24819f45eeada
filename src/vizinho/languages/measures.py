"""What a comparison of two languages yields: numbers with their floor and ceiling, evidence, and gaps named as gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from vizinho.errors import VizinhoError
from vizinho.text.language import Language

Learnt = TypeVar("Learnt")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a measure is, the same for every target and donor."""

    level: str
    """"sounds", "vocabulary", "spelling", "syntax", "vectors", "acoustics" or "map"."""
    name: str
    """Short key: "exact_share"."""
    title: str
    """What a person reads: "words spelt alike among the 5,000 most frequent"."""
    nearer: Literal["higher", "lower"]
    """Whether near languages have a higher or a lower value."""
    symmetric: bool = False
    """Whether exchanging target and donor gives the same value."""
    unit: str = ""
    """"share", "bits", "nats", "km"; empty for a plain ratio."""
    source: str = ""
    """Paper, tool or data set that the method or the fact comes from."""

    def measure(
        self,
        value: float,
        *,
        floor: float,
        ceiling: tuple[float, str],
        sample: tuple[int, str],
        interval: tuple[float, float] | None = None,
        source: str = "",
    ) -> Measure:
        """A measure of this kind; `ceiling` and `sample` say what their numbers are of, `source` replaces its own."""
        kind = {f.name: getattr(self, f.name) for f in fields(self)} | ({"source": source} if source else {})
        n, n_of = sample
        return Measure(
            **kind,
            value=value,
            n=n,
            n_of=n_of,
            floor=floor,
            ceiling=ceiling[0],
            ceiling_of=ceiling[1],
            interval=interval,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Kind):
    """One number about a target and a donor language."""

    value: float
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

    def shown(self, value: float) -> str:
        """A value of this measure as a person reads it, with three digits: "0.144", "1,730 km"."""
        return f"{float(f'{value:.3g}'):,.0f} km" if self.unit == "km" else f"{value:.3g}"

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

    @classmethod
    def of(cls, level: str, error: VizinhoError, name: str = "*") -> Gap:
        """The gap that an error leaves; files are named without their folder."""
        where = f"{Path(error.where).name}: " if error.where else ""
        return cls(level, name, where + error.what, error.fix)

    @classmethod
    def skipped(cls, level: str, what: str, of: str, lines: Sequence[str], fix: str) -> tuple[Gap, ...]:
        """One gap that counts what was left out and names the first five; none where nothing was."""
        if not lines:
            return ()
        more = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
        reason = f"{len(lines)} {what} of {of} were left out: {'; '.join(lines[:5])}{more}"
        return (cls(level, f"skipped_{what}", reason, fix),)


@dataclass(frozen=True, slots=True)
class LevelResult:
    """Everything one level says about a target and a donor."""

    level: str
    measures: tuple[Measure, ...] = ()
    gaps: tuple[Gap, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """What a person can look at, by name: tables, examples and trees as plain JSON values."""

    def as_json(self) -> dict[str, Any]:
        """Plain values; each measure with its nearness."""
        return {
            "level": self.level,
            "measures": [asdict(m) | {"nearness": m.nearness} for m in self.measures],
            "gaps": [asdict(g) for g in self.gaps],
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> LevelResult:
        """The inverse of `as_json`."""
        measures = []
        for row in values["measures"]:
            interval = None if row["interval"] is None else tuple(row["interval"])
            stored = {key: value for key, value in row.items() if key != "nearness"}
            measures.append(Measure(**stored | {"interval": interval}))
        return cls(values["level"], tuple(measures), tuple(Gap(**row) for row in values["gaps"]), values["evidence"])


def by_donor(
    level: str,
    donors: Sequence[Language],
    learn: Callable[[], Learnt],
    compare: Callable[[Learnt, Language], LevelResult],
) -> Iterator[LevelResult]:
    """Results of a level for each donor in turn; an error becomes the gap of the donor that it concerns.

    `learn` is called once for what all donors share, such as the target's own data; its error is a gap of every donor.
    """
    try:
        learnt = learn()
    except VizinhoError as error:
        yield from (LevelResult(level, gaps=(Gap.of(level, error),)) for _ in donors)
        return
    for donor in donors:
        try:
            yield compare(learnt, donor)
        except VizinhoError as error:
            yield LevelResult(level, gaps=(Gap.of(level, error),))
