"""How commands show a transfer plan, and read the rows that a user chooses for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli.emit import describe, emit
from vizinho.errors import SpecError

if TYPE_CHECKING:
    from vizinho.plan.plan import TransferPlan

ShowPlan = Annotated[bool, typer.Option("--show-plan", help="Print every row of the transfer plan, not its summary.")]


def row_overrides(rows: Sequence[str]) -> dict[str, str]:
    """Target token -> donor token from `--row` options; SpecError for one that is no pair."""
    pairs = [row.partition("=") for row in rows]
    for token, equals, source in pairs:
        if not (token and equals and source):
            raise SpecError(f"--row {token}{equals}{source} is not TOKEN=DONOR_TOKEN", fix="write it as --row ç=s")
    return {token: source for token, _, source in pairs}


def show_plan(
    plan: TransferPlan, as_json: bool, *, donor: dict[str, Any] | None = None, all_rows: bool = False
) -> None:
    """Print what the donor is and the transfer plan: a summary of ten lines, all rows as a table, or as JSON."""
    from vizinho.plan.summary import summarise

    if as_json:
        emit({"donor": donor or {}, "plan": plan.as_json(), "counts": plan.counts()}, as_json)
        return
    for line in describe(donor) if donor else ():
        typer.echo(line)
    if not all_rows:
        typer.echo("transfer plan (--show-plan prints every row):")
        for line in summarise(plan):
            typer.echo(f"  {line}")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("target", "token", "source", "action", "shape", "reason", title="Transfer plan")
    for row in plan.rows:
        shape = "x".join(map(str, row.shape)) or "1"
        table.add_row(row.target or "-", row.token or "", row.source or "", row.action, shape, row.reason)
    # A pipe has no width of its own: 160 columns keep a row on one line.
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False)
    console.print(table)
    console.print(", ".join(f"{count} {action}" for action, count in plan.counts().items()))
