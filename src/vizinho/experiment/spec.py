"""Reads an experiment's TOML file into frozen values; unknown keys and impossible values are errors."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vizinho.errors import SpecError
from vizinho.training.options import TrainingOptions, from_dict
from vizinho.transfer.tokens import RowOptions

SCRATCH = "scratch"
"""The start that has no donor."""
_DEFAULTS = {"VIZINHO_SHARED": "../shared"}
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


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
class ExperimentSpec:
    """Arms are every start x minutes x seed; all have the same steps and the same seconds of audio a step."""

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
    """How often the train part of each corpus comes in an epoch; empty: once."""
    drop_test_texts: bool
    """Take train utterances whose text is in test out of train, and list them; without it such a text is an error."""
    source: Mapping[str, Any]
    """The file as read, for the record."""


def read_spec(path: Path) -> ExperimentSpec:
    """Parse and check a spec. Paths are relative to the working directory; $VIZINHO_SHARED is filled in."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError("no such experiment file", where=path, fix="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"not valid TOML ({error})", where=path, fix="mend the line it names") from error
    known = {
        "name",
        "target",
        "corpora",
        "starts",
        "minutes",
        "seeds",
        "preset",
        "training",
        "scratch",
        "rows",
        "donors",
        "drop_test_texts",
        "repeat",
    }
    unknown = sorted(raw.keys() - known)
    if unknown:
        raise SpecError(f"unknown key {', '.join(unknown)}", where=path, fix=f"known keys: {', '.join(sorted(known))}")
    lacking = sorted({"name", "target", "corpora", "starts", "seeds"} - raw.keys())
    if lacking:
        raise SpecError(f"the key {', '.join(lacking)} is missing", where=path, fix="add it")
    return _build(path, raw)


def _build(path: Path, raw: Mapping[str, Any]) -> ExperimentSpec:
    training = dict(raw.get("training", {}))
    donors = tuple(_donor(path, entry) for entry in raw.get("donors", []))
    spec = ExperimentSpec(
        name=str(raw["name"]),
        target=str(raw["target"]),
        corpora=_paths(raw["corpora"], path),
        starts=tuple(raw["starts"]),
        donors=donors,
        minutes=tuple(map(float, raw.get("minutes", ()))),
        seeds=tuple(raw["seeds"]),
        preset=str(raw.get("preset", "tiny")),
        training=from_dict(TrainingOptions, training, where=f"{path}: training"),
        scratch=from_dict(TrainingOptions, {**training, **raw.get("scratch", {})}, where=f"{path}: scratch"),
        rows=from_dict(RowOptions, raw.get("rows", {}), where=f"{path}: rows"),
        repeat=tuple(map(int, raw.get("repeat", ()))),
        drop_test_texts=bool(raw.get("drop_test_texts", False)),
        source=raw,
    )
    _check(path, spec)
    return spec


def _donor(path: Path, entry: Mapping[str, Any]) -> DonorSpec:
    made = dict(entry)
    made["corpora"] = _paths(made.get("corpora", []), path)
    made["training"] = from_dict(TrainingOptions, made.get("training", {}), where=f"{path}: donors.training")
    return from_dict(DonorSpec, made, where=f"{path}: donors")


def _paths(values: list[str], path: Path) -> tuple[Path, ...]:
    if not values:
        raise SpecError("no corpora", where=path, fix='give corpora = ["pt.jsonl"]')
    return tuple(Path(_VARIABLE.sub(lambda m: _variable(m.group(1), path), value)) for value in values)


def _variable(name: str, path: Path) -> str:
    value = os.environ.get(name, _DEFAULTS.get(name))
    if value is None:
        raise SpecError(f"${name} is not set", where=path, fix=f"export {name}=...")
    return value


def _check(path: Path, spec: ExperimentSpec) -> None:
    names = [d.name for d in spec.donors]
    if len(set(names)) != len(names) or SCRATCH in names:
        raise SpecError("donors need names of their own", where=path, fix=f"{SCRATCH!r} is the arm without a donor")
    if SCRATCH not in spec.starts:
        raise SpecError(
            "there is no scratch arm", where=path, fix=f'add "{SCRATCH}" to starts: without it nothing is shown'
        )
    if not spec.seeds:
        raise SpecError("there are no seeds", where=path, fix="give at least three, as seeds = [1, 2, 3]")
    if spec.repeat and (len(spec.repeat) != len(spec.corpora) or min(spec.repeat) < 1):
        raise SpecError("repeat does not fit the corpora", where=path, fix="give a number of 1 or more for each corpus")
    for name in ("steps", "batch_seconds"):
        if getattr(spec.training, name) != getattr(spec.scratch, name):
            raise SpecError(
                f"scratch has other {name} than the transfers", where=path, fix="arms must have equal budgets"
            )
    budgets = {(d.minutes, d.training.steps, d.training.batch_seconds) for d in spec.donors}
    if len(budgets) > 1:
        raise SpecError("the donors have unequal minutes, steps or batches", where=path, fix="make their budgets equal")
