"""Carries out a transfer plan; every shape is checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from vizinho.errors import PlanError
from vizinho.model.layers import layer_of
from vizinho.transfer.plan import PlanRow, Shape, TransferPlan

Weights = Mapping[str, torch.Tensor]


def shapes_of(weights: Weights) -> dict[str, Shape]:
    """Shapes by name, as `build_plan` takes them."""
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def token_parameters(weights: Weights) -> list[str]:
    """Parameters of the output layer, whose first axis is V."""
    return [name for name in weights if layer_of(name) == "head"]


def apply_plan(
    plan: TransferPlan,
    donor: Weights,
    fresh: Weights,
    *,
    target_tokens: Sequence[str],
    donor_tokens: Sequence[str],
) -> dict[str, torch.Tensor]:
    """The target's weights at the start of training.

    Args:
        plan: From `build_plan`.
        donor: The donor's parameters and buffers.
        fresh: A freshly initialised target's; gives the values of "fresh" rows.
        target_tokens, donor_tokens: Tokens in row order.

    Raises PlanError when plan and weights do not fit together; then nothing has been changed.
    """
    _check_complete(plan, fresh)
    theirs = dict(zip(token_parameters(fresh), token_parameters(donor), strict=False))
    made = {name: tensor.detach().clone() for name, tensor in fresh.items()}
    rows = {token: row for row, token in enumerate(target_tokens)}
    donor_rows = {token: row for row, token in enumerate(donor_tokens)}
    for line in plan.rows:
        if line.target is None or (line.action == "fresh" and line.token is None):
            continue
        if line.token is None:
            _copy_whole(made, donor, line)
        elif line.mix:
            source = donor[theirs[line.target]]
            made[line.target][rows[line.token]] = sum(
                (share * source[donor_rows[token]] for token, share in line.mix), torch.zeros_like(source[0])
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
    planned: dict[str, int] = {}
    for line in plan.rows:
        if line.target is not None:
            planned[line.target] = planned.get(line.target, 0) + 1
    for name, tensor in fresh.items():
        expected = tensor.shape[0] if name in token_parameters(fresh) else 1
        if planned.pop(name, 0) != expected:
            raise PlanError("the plan does not name it exactly once", where=name, fix="plan again")
    if planned:
        raise PlanError("the plan names a parameter that the target lacks", where=next(iter(planned)), fix="plan again")


def plant(model: Any, weights: Weights) -> None:
    """Load start weights into the target model; strict, so nothing can be left out."""
    model.load_state_dict(dict(weights), strict=True)
