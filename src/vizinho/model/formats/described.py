"""What is looked at before a network is built from a folder's settings: how large it would be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from vizinho.errors import ModelError

CONFIG = "config.json"
MOST_PARTS = 10_000
"""More blocks, heads or kernels than any network has; one whose settings say more is never begun."""
_BESIDE = 2**24
"""Numbers that a network may have beside its file's: a fresh output layer, tables of positions."""


def check_size(folder: Path, kind: Any, config: Any) -> None:
    """Raises ModelError where a network by `config` would be far larger than the weights in `folder`.

    A few numbers in config.json can describe a network that no memory holds, whose lacking weights the library would
    fill in before it says which they are. So its shapes are made alone first.
    """
    for name, value in _counts(config.to_dict()):
        if value > MOST_PARTS:
            raise ModelError(f"{name} is {value}", where=CONFIG, fix="restore the model's own config.json")
    with torch.device("meta"):
        network = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    described = sum(tensor.numel() for tensor in chain(network.parameters(), network.buffers()))
    held = sum(map(_held, _weight_files(folder)))
    if described > held + _BESIDE:
        raise ModelError(
            f"it describes a network of {described} numbers, the weights are {held}",
            where=CONFIG,
            fix="the weights belong to another configuration; copy the folder again",
        )


def _counts(settings: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Settings that say how many of something there are, those of parts of the network included."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _counts(value)
        elif isinstance(value, int) and (name.startswith("num_") or name.endswith("_layers")):
            yield name, value


def _weight_files(folder: Path) -> list[Path]:
    return list(folder.glob("*.safetensors")) or list(folder.glob("*.bin"))


def _held(file: Path) -> int:
    """How many numbers a file of weights has; of pickled ones, how many it has at most (two bytes each)."""
    if file.suffix == ".bin":
        return file.stat().st_size // 2
    with safe_open(file, "pt") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
