"""Checkpoints of a run in progress: written whole or not at all, read back to the exact state.

A checkpoint is a folder step-NNNNNNNN:

    model.safetensors    weights as they are after that step
    extra-NAME.safetensors   further weights: "best" on dev so far, "sums" of those to be averaged
    optimizer.pt         the optimiser's state
    state.json           format, step, values (curve, counters), SHA-256 of the other files, and of itself
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vizinho.errors import ModelError, first_line
from vizinho.files import move_folder, sha256
from vizinho.training.options import LoopOptions, differing

CHECKPOINTS_ON_DISK = 2
"""The newest checkpoint, and the one before it in case the newest is damaged."""
HEADER = "state.json"
FORMAT = 2
"""Version 0.x wrote checkpoints without a format, in three kinds; they cannot be resumed."""


def run_folder(out: Path, options: LoopOptions, parts: Iterable[str], *, fresh: bool) -> Path:
    """The folder for the checkpoints of a run whose outcome will be `out`; `fresh` removes what is there.

    It is named by a digest of the options and the `parts` (texts, weights) that decide the outcome, so that no run
    continues from another's checkpoints. Options at their default are left out: one that a later version adds must not
    make this another run.
    """
    digest = hashlib.sha256(json.dumps(differing(asdict(options), asdict(type(options)())), sort_keys=True).encode())
    for part in parts:
        digest.update(part.encode() + b"\n")
    folder = out.with_name(f".{out.name}.run-{digest.hexdigest()[:12]}")
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    return folder


class OldCheckpointError(ModelError):
    """A checkpoint that version 0.x wrote."""


@dataclass(frozen=True, slots=True)
class RunState:
    """All that a run needs to go on: tensors by name, the optimiser and plain values."""

    step: int
    model: Mapping[str, torch.Tensor]
    extra: Mapping[str, Mapping[str, torch.Tensor]]
    """Named groups of further weights: "best" and "sums"."""
    optimizer: Mapping[str, Any]
    values: Mapping[str, Any]
    """JSON values: curve, counters."""


def save_state(run: Path, state: RunState) -> None:
    """Write a checkpoint under `run`; a kill at any moment leaves the ones before it whole.

    Raises ModelError when it cannot be written, as on a full disk; nothing is left of it then.
    """
    target, scratch = run / f"step-{state.step:08d}", run / f"writing-{state.step:08d}"
    try:
        _sweep(run)  # before the room is needed
        scratch.mkdir(parents=True)
        _write(scratch, state)
        _drop(target)
        move_folder(scratch, target)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch and safetensors have errors of their own
        shutil.rmtree(scratch, ignore_errors=True)
        raise ModelError(
            f"the checkpoint of step {state.step} cannot be written ({_reason(error)})",
            where=run,
            fix="make room there and run the same command again: it goes on from the checkpoint before",
        ) from error
    # Names have eight digits, so their order is that of the steps.
    whole = sorted(run.glob("step-*"))
    newest = whole.index(target)
    # Later ones were found damaged, or this run would have gone on from them.
    for old in whole[: max(0, newest + 1 - CHECKPOINTS_ON_DISK)] + whole[newest + 1 :]:
        _drop(old)


def _write(folder: Path, state: RunState) -> None:
    save_file(_flat(state.model), folder / "model.safetensors")
    for name, group in state.extra.items():
        save_file(_flat(group), folder / f"extra-{name}.safetensors")
    torch.save(state.optimizer, folder / "optimizer.pt")
    # The header comes last and has the hash of every other file: with it a checkpoint is whole or known not to be.
    digests = {file.name: sha256(file) for file in sorted(folder.iterdir())}
    header = {"format": FORMAT, "step": state.step, "values": state.values, "sha256": digests}
    (folder / HEADER).write_text(json.dumps(header | {"check": _check(header)}))


def _check(header: Mapping[str, Any]) -> str:
    """Digest of the header itself, where a changed digit would go unnoticed and change the run."""
    return hashlib.sha256(json.dumps(header).encode()).hexdigest()


def _drop(folder: Path) -> None:
    """Remove a checkpoint. It is renamed first, so that a kill in between leaves no half of one under its name."""
    if folder.exists():
        gone = folder.with_name(f"dropped-{folder.name}")
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _sweep(run: Path) -> None:
    """Remove what a kill left of checkpoints that were being written or dropped."""
    for pattern in ("writing-*", "dropped-*"):
        for left in run.glob(pattern):
            shutil.rmtree(left, ignore_errors=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return first_line(error)


def load_state(run: Path) -> tuple[RunState | None, list[str]]:
    """The newest whole checkpoint under `run`, or None; and a line for each damaged one that was passed over.

    Raises ModelError for a checkpoint of version 0.x.
    """
    passed_over: list[str] = []
    for folder in sorted(run.glob("step-*"), reverse=True):
        try:
            return _read(folder), passed_over
        except OldCheckpointError:
            raise
        except Exception as error:  # damaged bytes make every reader raise errors of its own
            passed_over.append(f"{folder.name} is damaged ({_reason(error)}); going back to the one before")
    return None, passed_over


def restore(run: Path, model: Any, optimizer: Any, log: Callable[[str], None]) -> RunState | None:
    """Put model and optimiser back to the newest whole checkpoint; None where there is none.

    Raises ModelError for checkpoints of version 0.x, and when all checkpoints are damaged: the user, who pays for the
    steps, decides whether to repeat them.
    """
    saved, damaged = load_state(run)
    if saved is None:
        if damaged:
            raise ModelError(
                f"all checkpoints are damaged: {'; '.join(line.partition(';')[0] for line in damaged)}",
                where=run,
                fix="start over with --fresh, or remove the folder",
            )
        return None
    for line in damaged:
        log(line)
    model.load_state_dict(dict(saved.model))
    optimizer.load_state_dict(saved.optimizer)
    log(f"going on from step {saved.step}")
    return saved


def _read(folder: Path) -> RunState:
    header = json.loads((folder / HEADER).read_text())
    check = header.pop("check", None)
    if set(header) == {"step", "values", "sha256"} and check in (None, _check(header)):
        raise OldCheckpointError(
            "this run was begun by an older version of vizinho, which wrote other checkpoints",
            where=folder.parent,
            fix="start over with --fresh, or go on with that version",
        )
    if check != _check(header) or set(header) != {"format", "step", "values", "sha256"} or header["format"] != FORMAT:
        raise ModelError("its content changed", where=HEADER)
    for name, digest in header["sha256"].items():
        if sha256(folder / name) != digest:
            raise ModelError("its content changed", where=name)
    # weights_only: a checkpoint is data and must not be able to run code.
    optimizer = torch.load(folder / "optimizer.pt", weights_only=True)
    extra = {
        name.removeprefix("extra-").removesuffix(".safetensors"): load_file(folder / name)
        for name in header["sha256"]
        if name.startswith("extra-")
    }
    return RunState(header["step"], load_file(folder / "model.safetensors"), extra, optimizer, header["values"])


def _flat(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    # safetensors writes neither views nor tensors that share memory, as tied embeddings do.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
