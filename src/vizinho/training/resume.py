"""Checkpoints of a run in progress: written whole or not at all, read back to the exact state."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from vizinho.errors import ModelError
from vizinho.files import sha256

KEPT = 2
"""Checkpoints kept: the newest, and one before it should the newest be damaged."""


@dataclass(frozen=True, slots=True)
class RunState:
    """All that a run needs to go on: tensors by name, the optimiser, random state and plain values."""

    step: int
    model: Mapping[str, torch.Tensor]
    extra: Mapping[str, Mapping[str, torch.Tensor]]
    """Named groups of further weights: "best" and "average"."""
    optimizer: Mapping[str, Any]
    random: torch.Tensor
    values: Mapping[str, Any]
    """JSON values: curve, counters."""


def save_state(run: Path, state: RunState) -> None:
    """Write a checkpoint under `run`; a kill at any moment leaves the ones before it whole."""
    target, scratch = run / f"step-{state.step:08d}", run / f"writing-{state.step:08d}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    save_file(_flat(state.model), scratch / "model.safetensors")
    for name, group in state.extra.items():
        save_file(_flat(group), scratch / f"extra-{name}.safetensors")
    torch.save({"optimizer": state.optimizer, "random": state.random}, scratch / "optimizer.pt")
    digests = {file.name: sha256(file) for file in sorted(scratch.iterdir())}
    (scratch / "state.json").write_text(json.dumps({"step": state.step, "values": state.values, "sha256": digests}))
    for file in scratch.iterdir():
        _sync(file)
    shutil.rmtree(target, ignore_errors=True)
    scratch.replace(target)
    for old in sorted(run.glob("step-*"))[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def load_state(run: Path) -> tuple[RunState | None, list[str]]:
    """The newest whole checkpoint under `run`, or None; and a line for each damaged one that was passed over."""
    passed_over: list[str] = []
    for folder in sorted(run.glob("step-*"), reverse=True):
        try:
            return _read(folder), passed_over
        except (ModelError, OSError, ValueError, KeyError, RuntimeError) as error:
            passed_over.append(f"{folder.name} is damaged ({error}); going back to the one before")
    return None, passed_over


def restore(run: Path, model: Any, optimizer: Any, log: Callable[[str], None]) -> RunState | None:
    """Put model, optimiser and random state back to the newest whole checkpoint; None where there is none."""
    saved, damaged = load_state(run)
    for line in damaged:
        log(line)
    if saved is None:
        return None
    model.load_state_dict(dict(saved.model))
    optimizer.load_state_dict(saved.optimizer)
    torch.set_rng_state(saved.random)
    log(f"going on from step {saved.step}")
    return saved


def _read(folder: Path) -> RunState:
    header = json.loads((folder / "state.json").read_text())
    for name, digest in header["sha256"].items():
        if sha256(folder / name) != digest:
            raise ModelError("its content changed", where=name)
    # weights_only: a checkpoint is data and must not be able to run code.
    other = torch.load(folder / "optimizer.pt", weights_only=True)
    extra = {f.stem.removeprefix("extra-"): load_file(f) for f in sorted(folder.glob("extra-*.safetensors"))}
    return RunState(
        header["step"],
        load_file(folder / "model.safetensors"),
        extra,
        other["optimizer"],
        other["random"],
        header["values"],
    )


def _flat(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
