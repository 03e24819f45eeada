"""A transfer plan in ten lines: what is copied, what starts from neighbours, what is new, what is dropped, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod

from vizinho.plan.plan import PlanRow, TransferPlan

SHOWN_TOKENS = 40
SHOWN_MIXES = 6
SHOWN_REASONS = 2


def summarise(plan: TransferPlan) -> list[str]:
    """At most ten lines about a plan, for a terminal; `plan.rows` has every parameter and token."""
    whole = [row for row in plan.rows if row.token is None]
    by_token = [row for row in plan.rows if row.token is not None]
    return [
        *plan.notes,
        # In the order of what a reader wants to know first: what is taken over, then what is new, then what is lost.
        *_copied([row for row in whole if row.action == "copy"]),
        *_same_tokens([row for row in by_token if row.action == "row copy"]),
        *_mixed_tokens([row for row in by_token if row.action in ("feature row", "neighbour row")]),
        *_tokens("new at random", [row for row in by_token if row.action == "fresh"]),
        *_parameters("new at random", [row for row in whole if row.action == "fresh"]),
        *_tokens("dropped", [row for row in by_token if row.action == "drop"]),
        *_parameters("dropped", [row for row in whole if row.action == "drop"]),
    ]


def _copied(rows: Sequence[PlanRow]) -> Iterator[str]:
    if rows:
        yield f"copied as they are: {len(rows)} parameters, {sum(prod(row.shape) for row in rows):,} weights"


def _same_tokens(rows: Sequence[PlanRow]) -> Iterator[str]:
    grouped = [row for row in rows if row.count > 1]
    if grouped:
        yield f"copied by name: the donor's vocabulary, {grouped[0].count:,} tokens"
    if tokens := _distinct(row for row in rows if row.count == 1):
        yield f"copied by name: {len(tokens)} tokens ({_shortened(tokens, SHOWN_TOKENS)})"


def _mixed_tokens(rows: Sequence[PlanRow]) -> Iterator[str]:
    """ "ç from s .35, z .35, c .31": a token has one row in every parameter of its axis, all of the same mixture."""
    # Weight and bias repeat the mixture of a token; the dict keeps one of them.
    mixes = {row.token: ", ".join(f"{token} {weight:.2f}" for token, weight in row.mix) for row in rows}
    if mixes:
        shown = [f"{token} from {mix}" for token, mix in mixes.items()]
        yield f"started from neighbours: {len(mixes)} tokens ({_shortened(shown, SHOWN_MIXES, '; ')})"


def _tokens(what: str, rows: Sequence[PlanRow]) -> Iterator[str]:
    if tokens := _distinct(rows):
        yield f"{what}: {len(tokens)} tokens ({_shortened(tokens, SHOWN_TOKENS)}), {_reasons(rows)}"


def _parameters(what: str, rows: Sequence[PlanRow]) -> Iterator[str]:
    if rows:
        yield f"{what}: {len(rows)} parameters, {_reasons(rows)}"


def _distinct(rows: Iterable[PlanRow]) -> list[str]:
    return list(dict.fromkeys(str(row.token) for row in rows))


def _reasons(rows: Iterable[PlanRow]) -> str:
    return "because " + _shortened(list(dict.fromkeys(row.reason for row in rows)), SHOWN_REASONS, "; ")


def _shortened(items: Sequence[str], shown: int, separator: str = " ") -> str:
    more = f"{separator}and {len(items) - shown} more" if len(items) > shown else ""
    return separator.join(items[:shown]) + more
