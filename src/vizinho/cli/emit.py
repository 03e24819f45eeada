"""What commands print: one JSON object or lines of text, tables as Markdown, and what a donor is in words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vizinho.plan.plan import TransferPlan

SHOWN = 10  # items that a list in the terminal names before it says how many more there are


def emit(values: Any, as_json: bool, text: str | Iterable[str] = ()) -> None:
    """Print the values as one JSON object, or else the text; lines may be a generator, which JSON never starts.

    Values may hold dataclasses and paths.
    """
    if as_json:
        # Letters as they are: \u00e7 would be unreadable in a terminal and longer in a file.
        typer.echo(json.dumps(values, ensure_ascii=False, default=_plain))
        return
    for line in [text] if isinstance(text, str) else text:
        typer.echo(line)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def shortened(lines: Sequence[str], more: str = "--json names all", shown: int = SHOWN) -> Iterator[str]:
    """The first lines of a long list, and how many more there are and where."""
    yield from lines[:shown]
    if len(lines) > shown:
        yield f"and {len(lines) - shown} more ({more})"


def warn(lines: Iterable[str]) -> None:
    """Print lines on standard error."""
    for line in lines:
        typer.echo(line, err=True)


def markdown(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table, padded to read well in a terminal too; every row has as many cells as the head."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


LARGE = 1000
"""Tokens of a vocabulary that is not printed at length."""


def describe(donor: Mapping[str, Any]) -> list[str]:
    """Lines about a donor: kind and size, what it hears, tokens by role (`Donor.describe`)."""
    lines = [
        f"donor: {donor['kind']}, {donor['parameters']:,} parameters, hears {donor['hears']}, "
        f"writes a frame every {donor['frame_ms']:g} ms"
    ]
    roles: Mapping[str, Sequence[str]] = donor["roles"]
    if not donor["tokens"]:
        lines.append("no output layer: every row starts fresh")
    elif donor["tokens"] < LARGE:
        lines.append(f"{donor['tokens']} tokens: " + "; ".join(f"{role} {_first(roles[role])}" for role in roles))
    else:  # the pieces of a large vocabulary say nothing
        counts = ", ".join(f"{role} {len(tokens):,}" for role, tokens in roles.items())
        lines.append(f"{donor['tokens']:,} tokens: {counts} (--json names all)")
    return [*lines, *donor["notes"]]


def _first(tokens: Sequence[str], shown: int = 60) -> str:
    more = f" and {len(tokens) - shown} more (--json names all)" if len(tokens) > shown else ""
    return " ".join(tokens[:shown]) + more


def show_plan(
    plan: TransferPlan, as_json: bool, *, donor: dict[str, Any] | None = None, all_rows: bool = False
) -> None:
    """Print what the donor is and the transfer plan: a summary of ten lines, all rows as a table, or as JSON."""
    from vizinho.plan.summary import summarise

    if as_json:
        emit({"donor": donor or {}, "notes": plan.notes, "plan": plan.as_json(), "counts": plan.counts()}, as_json)
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
    # Last, because a table of hundreds of rows scrolls out of sight.
    for line in (", ".join(f"{count} {action}" for action, count in plan.counts().items()), *summarise(plan)):
        console.print(line, soft_wrap=True)
