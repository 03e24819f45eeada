"""Draws a comparison of languages as one self-contained HTML page; asks the network for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vizinho.files import write_text
from vizinho.languages.compare import Comparison
from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.predict import Prediction
from vizinho.languages.rank import order
from vizinho.report.evidence import Part, parts_of
from vizinho.report.maps import COLOURS, draw_map
from vizinho.report.templates import template
from vizinho.text.language import Language

MARGIN = 0.25
"""Share of a strip on either side of floor and ceiling."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A donor's value and its interval on the strip of a measure, in per cent of the strip's width."""

    donor: str
    measure: Measure | None  # None: a gap
    dot: float = 0.0
    ends: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class LevelPart:
    """A section of the page."""

    name: str
    measures: tuple[tuple[Measure, tuple[Strip, ...], str], ...]  # described as the nearest donor has it; a remark
    gaps: tuple[tuple[Gap, tuple[str, ...]], ...]  # each with the donors that have it
    map: str
    evidence: tuple[tuple[str, tuple[Part, ...]], ...]  # by donor


def write_compare_page(comparison: Comparison, out: Path, prediction: Prediction | None = None) -> None:
    """Draw a comparison, and what donors are predicted to bring, into `out`."""
    write_text(out, compare_page(comparison, prediction))


def compare_page(comparison: Comparison, prediction: Prediction | None = None) -> str:
    """The page as text; everything from the comparison is escaped but drawings made by vizinho itself."""
    donors = [ranked.donor for ranked in comparison.ranking]
    names = {code: Language.of(code).name for code in (comparison.target, *donors)}
    colours = {donor: COLOURS[i % len(COLOURS)] for i, donor in enumerate(donors)}
    by_level = [
        {donor: next(r for r in comparison.results[donor] if r.level == first.level) for donor in donors}
        for first in comparison.results[donors[0]]
    ]
    return template("compare.html.j2").render(
        target=comparison.target,
        names=names,
        order=order(comparison.ranking),
        ranking=comparison.ranking,
        voting={v.name for ranked in comparison.ranking for v in ranked.votes if v.value is not None},
        colours=colours,
        levels=[_level(comparison.target, results, colours, names) for results in by_level],
        seconds=comparison.seconds,
        prediction=prediction,
    )


def _level(
    target: str, results: Mapping[str, LevelResult], colours: Mapping[str, str], names: Mapping[str, str]
) -> LevelPart:
    measures = dict.fromkeys(measure.name for result in results.values() for measure in result.measures)
    return LevelPart(
        name=next(iter(results.values())).level,
        measures=tuple(_strips(name, results, names) for name in measures),
        gaps=_gaps(results),
        map=_map(results, colours, names),
        evidence=tuple(
            (donor, tuple(parts))
            for donor, result in results.items()
            if (parts := parts_of(result.evidence, names[target], names[donor]))
        ),
    )


def _strips(
    name: str, results: Mapping[str, LevelResult], names: Mapping[str, str]
) -> tuple[Measure, tuple[Strip, ...], str]:
    by_donor = {d: next((m for m in result.measures if m.name == name), None) for d, result in results.items()}
    first = next(m for m in by_donor.values() if m is not None)
    return first, tuple(_strip(d, m) for d, m in by_donor.items()), _remark(name, by_donor, names)


def _remark(name: str, by_donor: Mapping[str, Measure | None], names: Mapping[str, str]) -> str:
    """Why a measure that contradicts the ranking has no vote."""
    values = {d: m.value for d, m in by_donor.items() if m is not None}
    nearest = next(iter(by_donor))
    if name != "inventory_overlap" or nearest not in values:
        return ""
    better = [names[d] for d in values if values[d] > values[nearest]]
    if not better:
        return ""
    return (
        f"By this count {', '.join(better)} would come before {names[nearest]}. An inventory counts a phone that is "
        "said once in a thousand like one in every word, and knows nothing of the words it stands in; inventories "
        "predicted the benefit for recognition worse than sounds as recorded did (San et al. 2024). It has no vote."
    )


def _map(results: Mapping[str, LevelResult], colours: Mapping[str, str], names: Mapping[str, str]) -> str:
    """The target and those donors whose place is known; each level of places names (target, donor)."""
    places = {d: pair for d, result in results.items() if (pair := result.evidence.get("places"))}
    if not places:
        return ""
    target = next(iter(places.values()))[0]
    donors = [{**pair[1], "name": names[d], "colour": colours[d]} for d, pair in places.items()]
    return draw_map({**target, "name": names.get(target["code"], target["name"])}, donors)


def _strip(donor: str, measure: Measure | None) -> Strip:
    if measure is None:
        return Strip(donor, None)

    def place(value: float) -> float:
        # Floor and ceiling stand at the margins of every strip; values beyond them may reach its edges.
        span = measure.ceiling - measure.floor
        nearness = (value - measure.floor) / span if span else 0.0
        return round(100 * min(1.0, max(0.0, (nearness + MARGIN) / (1 + 2 * MARGIN))), 2)

    ends = None if measure.interval is None else sorted(place(end) for end in measure.interval)
    return Strip(donor, measure, place(measure.value), None if ends is None else (ends[0], ends[1]))


def _gaps(results: Mapping[str, LevelResult]) -> tuple[tuple[Gap, tuple[str, ...]], ...]:
    donors: dict[Gap, list[str]] = {}
    for donor, result in results.items():
        for gap in result.gaps:
            donors.setdefault(gap, []).append(donor)
    return tuple((gap, tuple(names)) for gap, names in donors.items())
