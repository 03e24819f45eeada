"""What is checked before a file or a network's settings are trusted: how large each would become in memory."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import safe_open

from vizinho.errors import ModelError

_CONFIG = "config.json"
_MOST_PARTS = 10_000
"""More blocks, heads or kernels than any network has; a network whose settings say more is never built."""
_EXTRA = 2**24
"""Numbers that a network may have besides its file's: a fresh output layer, tables of positions."""


def check_stored(file: IO[bytes], where: object) -> None:
    """Raises ModelError for a file of pickled tensors that unpacks to more bytes than it has.

    `torch.save` writes a zip of uncompressed parts; compressed or overlapping ones could hold any number of bytes.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not zipfile.is_zipfile(file):
        return  # torch's form before 2020, or nothing that it can read
    with zipfile.ZipFile(file) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
    if unpacked > size:
        raise ModelError(
            f"a file of {size} bytes that unpacks to {unpacked}", where=where, fix="save it with torch.save"
        )


def check_size(folder: Path, kind: Any, config: Any) -> None:
    """Raises ModelError where a network by `config` would be far larger than the weights in `folder`.

    `kind` is the network's class or an AutoModel. A few numbers in config.json can describe a network that no memory
    holds, and the library would fill in the missing weights before it names them. So only its shapes are made first.
    """
    for name, value in _counts(config.to_dict()):
        if value > _MOST_PARTS:
            raise ModelError(f"{name} is {value}", where=_CONFIG, fix="restore the model's own config.json")
    # On the meta device tensors have shapes but no memory.
    with torch.device("meta"):
        network = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    described = sum(tensor.numel() for tensor in chain(network.parameters(), network.buffers()))
    stored = sum(map(_numbers, list(folder.glob("*.safetensors")) or list(folder.glob("*.bin"))))
    if described > stored + _EXTRA:
        raise ModelError(
            f"it describes a network of {described} numbers, the weights are {stored}",
            where=_CONFIG,
            fix="the weights belong to another configuration; copy the folder again",
        )


def _counts(settings: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Settings that say how many of something there are, also in nested settings of a network's parts."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _counts(value)
        elif isinstance(value, int) and (name.startswith("num_") or name.endswith("_layers")):
            yield name, value


def _numbers(file: Path) -> int:
    """How many numbers a file of weights has; for pickled files an upper bound (two bytes each)."""
    if file.suffix == ".bin":
        return file.stat().st_size // 2
    with safe_open(file, "pt") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
