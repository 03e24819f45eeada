"""Draws what `vizinho compare --json` prints as one self-contained HTML page; asks the network for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from vizinho.files import write_text
from vizinho.report.evidence import parts_of
from vizinho.report.maps import draw_map

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#b8a000")
"""Colours of donors in the order of the ranking: Okabe and Ito's, readable with colour blindness."""
_BESIDE = 0.25
"""Share of the strip on either side of floor and ceiling."""


def write_compare_page(values: Mapping[str, Any], out: Path) -> None:
    """Draw the values of `Comparison.as_json` into `out`."""
    write_text(out, compare_page(values))


def compare_page(values: Mapping[str, Any]) -> str:
    """The page as text; everything from the values is escaped but drawings made by vizinho itself."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        (resources.files("vizinho.report") / "compare.html.j2").read_text(encoding="utf-8")
    )
    donors = [row["donor"] for row in values["ranking"]]
    levels = [row["level"] for row in values["levels"][donors[0]]]
    return template.render(
        target=values["target"],
        ranking=values["ranking"],
        colours=_colours(donors),
        levels=[_level(values, level, donors) for level in levels],
        seconds=values["seconds"],
        prediction=values.get("prediction"),
    )


def _colours(donors: Sequence[str]) -> dict[str, str]:
    return {donor: COLOURS[i % len(COLOURS)] for i, donor in enumerate(donors)}


def _level(values: Mapping[str, Any], level: str, donors: Sequence[str]) -> dict[str, Any]:
    found = {d: next(row for row in values["levels"][d] if row["level"] == level) for d in donors}
    names = dict.fromkeys(m["name"] for d in donors for m in found[d]["measures"])
    return {
        "name": level,
        "measures": [_measure(name, found, donors) for name in names],
        "gaps": _gaps(found),
        "map": _map(found, donors),
        "evidence": [(d, parts) for d in donors if (parts := parts_of(found[d]["evidence"], values["target"], d))],
    }


def _measure(name: str, found: Mapping[str, Any], donors: Sequence[str]) -> dict[str, Any]:
    by_donor = {d: next((m for m in found[d]["measures"] if m["name"] == name), None) for d in donors}
    some = next(m for m in by_donor.values() if m is not None)
    rows = [{"donor": d, "measure": m, **_strip(m)} for d, m in by_donor.items()]
    return {**some, "rows": rows, "remark": _remark(name, by_donor, donors)}


def _remark(name: str, by_donor: Mapping[str, Any], donors: Sequence[str]) -> str:
    """Why a measure that contradicts the ranking has no vote."""
    values = {d: m["value"] for d, m in by_donor.items() if m is not None}
    if name != "inventory_overlap" or donors[0] not in values:
        return ""
    better = [d for d in values if values[d] > values[donors[0]]]
    if not better:
        return ""
    return (
        f"By this count {', '.join(better)} would come before {donors[0]}. An inventory counts a phone that is said "
        "once in a thousand like one in every word, and knows nothing of the words it stands in; inventories predicted "
        "the benefit for recognition worse than sounds as recorded did (San et al. 2024). It is shown and has no vote."
    )


def _map(found: Mapping[str, Any], donors: Sequence[str]) -> str:
    places = {d: found[d]["evidence"].get("places") for d in donors}
    known = {d: pair for d, pair in places.items() if pair}
    if not known:
        return ""
    colours = _colours(donors)
    target = next(iter(known.values()))[0]
    return draw_map(target, [{**pair[1], "code": d} for d, pair in known.items()], colours)


def _strip(measure: Mapping[str, Any] | None) -> dict[str, float]:
    """Positions in per cent of the strip's width: the dot and the ends of the interval, floor and ceiling fixed."""
    if measure is None:
        return {}
    span = measure["ceiling"] - measure["floor"]

    def place(value: float) -> float:
        nearness = (value - measure["floor"]) / span if span else 0.0
        return round(100 * min(1.0, max(0.0, (nearness + _BESIDE) / (1 + 2 * _BESIDE))), 2)

    made = {"dot": place(measure["value"])}
    if measure["interval"] is not None:
        ends = sorted(place(end) for end in measure["interval"])
        made |= {"low": ends[0], "high": ends[1]}
    return made


def _gaps(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Gaps with the donors they concern."""
    made: dict[tuple[str, str, str], list[str]] = {}
    for donor, result in found.items():
        for gap in result["gaps"]:
            made.setdefault((gap["name"], gap["reason"], gap["fix"]), []).append(donor)
    return [{"name": n, "reason": r, "fix": f, "donors": who} for (n, r, f), who in made.items()]
