"""Transfers that were measured: of the results of experiments, and those that the package carries.

What the package carries is written by examples/atlas/matrix.py (docs/atlas.md): who helped whom, and how near the two
languages are by every measure of the comparison.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from vizinho.errors import SpecError
from vizinho.files import write_text
from vizinho.text.language import Language

ATLAS = "atlas"
"""Source of the transfers that the package carries."""
UNTRAINED = "untrained"
"""Recipe of a donor as the transfer plan starts it."""
_FILE = resources.files("vizinho.languages") / "transfers.json"


@dataclass(frozen=True, slots=True)
class Measured:
    """One transfer of an experiment against scratch with as much speech and as many steps, all seeds together."""

    target: str
    donor: str
    minutes: float
    benefit: float
    """1 - CER(donor) / CER(scratch) on test."""
    source: str
    interval: tuple[float, float] | None = None
    """95 %, over the test's utterances or speakers."""
    p: float | None = None
    """Of no difference from scratch, after Holm's correction over the experiment."""
    cer: float | None = None
    scratch_cer: float | None = None
    untrained_cer: float | None = None
    """Of the donor as it is, by the transfer plan."""
    seeds: int = 1
    nearness: Mapping[str, float] = field(default_factory=dict)
    """By "level/measure"; a gap is absent. Empty for the results of an experiment."""

    @property
    def helps(self) -> bool:
        """Whether the donor is shown to be better than scratch."""
        return self.p is not None and self.p < 0.05 and self.benefit > 0


def read_measured(path: Path) -> list[Measured]:
    """Transfers of a results.json, every donor at every amount of speech. Raises SpecError for another kind of file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return list(_transfers(values, str(path)))
    except OSError as error:
        fix = "give the results.json of an experiment"
        raise SpecError(f"cannot be read ({error.strerror})", where=path, fix=fix) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpecError("not a results.json", where=path, fix="give what `vizinho experiment` wrote") from error


def _transfers(values: Mapping[str, Any], source: str) -> Iterator[Measured]:
    """One of each donor, kind of recipe and amount of speech that scratch was given too."""
    # A start that was trained before has its language among the budgets only.
    languages = {row["start"]: row["language"] for row in values.get("budgets", ())}
    languages |= {row["name"]: row["language"] for row in values["donors"]}
    pooled = [row for row in values["pooled"] if row["donor"] is None or row.get("kind", "donor") == "donor"]
    scratch = {row["minutes"]: row for row in pooled if row["donor"] is None}
    untrained = {(row["start"], row["minutes"]): row["cer"] for row in pooled if row.get("recipe") == UNTRAINED}
    for row in pooled:
        beside = scratch.get(row["minutes"])
        if row["donor"] is None or row.get("recipe") == UNTRAINED or beside is None:
            continue
        against = _against(values.get("comparisons", ()), row.get("line"), beside.get("line"), row["minutes"])
        yield Measured(
            target=values["target"],
            donor=Language.of(languages.get(row["start"], row["start"])).code,
            minutes=row["minutes"],
            benefit=1 - row["cer"] / beside["cer"],
            source=source,
            interval=against[0],
            p=against[1],
            cer=row["cer"],
            scratch_cer=beside["cer"],
            untrained_cer=untrained.get((row["start"], row["minutes"])),
            seeds=row.get("seeds", 1),
        )


def _against(
    comparisons: Sequence[Mapping[str, Any]], line: str | None, scratch: str | None, minutes: float
) -> tuple[tuple[float, float] | None, float | None]:
    """Interval of the benefit and p, from the comparison of a line with scratch."""
    for row in comparisons:
        if (row["a"], row["b"], row["metric"], row["minutes"]) == (line, scratch, "cer", minutes):
            ends = row["relative_ci"]
            return (None if ends is None else (-ends[1], -ends[0])), row["p_holm"]
    return None, None


@cache
def atlas() -> tuple[Measured, ...]:
    """The transfers that the package carries."""
    rows = json.loads(_FILE.read_text(encoding="utf-8"))["transfers"]
    ends = [row["interval"] and tuple(row["interval"]) for row in rows]
    return tuple(Measured(**row | {"interval": pair, "source": ATLAS}) for row, pair in zip(rows, ends, strict=True))


def write_atlas(transfers: Sequence[Measured], path: Path) -> None:
    """Write what `atlas` reads: a transfer a line, figures to three digits."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 3)
        if isinstance(value, Mapping):
            return {key: short(item) for key, item in value.items()}
        return [short(item) for item in value] if isinstance(value, (list, tuple)) else value

    rows = [{key: short(value) for key, value in asdict(t).items() if key != "source"} for t in transfers]
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows)
    write_text(path, f'{{"format": 1, "transfers": [\n{lines}\n]}}\n')
