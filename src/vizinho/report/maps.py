"""Things at places: languages on a map, words in the space of their vectors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from typing import Any

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b8a000")
"""Okabe and Ito's, readable with colour blindness; page.html.j2 lightens them in the dark."""
WIDTH, MARGIN = 640.0, 46.0


def draw_map(target: Mapping[str, Any], donors: Sequence[Mapping[str, Any]]) -> str:
    """SVG in equirectangular projection at the middle latitude.

    Places are {"name", "latitude", "longitude"}, donors have a "colour" too.
    """
    places = [target, *donors]
    south, north = (f(p["latitude"] for p in places) for f in (min, max))
    west, east = (f(p["longitude"] for p in places) for f in (min, max))
    # A degree of longitude is shorter by the cosine of the latitude; at the middle one the map is true in both ways.
    narrowing = math.cos(math.radians((south + north) / 2))
    # At least eight degrees, so that two neighbouring places are not drawn as a continent apart.
    wide, high = max((east - west) * narrowing, 8.0), max(north - south, 6.0)
    scale = (WIDTH - 2 * MARGIN) / max(wide, high * 1.2)
    # The places stand in the middle; `left` and `top` are the longitude and latitude of the drawing's corner.
    left, top = (west + east) / 2 - WIDTH / 2 / scale / narrowing, (south + north) / 2 + high / 2 + MARGIN / scale
    height = high * scale + 2 * MARGIN

    def x(longitude: float) -> float:
        return float(round((longitude - left) * narrowing * scale, 1))

    def y(latitude: float) -> float:
        return float(round((top - latitude) * scale, 1))

    lines = [f'<path class="land" d="{_land(x, y, height)}"/>']
    right, bottom = left + WIDTH / scale / narrowing, top - height / scale
    step = _step(right - left)
    lines += [
        f'<line class="axis" x1="{x(d)}" x2="{x(d)}" y1="0" y2="{height:.0f}"/>'
        f'<text class="soft" x="{x(d) + 2}" y="12" font-size="11">{abs(d)}° {"W" if d < 0 else "E"}</text>'
        for d in _degrees(left, right, step)
    ]
    lines += [
        f'<line class="axis" x1="0" x2="{WIDTH:.0f}" y1="{y(d)}" y2="{y(d)}"/>'
        f'<text class="soft" x="2" y="{y(d) - 2}" font-size="11">{abs(d)}° {"S" if d < 0 else "N"}</text>'
        for d in _degrees(bottom, top, step)
    ]
    tx, ty = x(target["longitude"]), y(target["latitude"])
    points = [(x(p["longitude"]), y(p["latitude"]), p["name"], p["colour"], 5) for p in donors]
    lines += [
        f'<line x1="{tx}" y1="{ty}" x2="{dx}" y2="{dy}" stroke="{colour}" stroke-width="2" opacity=".6"/>'
        for dx, dy, _, colour, _ in points
    ]
    lines += _labelled([(tx, ty, target["name"], "currentColor", 7), *points])
    body = "".join(lines)
    return f'<svg viewBox="0 0 {WIDTH:.0f} {height:.0f}" role="img" aria-label="map of the languages">{body}</svg>'


def _labelled(points: Sequence[tuple[float, float, str, str, int]]) -> list[str]:
    """Dots and names; a name that would lie on another one moves down, one at the right edge to the left of its dot."""
    taken: list[tuple[float, float, float]] = []  # left, right and baseline of the names so far
    drawn = []
    for x, y, name, colour, radius in points:
        width = 8.0 * len(name)  # of letters 15 high, about
        start = x + 9 if x + 9 + width < WIDTH else x - 9 - width
        line = y + 5
        while any(start < right and left < start + width and abs(line - other) < 15 for left, right, other in taken):
            line += 15
        taken.append((start, start + width, line))
        drawn.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}"/>'
            f'<text class="place" x="{start:.1f}" y="{line:.1f}" font-size="15" fill="currentColor">'
            f"{escape(name)}</text>"
        )
    return drawn


def _land(x: Callable[[float], float], y: Callable[[float], float], height: float) -> str:
    """The outlines of all countries that lie in the drawing, as one path."""
    outlines = []
    for ring in _outlines():
        xs, ys = [x(longitude) for longitude, _ in ring], [y(latitude) for _, latitude in ring]
        if max(xs) >= 0 and min(xs) <= WIDTH and max(ys) >= 0 and min(ys) <= height:
            outlines.append("M" + "L".join(f"{a:g} {b:g}" for a, b in zip(xs, ys, strict=True)) + "Z")
    return "".join(outlines)


@cache
def _outlines() -> tuple[tuple[tuple[float, float], ...], ...]:
    """Rings of (longitude, latitude), of every country that the package countryinfo has the outline of."""
    rings = []
    for file in (resources.files("countryinfo") / "data").iterdir():
        country = json.loads(file.read_text(encoding="utf-8")) if file.name.endswith(".json") else {}
        for feature in (country.get("geoJSON") or {}).get("features", ()):
            shape = feature["geometry"]
            # A polygon is a list of rings, a country of islands a list of polygons.
            polygons = [shape["coordinates"]] if shape["type"] == "Polygon" else shape["coordinates"]
            rings += [tuple((float(a), float(b)) for a, b, *_ in ring) for polygon in polygons for ring in polygon]
    return tuple(sorted(rings))


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


def _step(span: float) -> int:
    """Degrees between two lines of latitude or longitude: about six lines."""
    return next((step for step in (1, 2, 5, 10, 20) if span / step <= 8), 45)


def _degrees(low: float, high: float, step: int) -> list[int]:
    return list(range(math.ceil(low / step) * step, math.floor(high) + 1, step))
