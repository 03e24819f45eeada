"""What a network gives a transfer plan, and the plan applied: every shape is checked before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

import torch

from vizinho.errors import PlanError, SpecError
from vizinho.model.layers import layer_of, layer_order
from vizinho.model.networks import EMBEDDING, OUTPUTS
from vizinho.plan.plan import PlanRow, Shape, TokenAxis, TransferPlan
from vizinho.plan.tokens import TokenSource

Weights = Mapping[str, torch.Tensor]


def shapes_of(weights: Weights) -> dict[str, Shape]:
    """Shapes by name, as `plan_axes` takes them."""
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def token_parameters(weights: Weights) -> list[str]:
    """Parameters of the output layer, whose first axis is V."""
    return [name for name in weights if layer_of(name) == "head"]


def output_axis(
    sources: Sequence[TokenSource],
    donor_tokens: Sequence[str],
    fresh: Weights,
    donor: Weights,
    *,
    grouped: bool = False,
) -> TokenAxis:
    """The rows per token of a network's output layer; `grouped` is as in TokenAxis."""
    # A donor without an output layer has no such parameters: each of the target's is then paired with None.
    names = dict(zip_longest(token_parameters(fresh), token_parameters(donor)))
    return TokenAxis(tuple(sources), tuple(donor_tokens), names, grouped)


def transducer_axes(
    sources: Sequence[TokenSource], donor_tokens: Sequence[str], durations: Sequence[int], *, grouped: bool = False
) -> list[TokenAxis]:
    """The rows per token of a transducer: of its prediction network's embedding and of its joint network's outputs.

    Tokens are matched once for both. TDT's rows of durations, after the tokens', stay as they are.

    `grouped` is as in TokenAxis.
    """
    names = [f"<{frames} frames>" for frames in durations]
    of_durations = [TokenSource(name, "row copy", ((name, 1.0),), "same duration") for name in names]
    # Two axes, since the outputs have more rows than the embedding.
    outputs = {name: name for name in OUTPUTS}
    return [
        TokenAxis(tuple(sources), tuple(donor_tokens), {EMBEDDING: EMBEDDING}, grouped),
        TokenAxis((*sources, *of_durations), (*donor_tokens, *names), outputs, grouped),
    ]


def renewed(parameters: Iterable[str], layers: Sequence[str]) -> dict[str, str]:
    """Parameters of the layers that the options start fresh, each with the reason. SpecError for an unknown layer."""
    names = list(parameters)
    known = [layer for layer in layer_order(names) if layer != "head"]
    unknown = sorted(set(layers) - set(known))
    if unknown:
        raise SpecError(f"no layer named {', '.join(unknown)}", where="fresh_layers", fix=f"layers: {', '.join(known)}")
    return {name: "the options start its layer fresh" for name in names if layer_of(name) in layers}


def apply_plan(plan: TransferPlan, donor: Weights, fresh: Weights) -> dict[str, torch.Tensor]:
    """The target's weights at the start of training.

    Args:
        plan: From `plan_axes`.
        donor: The donor's parameters and buffers.
        fresh: A freshly initialised target's; gives the values of "fresh" rows.

    Raises PlanError when plan and weights do not fit together; then nothing has been changed.
    """
    _check_complete(plan, fresh)
    start = {name: tensor.detach().clone() for name, tensor in fresh.items()}
    for row in plan.rows:
        if row.target is not None and row.token is None and row.action != "fresh":
            start[row.target] = _whole(row, donor, start[row.target])
    # Token rows are written into the fresh tensor one by one; rows without sources keep their random values.
    for axis in plan.axes:
        donor_rows = {token: number for number, token in enumerate(axis.donor_tokens)}
        for name, source_name in axis.parameters.items():
            if source_name is None:
                continue
            source = donor[source_name]
            # Copies at once: a vocabulary may have tens of thousands.
            copied = [(n, donor_rows[t.sources[0][0]]) for n, t in enumerate(axis.sources) if len(t.sources) == 1]
            if copied:
                numbers, donor_numbers = (list(column) for column in zip(*copied, strict=True))
                start[name][numbers] = source[donor_numbers]
            for number, token in enumerate(axis.sources):
                if len(token.sources) > 1:
                    shares = (share * source[donor_rows[donor_token]] for donor_token, share in token.sources)
                    start[name][number] = sum(shares, torch.zeros_like(source[0]))
    return start


def _whole(row: PlanRow, donor: Weights, fresh: torch.Tensor) -> torch.Tensor:
    """A copy of the donor's tensor that a row names; it must have the shape of the `fresh` one it replaces."""
    source = donor.get(row.source or "")
    if source is None or source.shape != fresh.shape:
        state = "missing" if source is None else tuple(source.shape)
        what = f"the donor's tensor is {state}, the plan says {row.shape}"
        raise PlanError(what, where=row.target or "", fix="plan again")
    return source.detach().clone()


def _check_complete(plan: TransferPlan, fresh: Weights) -> None:
    by_token = {name for axis in plan.axes for name in axis.parameters}
    planned: Counter[str] = Counter()
    for row in plan.rows:
        if row.target is not None:
            planned[row.target] += row.count
    for name, tensor in fresh.items():
        # Parameters by token have one row of the plan for each of their own rows.
        expected = tensor.shape[0] if name in by_token else 1
        if planned.pop(name, 0) != expected:
            raise PlanError("the plan does not name it exactly once", where=name, fix="plan again")
    if planned:
        raise PlanError("the plan names a parameter that the target lacks", where=next(iter(planned)), fix="plan again")


def plant(model: torch.nn.Module, weights: Weights) -> None:
    """Load start weights into the target model; strict, so nothing can be left out but the other names of a tensor."""
    missing, _ = model.load_state_dict(dict(weights), strict=False)
    here = model.state_dict()
    unknown = sorted(weights.keys() - here.keys())
    places = {here[name].data_ptr() for name in weights.keys() & here.keys()}
    left_out = [name for name in missing if here[name].data_ptr() not in places]
    if unknown or left_out:
        raise PlanError("the weights are not those of the model", where=[*unknown, *left_out][0], fix="plan again")
