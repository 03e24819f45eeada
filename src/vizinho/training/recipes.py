"""The training options of each kind of run, and recipe files (TOML) that override them."""

from __future__ import annotations

import tomllib
from pathlib import Path

from vizinho.errors import SpecError
from vizinho.training.options import LayerPolicy, TrainingOptions, from_dict

RECIPES = {
    "train": TrainingOptions(steps=3600, learning_rate=1e-3),
    "transfer": TrainingOptions(steps=400, learning_rate=5e-4, layers=LayerPolicy(head_first_share=0.1)),
}
"""From scratch everything learns at once; after a transfer the head goes first. Slower rates for lower blocks, which
fine-tuning often has, were no better on dev (docs/recipe.md).

The rates are those that the case study chose on dev (examples/es_to_pt); other sizes and corpora deserve a choice of
their own."""


def default_recipe(kind: str) -> TrainingOptions:
    """Options of "train" or "transfer"."""
    return RECIPES[kind]


def read_recipe(path: Path) -> TrainingOptions:
    """Read a TOML file of TrainingOptions with tables [augment] and [layers]. Raises SpecError naming the fault."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError("no such recipe file", where=path, fix="check the path") from error
    except OSError as error:
        raise SpecError(f"cannot be read ({error.strerror})", where=path, fix="give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"not valid TOML ({error})", where=path, fix="mend the line it names") from error
    return from_dict(TrainingOptions, values, where=str(path))
