"""Turns the evidence of a comparison into parts of a page: phone charts, trees, pictures, and tables for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vizinho.languages.levels.charts import BACKNESSES, HEIGHTS, MANNERS, PLACES
from vizinho.report.maps import draw_words

_CHARTS = {"consonant": (MANNERS, PLACES), "vowel": (HEIGHTS, BACKNESSES), "other": (("other",), ("",))}
"""Rows and columns of the charts, in the order of the International Phonetic Association."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to look at."""

    title: str
    kind: Literal["table", "drawing", "pair", "chart", "values", "text"]
    head: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    drawing: str = ""
    """SVG made by vizinho or displaCy."""
    note: str = ""


def parts_of(evidence: Mapping[str, Any], target: str, donor: str) -> list[Part]:
    """Parts in the order of the evidence; nothing is left out."""
    parts: list[Part] = []
    for name, value in evidence.items():
        if name == "charts":
            parts += _phone_charts(value)
        elif name == "trees_side_by_side":
            parts += _trees(value, target, donor)
        elif name == "picture":
            parts += [Part("both spaces on their two main axes", "drawing", drawing=draw_words(value))] if value else []
        elif name != "places":  # places are drawn once for all donors
            parts += _parts(name.replace("_", " "), value, target, donor)
    return parts


def _parts(title: str, value: Any, target: str, donor: str) -> list[Part]:
    """A flat table of values, a list of rows, or a text; tables in tables become parts of their own."""
    if isinstance(value, Mapping):
        if all(not isinstance(v, Mapping | list | tuple) for v in value.values()):
            return [Part(title, "values", rows=tuple((k.replace("_", " "), show(v)) for k, v in value.items()))]
        return [p for k, v in value.items() for p in _parts(f"{title}: {str(k).replace('_', ' ')}", v, target, donor)]
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        if all(isinstance(row, Mapping) for row in value):
            return [_table(title, value, target, donor)]
        return [Part(title, "text", note=", ".join(show(item) for item in value))]
    return [] if value in (None, "", [], ()) else [Part(title, "text", note=show(value))]


def _trees(rows: Sequence[Mapping[str, Any]], target: str, donor: str) -> list[Part]:
    """The target's tree beside the donor's; `languages/levels/trees.py` escapes what it draws."""
    return [Part(row["about"], "pair", head=(target, donor), rows=((row["target"], row["donor"]),)) for row in rows]


def _phone_charts(cells: Sequence[Mapping[str, Any]]) -> list[Part]:
    """One part a chart; a cell is a tuple of phones as the evidence has them. Empty rows and columns are left out."""
    charts = []
    for kind, (rows, columns) in _CHARTS.items():
        phones = {(c["row"], c["column"]): tuple(c["phones"]) for c in cells if c["chart"] == kind}
        head = tuple(c for c in columns if any(column == c for _, column in phones))
        body = tuple((r, *(phones.get((r, c), ()) for c in head)) for r in rows if any(row == r for row, _ in phones))
        title = f"{kind}s" if kind != "other" else "phones outside the charts"
        charts += [Part(title, "chart", head, body)] if body else []
    return charts


def _table(title: str, rows: Sequence[Mapping[str, Any]], target: str, donor: str) -> Part:
    head = list(dict.fromkeys(k for row in rows for k in row))  # rows may lack keys that others have
    return Part(
        title,
        "table",
        head=tuple(_column(k, target, donor) for k in head),
        rows=tuple(tuple(show(row.get(k)) for k in head) for row in rows),
    )


def _column(name: str, target: str, donor: str) -> str:
    words = name.replace("_", " ")
    return {"target": target, "donor": donor}.get(words, words)


def show(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {show(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(show(item) for item in value)
    return str(value)
