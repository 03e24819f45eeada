"""Reads an experiment's TOML file into frozen values; unknown keys and impossible values are errors."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vizinho.errors import SpecError
from vizinho.experiment.check_spec import check_spec, check_stage
from vizinho.experiment.spec import (
    DEFAULT,
    INTERPOLATION,
    SCRATCH,
    SYNTHETIC,
    ControlSpec,
    DonorSpec,
    ExperimentSpec,
    RecipeSpec,
    SyntheticSpec,
)
from vizinho.text.language import Language
from vizinho.training.options import TrainingOptions, from_dict
from vizinho.transfer.tokens import RowOptions

_KNOWN = {
    *("name", "target", "corpora", "repeat", "starts", "minutes", "scratch_minutes", "seeds", "preset"),
    *("training", "scratch", "rows", "recipes", "donors", "synthetic", "controls", "drop_test_texts", "interpolation"),
}
_DEFAULTS = {"VIZINHO_SHARED": "../shared"}
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def read_spec(path: Path) -> ExperimentSpec:
    """Parse and check a spec. Paths are relative to the working directory; $VIZINHO_SHARED is filled in."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError("no such experiment file", where=path, fix="check the path") from error
    except OSError as error:
        raise SpecError(f"cannot be read ({error.strerror})", where=path, fix="give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"not valid TOML ({error})", where=path, fix="mend the line it names") from error
    unknown = sorted(raw.keys() - _KNOWN)
    if unknown:
        raise SpecError(f"unknown key {', '.join(unknown)}", where=path, fix=f"known keys: {', '.join(sorted(_KNOWN))}")
    lacking = sorted({"name", "target", "corpora", "starts", "seeds"} - raw.keys())
    if lacking:
        raise SpecError(f"the key {', '.join(lacking)} is missing", where=path, fix="add it")
    try:
        return _build(path, raw)
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError) as error:
        raise SpecError(
            f"a value is of the wrong kind ({error})", where=path, fix="see docs/experiments.md for the keys"
        ) from error


def _build(path: Path, raw: Mapping[str, Any]) -> ExperimentSpec:
    training = dict(raw.get("training", {}))
    scratch = dict(raw.get("scratch", {}))
    spec = ExperimentSpec(
        name=str(raw["name"]),
        target=_language(raw["target"], f"{path}: target"),
        corpora=_paths(raw["corpora"], path),
        starts=tuple(raw["starts"]),
        donors=(*(_donor(path, entry) for entry in raw.get("donors", [])), *_stages(path, raw)),
        controls=tuple(_control(path, entry) for entry in raw.get("controls", [])),
        minutes=tuple(map(float, raw.get("minutes", ()))),
        scratch_minutes=tuple(map(float, raw.get("scratch_minutes", ()))),
        seeds=tuple(raw["seeds"]),
        preset=str(raw.get("preset", "tiny")),
        training=from_dict(TrainingOptions, training, where=f"{path}: training"),
        scratch=from_dict(TrainingOptions, _over(training, scratch), where=f"{path}: scratch"),
        rows=from_dict(RowOptions, raw.get("rows", {}), where=f"{path}: rows"),
        repeat=tuple(map(int, raw.get("repeat", ()))),
        recipes=tuple(_recipe(path, raw, entry) for entry in raw.get("recipes", [{"name": DEFAULT}])),
        drop_test_texts=bool(raw.get("drop_test_texts", False)),
        interpolation=tuple(map(float, raw.get("interpolation", INTERPOLATION))),
        source=raw,
    )
    check_spec(path, spec)
    return spec


def _recipe(path: Path, raw: Mapping[str, Any], entry: Mapping[str, Any]) -> RecipeSpec:
    """A recipe's tables lie over the file's own: only what differs needs to be said."""
    made = dict(entry)
    where = f"{path}: recipe {made.get('name', '?')}"
    training = dict(raw.get("training", {}))
    own = dict(made.get("training", {}))
    made["training"] = from_dict(TrainingOptions, _over(training, own), where=f"{where}.training")
    made["scratch"] = from_dict(
        TrainingOptions, _over(_over(training, raw.get("scratch", {})), own), where=f"{where}.training"
    )
    made["rows"] = from_dict(RowOptions, _over(raw.get("rows", {}), made.get("rows", {})), where=f"{where}.rows")
    if "name" not in made:
        raise SpecError("a recipe has no name", where=path, fix='add name = "..."')
    made["beside"] = _paths(made["beside"], path) if made.get("beside") else ()
    if raw.get("repeat"):
        made.setdefault("repeat", [*raw["repeat"], *[1] * len(made["beside"])])
    return from_dict(RecipeSpec, made, where=where)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one; the upper wins, and tables inside are laid over each other too."""
    made = dict(below)
    for key, value in above.items():
        under = made.get(key)
        made[key] = _over(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return made


def _donor(path: Path, entry: Mapping[str, Any]) -> DonorSpec:
    made = dict(entry)
    lacking = sorted({"name", "language"} - made.keys())
    if lacking:
        raise SpecError(f"the key {', '.join(lacking)} of a donor is missing", where=path, fix="add it")
    made["language"] = _language(made["language"], f"{path}: donors.language")
    made["corpora"] = _paths(made.get("corpora", []), path)
    made["training"] = from_dict(TrainingOptions, made.get("training", {}), where=f"{path}: donors.training")
    return from_dict(DonorSpec, made, where=f"{path}: donors")


def _stages(path: Path, raw: Mapping[str, Any]) -> list[DonorSpec]:
    """A donor for every start that goes through synthetic target speech; it starts from what the name says."""
    names = [s for s in raw["starts"] if s.endswith(SYNTHETIC)]
    if not names and "synthetic" not in raw:
        return []
    if not names or "synthetic" not in raw:
        raise SpecError(
            "[synthetic] and starts that end in +synthetic belong together",
            where=path,
            fix=f'give [synthetic] corpora = [...], and starts = [..., "scratch{SYNTHETIC}", "es{SYNTHETIC}"]',
        )
    made = dict(raw["synthetic"])
    training, scratch = dict(made.get("training", {})), dict(made.get("scratch", {}))
    where = f"{path}: synthetic"
    made["corpora"] = _paths(made.get("corpora", []), path)
    made["training"] = from_dict(TrainingOptions, training, where=f"{where}.training")
    made["scratch"] = from_dict(TrainingOptions, _over(training, scratch), where=f"{where}.scratch")
    stage = from_dict(SyntheticSpec, made, where=where)
    check_stage(path, stage)
    return [_stage(name, _language(raw["target"], f"{path}: target"), stage) for name in names]


def _stage(name: str, target: str, stage: SyntheticSpec) -> DonorSpec:
    base = name.removesuffix(SYNTHETIC)
    fresh = base == SCRATCH
    return DonorSpec(
        name,
        target,
        stage.corpora,
        "" if fresh else base,
        stage.minutes,
        training=stage.scratch if fresh else stage.training,
        seed=stage.seed,
    )


def _control(path: Path, entry: Mapping[str, Any]) -> ControlSpec:
    made = dict(entry)
    where = f"{path}: controls"
    lacking = sorted({"name", "of", "kind"} - made.keys())
    if lacking:
        raise SpecError(f"the key {', '.join(lacking)} is missing", where=where, fix="add it")
    made["corpora"] = _paths(made["corpora"], path) if made.get("corpora") else ()
    return from_dict(ControlSpec, made, where=where)


def _language(value: Any, where: str) -> str:
    return Language.parse(str(value), where=where, error=SpecError).tag


def _paths(values: list[str], path: Path) -> tuple[Path, ...]:
    if not values:
        raise SpecError("no corpora", where=path, fix='give corpora = ["pt.jsonl"]')
    return tuple(Path(_VARIABLE.sub(lambda m: _variable(m.group(1), path), value)) for value in values)


def _variable(name: str, path: Path) -> str:
    value = os.environ.get(name, _DEFAULTS.get(name))
    if value is None:
        raise SpecError(f"${name} is not set", where=path, fix=f"export {name}=...")
    return value
