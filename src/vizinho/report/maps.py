"""Things at places: languages on a plain map without coastlines, words in the space of their vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b8a000")
"""Okabe and Ito's, readable with colour blindness; page.html.j2 lightens them in the dark."""
WIDTH, MARGIN = 640.0, 46.0
_STEP = 5
"""Degrees between two lines of latitude or longitude."""


def draw_map(target: Mapping[str, Any], donors: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> str:
    """SVG in equirectangular projection at the middle latitude; places are {"code", "latitude", "longitude"}."""
    places = [target, *donors]
    south, north = (f(p["latitude"] for p in places) for f in (min, max))
    west, east = (f(p["longitude"] for p in places) for f in (min, max))
    # A degree of longitude is shorter by the cosine of the latitude; at the middle one the map is true in both ways.
    narrowing = math.cos(math.radians((south + north) / 2))
    # At least four degrees, so that two neighbouring places are not drawn as a continent apart.
    wide, high = max((east - west) * narrowing, 4.0), max(north - south, 4.0)
    scale = (WIDTH - 2 * MARGIN) / max(wide, high * 1.2)
    height = high * scale + 2 * MARGIN

    def x(longitude: float) -> float:
        return float(round(MARGIN + (longitude - west) * narrowing * scale, 1))

    def y(latitude: float) -> float:
        return float(round(MARGIN + (north - latitude) * scale, 1))

    lines = [
        f'<line class="axis" x1="{x(d)}" x2="{x(d)}" y1="0" y2="{height:.0f}"/>'
        f'<text class="soft" x="{x(d) + 2}" y="12" font-size="11">{d}°</text>'
        for d in _degrees(west, east)
    ]
    lines += [
        f'<line class="axis" x1="0" x2="{WIDTH:.0f}" y1="{y(d)}" y2="{y(d)}"/>'
        f'<text class="soft" x="2" y="{y(d) - 2}" font-size="11">{d}°</text>'
        for d in _degrees(south, north)
    ]
    tx, ty = x(target["longitude"]), y(target["latitude"])
    for donor in donors:
        dx, dy, colour = x(donor["longitude"]), y(donor["latitude"]), colours[donor["code"]]
        lines.append(f'<line x1="{tx}" y1="{ty}" x2="{dx}" y2="{dy}" stroke="{colour}" stroke-width="2" opacity=".6"/>')
        lines.append(_point(dx, dy, donor["code"], colour, 5))
    lines.append(_point(tx, ty, target["code"], "currentColor", 7))
    body = "".join(lines)
    return f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="map of the languages">{body}</svg>'


def draw_words(words: Sequence[Mapping[str, Any]]) -> str:
    """SVG of words at their places: {"language": "target" or "donor", "word", "x", "y"}; the donor's are in italics."""
    # Vectors have no unit: both axes are stretched to the drawing, the vertical one points up.
    xs, ys = [w["x"] for w in words], [w["y"] for w in words]
    width, height = 900.0, 620.0
    marks = []
    for word in words:
        x = MARGIN + (word["x"] - min(xs)) / max(max(xs) - min(xs), 1e-9) * (width - 4 * MARGIN)
        y = MARGIN + (max(ys) - word["y"]) / max(max(ys) - min(ys), 1e-9) * (height - 2 * MARGIN)
        donor = word["language"] == "donor"
        colour, style = (COLOURS[1], ' font-style="italic"') if donor else (COLOURS[0], "")
        marks.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/><text x="{x + 6:.1f}" y="{y + 4:.1f}" '
            f'font-size="14" fill="currentColor"{style}>{escape(str(word["word"]))}</text>'
        )
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'aria-label="words of both languages in one space; the donor\'s in italics">{"".join(marks)}</svg>'
    )


def _point(x: float, y: float, name: str, colour: str, radius: int) -> str:
    return (
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}"/>'
        f'<text x="{x + 9}" y="{y + 5}" font-size="15" fill="currentColor">{escape(name)}</text>'
    )


def _degrees(low: float, high: float) -> list[int]:
    first = math.ceil(low / _STEP) * _STEP
    return list(range(first, math.floor(high) + 1, _STEP))
