"""Holds a folder to the spec it was begun with: arms of other settings or data must not stand beside each other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import fingerprint, read_manifest
from vizinho.errors import SpecError
from vizinho.experiment.spec import FORMAT, ExperimentSpec
from vizinho.files import write_json
from vizinho.training.options import TrainingOptions

FILE = "settings.json"
_OPTION = re.compile(r"(?:^|: )(?:training|scratch)\.(.+)$")


def hold_to_settings(spec: ExperimentSpec, folder: Path) -> None:
    """Record the settings on the first call; later ones may add donors, starts, seeds and minutes, and change nothing.

    Raises SpecError naming what differs.
    """
    settings = _flat(json.loads(json.dumps(_settings(spec))))
    path = folder / FILE
    before = _flat(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}
    if before and before.get("format", 1) != FORMAT:
        raise SpecError(
            f"the folder was begun by a version that writes arms of format {before.get('format', 1)}, not {FORMAT}",
            where=folder,
            fix="give another --out, or --fresh to throw its arms away",
        )
    before = _added_since(before, settings) | before
    changed = sorted(key for key in before.keys() & settings.keys() if before[key] != settings[key])
    if changed:
        raise SpecError(
            f"the folder was begun with other settings: {'; '.join(_change(before, settings, k) for k in changed)}",
            where=folder,
            fix="give another --out, or --fresh to throw its arms away",
        )
    write_json(path, {"format": FORMAT, **before, **settings})


def _flat(values: Mapping[str, Any], of: str = "") -> dict[str, Any]:
    """Tables inside tables as names with dots: an option that a later version adds is then a name of its own."""
    made: dict[str, Any] = {}
    for key, value in values.items():
        made |= _flat(value, f"{of}{key}.") if isinstance(value, Mapping) and value else {f"{of}{key}": value}
    return made


def _added_since(before: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Training options that the folder does not know, where it knows others of the same table: they had the default."""
    defaults = _flat(json.loads(json.dumps(asdict(TrainingOptions()))))
    added = {}
    for key in settings.keys() - before.keys():
        found = _OPTION.search(key)
        if found and any(known.startswith(key[: found.start(1)]) for known in before):
            added[key] = defaults.get(found[1])
    return added


def _settings(spec: ExperimentSpec) -> dict[str, Any]:
    """Everything that changes what an arm is, by name."""
    made: dict[str, Any] = {"target": spec.target, "preset": spec.preset, "corpora": _data(spec.corpora)}
    made |= {f"training.{key}": value for key, value in asdict(spec.training).items()}
    made |= {f"scratch.{key}": value for key, value in asdict(spec.scratch).items()}
    made |= {f"rows.{key}": value for key, value in asdict(spec.rows).items()}
    made["repeat"] = list(spec.repeat)
    for recipe in spec.recipes:
        for kind in ("training", "scratch", "rows"):
            made |= {f"recipe {recipe.name}: {kind}.{k}": v for k, v in asdict(getattr(recipe, kind)).items()}
        made[f"recipe {recipe.name}: repeat"] = list(recipe.repeat)
        made[f"recipe {recipe.name}: beside"] = _data(recipe.beside)
    for donor in spec.donors:
        made |= {f"donor {donor.name}: {key}": value for key, value in asdict(donor).items() if key != "corpora"}
        made[f"donor {donor.name}: corpora"] = _data(donor.corpora)
    for control in spec.controls:
        made |= {f"control {control.name}: {key}": getattr(control, key) for key in ("of", "kind")}
        made[f"control {control.name}: corpora"] = _data(control.corpora)
    return made


def _data(paths: tuple[Path, ...]) -> list[str]:
    return [fingerprint(read_manifest(path)) for path in paths]


def _change(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> str:
    return f"{key} was {before[key]}, is {after[key]}"
