"""Tables as Markdown, columns padded so that they read well in a terminal too; and what a donor is, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def markdown(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A table; every row has as many cells as the head."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def describe(donor: Mapping[str, Any]) -> list[str]:
    """Lines about a donor: kind and size, what it hears, tokens by role (`Donor.describe`)."""
    lines = [
        f"donor: {donor['kind']}, {donor['parameters']:,} parameters, hears {donor['hears']}, "
        f"writes a frame every {donor['frame_ms']:g} ms"
    ]
    roles = "; ".join(f"{role} {_shortened(tokens)}" for role, tokens in donor["roles"].items())
    lines.append(f"{donor['tokens']} tokens: {roles}" if donor["tokens"] else "no output layer: every row starts fresh")
    return [*lines, *donor["notes"]]


def _shortened(tokens: Sequence[str], shown: int = 60) -> str:
    more = f" and {len(tokens) - shown} more (--json names all)" if len(tokens) > shown else ""
    return " ".join(tokens[:shown]) + more
