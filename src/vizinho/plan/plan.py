"""The transfer plan: for every target parameter, where its values come from and why; for every donor one, its use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vizinho.errors import PlanError
from vizinho.plan.tokens import TokenSource

ACTIONS = ("copy", "row copy", "neighbour row", "feature row", "fresh", "drop")
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One line of the plan.

    `target` is the target's parameter (None for a drop), `token` the output row it concerns (None: the whole
    parameter), `source` the donor's parameter, or the donor tokens mixed into the row, `shape` what is written.
    """

    target: str | None
    token: str | None
    source: str | None
    action: str
    shape: Shape
    reason: str
    mix: tuple[tuple[str, float], ...] = ()
    """Donor tokens and their weights; empty for whole parameters and fresh rows."""
    count: int = 1
    """Token rows that this line stands for, where a vocabulary is taken over as it is (`TokenAxis.grouped`)."""


@dataclass(frozen=True, slots=True)
class TokenAxis:
    """Parameters whose first axis is V, one row per token, and where each token's row comes from."""

    sources: tuple[TokenSource, ...]
    """One per target token, in row order (`match_tokens`)."""
    donor_tokens: tuple[str, ...]
    """In row order."""
    parameters: Mapping[str, str | None]
    """The target's name of each such parameter -> the donor's; None where the donor has none (no output layer)."""
    grouped: bool = False
    """Whether rows that are copied by the same name share one line of the plan: a vocabulary of 50,000 taken over."""

    @property
    def donor_parameters(self) -> list[str]:
        """The donor's parameters of this axis."""
        return [name for name in self.parameters.values() if name is not None]


@dataclass(frozen=True, slots=True)
class TransferPlan:
    """All rows; `plan_axes` guarantees that every target parameter and row appears exactly once."""

    rows: tuple[PlanRow, ...]
    axes: tuple[TokenAxis, ...] = ()
    notes: tuple[str, ...] = ()
    """What was decided before the plan, and why."""

    def counts(self) -> dict[str, int]:
        """Rows per action."""
        numbers: Counter[str] = Counter()
        for row in self.rows:
            numbers[row.action] += row.count
        return {action: numbers[action] for action in ACTIONS if numbers[action]}

    def as_json(self) -> list[dict[str, Any]]:
        """The rows as `transfer --json` and card.json show them."""
        # Without `mix`, which `source` shows as text: a card has one row for each token of each parameter.
        names = ("target", "token", "source", "action", "shape", "reason")
        return [
            {n: getattr(row, n) for n in names}
            | {"shape": list(row.shape)}
            | ({"count": row.count} if row.count > 1 else {})
            for row in self.rows
        ]


def plan_axes(
    target: Mapping[str, Shape],
    donor: Mapping[str, Shape],
    axes: Sequence[TokenAxis],
    *,
    lacking: Mapping[str, str] | None = None,
    unused: Mapping[str, tuple[Shape, str]] | None = None,
    renewed: Mapping[str, str] | None = None,
) -> TransferPlan:
    """Plan every parameter of a model that may have several kinds of tokens, such as words and their characters.

    Args:
        target, donor: Shapes of all parameters and saved buffers by name.
        axes: One for each kind of tokens.
        lacking: Target parameters that the donor may lack, with the reason why they can start fresh.
        unused: What the donor's file has besides the parameters, with shape and the reason why it is dropped.
        renewed: Target parameters that start fresh although the donor has them, with the reason.

    Raises PlanError naming the key when something has no place, no source or another shape.
    """
    axis_of = {name: axis for axis in axes for name in axis.parameters}
    donor_parameters = {name for axis in axes for name in axis.donor_parameters}
    for axis in axes:
        _check_token_axes(target, list(axis.parameters), len(axis.sources), "target")
        _check_token_axes(donor, axis.donor_parameters, len(axis.donor_tokens), "donor")
    rows: list[PlanRow] = []
    # Every target parameter takes exactly one branch, so none can be forgotten; the last one refuses what is unknown.
    for name, shape in target.items():
        if name in axis_of:
            axis = axis_of[name]
            rows += _grouped(_token_rows(name, shape, axis.parameters[name], donor, axis.sources), axis)
        elif name in (lacking or {}) and name not in donor:
            rows.append(PlanRow(name, None, None, "fresh", shape, (lacking or {})[name]))
        elif name in (renewed or {}):
            reason = (renewed or {})[name]
            rows.append(PlanRow(name, None, None, "fresh", shape, reason))
            # The donor's values are dropped in a row of their own, so that each donor parameter appears too.
            rows += [PlanRow(None, None, name, "drop", donor[name], reason)] if name in donor else []
        else:
            rows.append(_whole(name, shape, donor))
    for axis in axes:
        rows += _dropped_tokens(donor, axis.donor_parameters, axis.donor_tokens, axis.sources)
    rows += [PlanRow(None, None, name, "drop", shape, reason) for name, (shape, reason) in (unused or {}).items()]
    _refuse_leftovers(target, donor, donor_parameters)
    return TransferPlan(tuple(rows), tuple(axes))


def _whole(name: str, shape: Shape, donor: Mapping[str, Shape]) -> PlanRow:
    if name not in donor:
        raise PlanError("the donor has no such parameter", where=name, fix="build the target with the donor's preset")
    if donor[name] != shape:
        what = f"the donor's shape is {donor[name]}, the target's {shape}"
        raise PlanError(what, where=name, fix="build the target with the donor's preset")
    return PlanRow(name, None, name, "copy", shape, "same name, same shape")


def _token_rows(
    name: str, shape: Shape, source: str | None, donor: Mapping[str, Shape], tokens: Sequence[TokenSource]
) -> list[PlanRow]:
    if source is None:
        return [PlanRow(name, t.token, None, "fresh", shape[1:], "the donor has no output layer") for t in tokens]
    if shape[1:] != donor[source][1:]:
        what = f"the donor's rows have shape {donor[source][1:]}, the target's {shape[1:]}"
        raise PlanError(what, where=name, fix="build the target with the donor's preset")
    return [PlanRow(name, t.token, _show(source, t), t.action, shape[1:], t.reason, t.sources) for t in tokens]


def _grouped(rows: Sequence[PlanRow], axis: TokenAxis) -> list[PlanRow]:
    """The rows of a parameter, or one line for all that are copied by name, and then the others."""
    same = [row for row in rows if _by_name(row)]
    if not axis.grouped or len(same) < 2:
        return list(rows)
    first = same[0]
    # The donor's parameter stands before the bracket that names its token.
    parameter = (first.source or "").removesuffix(f"[{first.token}]")
    group = replace(
        first, token=f"{len(same):,} tokens", source=parameter, reason="same token", mix=(), count=len(same)
    )
    return [group, *(row for row in rows if not _by_name(row))]


def _by_name(row: PlanRow) -> bool:
    return row.action == "row copy" and row.mix[0][0] == row.token


def _show(parameter: str, token: TokenSource) -> str | None:
    if not token.sources:
        return None
    if len(token.sources) == 1:
        return f"{parameter}[{token.sources[0][0]}]"
    return f"{parameter}[{' + '.join(f'{share:.2f} {t}' for t, share in token.sources)}]"


def _dropped_tokens(
    donor: Mapping[str, Shape], parameters: Sequence[str], donor_tokens: Sequence[str], tokens: Sequence[TokenSource]
) -> list[PlanRow]:
    # A token that only contributes to a mixture is used; what is dropped helps no target token at all.
    used = {source for token in tokens for source, _ in token.sources}
    return [
        PlanRow(None, token, f"{name}[{token}]", "drop", donor[name][1:], "the target has no such token")
        for name in parameters
        for token in donor_tokens
        if token not in used
    ]


def _refuse_leftovers(target: Mapping[str, Shape], donor: Mapping[str, Shape], token_parameters: set[str]) -> None:
    left = [name for name in donor if name not in target and name not in token_parameters]
    if left:
        what = f"{len(left)} donor parameters have no place in the target; the first"
        raise PlanError(what, where=left[0], fix="build the target with the donor's preset")


def _check_token_axes(shapes: Mapping[str, Shape], names: Sequence[str], count: int, whose: str) -> None:
    for name in names:
        if name not in shapes:
            fix = "give a model with an output row per token"
            raise PlanError(f"the {whose} has no such parameter", where=name, fix=fix)
        if not shapes[name] or shapes[name][0] != count:
            what = f"the {whose} has {count} tokens but {shapes[name][:1]} rows"
            raise PlanError(what, where=name, fix="its tokeniser belongs to another model")
