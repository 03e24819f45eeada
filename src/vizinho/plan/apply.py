"""Carries out a transfer plan; every shape is checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vizinho.errors import PlanError
from vizinho.model.layers import layer_of
from vizinho.plan.plan import PlanRow, Shape, TransferPlan

Weights = Mapping[str, torch.Tensor]


def shapes_of(weights: Weights) -> dict[str, Shape]:
    """Shapes by name, as `build_plan` takes them."""
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def token_parameters(weights: Weights) -> list[str]:
    """Parameters of the output layer, whose first axis is V."""
    return [name for name in weights if layer_of(name) == "head"]


def apply_plan(plan: TransferPlan, donor: Weights, fresh: Weights) -> dict[str, torch.Tensor]:
    """The target's weights at the start of training.

    Args:
        plan: From `build_plan` or `plan_axes`.
        donor: The donor's parameters and buffers.
        fresh: A freshly initialised target's; gives the values of "fresh" rows.

    Raises PlanError when plan and weights do not fit together; then nothing has been changed.
    """
    _check_complete(plan, fresh)
    made = {name: tensor.detach().clone() for name, tensor in fresh.items()}
    for line in plan.rows:
        if line.target is not None and line.token is None and line.action != "fresh":
            _copy_whole(made, donor, line)
    for axis in plan.axes:
        donor_rows = {token: row for row, token in enumerate(axis.donor_tokens)}
        for ours, theirs in axis.parameters.items():
            if theirs is None:
                continue
            source = donor[theirs]
            for row, token in enumerate(axis.sources):
                if token.sources:
                    made[ours][row] = sum(
                        (share * source[donor_rows[name]] for name, share in token.sources), torch.zeros_like(source[0])
                    )
    return made


def _copy_whole(made: dict[str, torch.Tensor], donor: Weights, line: PlanRow) -> None:
    assert line.target is not None
    source = donor.get(line.source or "")
    if source is None or source.shape != made[line.target].shape:
        found = "missing" if source is None else tuple(source.shape)
        raise PlanError(
            f"the donor's tensor is {found}, the plan says {line.shape}", where=line.target, fix="plan again"
        )
    made[line.target] = source.detach().clone()


def _check_complete(plan: TransferPlan, fresh: Weights) -> None:
    rows_of = {name: len(axis.sources) for axis in plan.axes for name in axis.parameters}
    planned: dict[str, int] = {}
    for line in plan.rows:
        if line.target is not None:
            planned[line.target] = planned.get(line.target, 0) + 1
    for name, tensor in fresh.items():
        expected = tensor.shape[0] if name in rows_of else 1
        if planned.pop(name, 0) != expected:
            raise PlanError("the plan does not name it exactly once", where=name, fix="plan again")
    if planned:
        raise PlanError("the plan names a parameter that the target lacks", where=next(iter(planned)), fix="plan again")


def plant(model: Any, weights: Weights) -> None:
    """Load start weights into the target model; strict, so nothing can be left out."""
    model.load_state_dict(dict(weights), strict=True)
