"""Turns the evidence of a comparison into parts of a page: charts, trees, maps, pictures, and tables for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

ROWS = 12
"""Rows of a table that are shown before the rest is folded away."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to look at."""

    title: str
    kind: Literal["table", "drawing", "phones", "values", "text"]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    drawing: str = ""
    """SVG made by vizinho or displaCy."""
    note: str = ""


def parts_of(evidence: Mapping[str, Any], target: str, donor: str) -> list[Part]:
    """Parts in the order of the evidence; nothing is left out."""
    made: list[Part] = []
    for name, value in evidence.items():
        made += _parts(name.replace("_", " "), value, target, donor)
    return made


def _parts(title: str, value: Any, target: str, donor: str) -> list[Part]:
    if isinstance(value, str):
        return [Part(title, "drawing", drawing=value) if value.lstrip().startswith("<svg") else _text(title, value)]
    if isinstance(value, Mapping):
        if _is_flat(value):
            return [Part(title, "values", rows=tuple((k.replace("_", " "), show(v)) for k, v in value.items()))]
        return [p for k, v in value.items() for p in _parts(f"{title}: {str(k).replace('_', ' ')}", v, target, donor)]
    if isinstance(value, Sequence) and value:
        if all(isinstance(row, Mapping) for row in value):
            return _rows(title, value, target, donor)
        return [_text(title, ", ".join(show(item) for item in value))]
    return [] if value in (None, [], ()) else [_text(title, show(value))]


def _rows(title: str, rows: Sequence[Mapping[str, Any]], target: str, donor: str) -> list[Part]:
    """A table; drawings among the columns become parts of their own, under the first column as caption."""
    drawn = [k for k, v in rows[0].items() if isinstance(v, str) and v.lstrip().startswith("<svg")]
    if drawn:
        return [
            Part(f"{title}: {next(iter(row.values()))}" if k == drawn[0] else k, "drawing", drawing=str(row[k]))
            for row in rows
            for k in drawn
        ]
    head = list(dict.fromkeys(k for row in rows for k in row))
    return [
        Part(
            title,
            "table",
            head=tuple(_column(k, target, donor) for k in head),
            rows=tuple(tuple(show(row.get(k)) for k in head) for row in rows),
        )
    ]


def _column(name: str, target: str, donor: str) -> str:
    words = name.replace("_", " ")
    return {"target": target, "donor": donor}.get(words, words)


def _text(title: str, text: str) -> Part:
    return Part(title, "text", note=text)


def _is_flat(value: Mapping[str, Any]) -> bool:
    return all(not isinstance(v, Mapping | list | tuple) for v in value.values()) and not any(
        isinstance(v, str) and v.lstrip().startswith("<svg") for v in value.values()
    )


def show(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {show(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(show(item) for item in value)
    return str(value)
