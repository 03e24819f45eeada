"""Draws results.json and the clips beside it as one self-contained HTML page that asks the network for nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from vizinho.errors import SpecError
from vizinho.experiment.results import Line, amount_of, lines_of
from vizinho.experiment.spec import CONTROLS, FORMAT, SCRATCH, UPDATE
from vizinho.files import write_text
from vizinho.report.anatomy import ablation_chart, movement_chart, way_chart
from vizinho.report.charts import curves_chart, minutes_chart, steps_chart
from vizinho.report.drawing import looks_of

FEW_LINES = 6
"""More in one chart hide each other."""
CLIP_BYTES, ALL_CLIPS_BYTES = 200_000, 1_000_000
"""Audio that a page carries, one clip and all together; what is larger stays out, and the page says so."""
FAMILIES = {
    "starts": "Starts at equal budgets",
    "recipes": "Recipes",
    "synthetic": "With a stage of synthetic target speech",
    "controls": "Controls",
    "unmatched": "Donors of unmatched budgets",
}


_MISFITS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, jinja2.TemplateError)
"""What drawing raises for values that are missing or of another kind than an experiment writes."""


def write_report(results: Path, out: Path) -> None:
    """Draw a page from `results` into `out`. Raises SpecError when it is not a results.json of this format."""
    values = read_results(results)
    try:
        made = page(values, results.parent)
    except _MISFITS as error:
        raise SpecError(
            f"does not hold what an experiment writes ({type(error).__name__}: {error})",
            where=results,
            fix="run `vizinho experiment` again: finished arms are not trained anew",
        ) from error
    write_text(out, made)


def read_results(path: Path) -> dict[str, Any]:
    """Read results.json; SpecError names what is wrong with it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SpecError("no such file", where=path, fix="run `vizinho experiment` first") from error
    except (OSError, ValueError) as error:
        raise SpecError(f"not JSON ({error})", where=path, fix="give a results.json") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise SpecError(f"not a results.json of format {FORMAT}", where=path, fix="run `vizinho experiment` again")
    return values


def page(results: dict[str, Any], folder: Path) -> str:
    """The page as text; everything from the file is escaped. `folder` has the clips that the file names."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((resources.files("vizinho.report") / "page.html.j2").read_text(encoding="utf-8"))
    lines = lines_of(results["arms"])
    return template.render(
        results=results,
        questions=results["questions"],
        charts=_charts(results, lines),
        families=[
            (title, found)
            for family, title in FAMILIES.items()
            if (found := [c for c in results["comparisons"] if c["family"] == family])
        ],
        worst=_playable(results["worst"], folder),
        findings=[(arm["arm"], arm["findings"]) for arm in results["arms"] if arm["findings"]],
        controls=CONTROLS,
    )


def _charts(results: Mapping[str, Any], lines: Sequence[Line]) -> dict[str, list[tuple[str, str]]]:
    """(caption, SVG) pairs by section; sections without anything to draw are empty."""
    questions = results["questions"]
    amounts = {line.minutes: amount_of(line.arms[0]) for line in lines}
    main = _main(lines)
    updates = [row["line"] for row in questions["adjustments"]["rows"] if row["kind"] == UPDATE]
    looks = looks_of([*(line.name for line in lines if (line.name, line.minutes) in main), *updates])
    pooled = [row for row in results["pooled"] if (row["line"], row["minutes"]) in main]
    made: dict[str, list[tuple[str, str]]] = {
        "minutes": [("", minutes_chart(pooled, looks))],
        "curves": [],
        "steps": [],
        "movement": [],
        "retention": [],
        "ablation": [],
    }
    for number, (minutes, amount) in enumerate(amounts.items()):
        at = f"{minutes:g} minutes of target speech"
        ours = [line for line in lines if line.minutes == minutes and (line.name, minutes) in main]
        if any(line.start != SCRATCH for line in ours) or len(amounts) == 1:
            made["curves"].append((at, curves_chart(ours, looks, f"curves{number}")))
        steps = [row for row in questions["steps_to_target"]["rows"] if (row["line"], row["minutes"]) in main]
        made["steps"].append((at, steps_chart(steps, looks, minutes, f"steps{number}")))
        moved = [row for row in questions["adjustments"]["rows"] if row["amount"] == amount]
        moved = [row for row in moved if (row["line"], minutes) in main or row["kind"] == UPDATE]
        made["movement"].append((at, movement_chart(moved, looks, f"movement{number}")))
        kept = [row for row in questions["retention"]["rows"] if row["minutes"] == minutes]
        kept = [row for row in kept if (row["line"], minutes) in main]
        made["retention"].append((at, way_chart(kept, looks, f"way{number}")))
        made["ablation"] += _ablations(results["comparisons"], lines, minutes, number)
    return {section: [pair for pair in pairs if pair[1]] for section, pairs in made.items()}


def _main(lines: Sequence[Line]) -> set[tuple[str, float]]:
    """What charts show: all lines if few, else scratch by its own recipe and each donor and stage by its first."""
    shown = [line for line in lines if line.kind not in CONTROLS]
    if len({line.name for line in shown}) <= FEW_LINES:
        return {(line.name, line.minutes) for line in shown}
    first: dict[tuple[str, float], str] = {}
    for line in lines:
        first.setdefault((line.start, line.minutes), line.name)
    return {(n, m) for (_, m), n in first.items() if not any(k.name == n and k.kind in CONTROLS for k in lines)}


def _ablations(
    comparisons: Sequence[dict[str, Any]], lines: Sequence[Line], minutes: float, number: int
) -> list[tuple[str, str]]:
    made = []
    ours = [c for c in comparisons if c["family"] == "recipes" and c["metric"] == "cer" and c["minutes"] == minutes]
    for place, start in enumerate(dict.fromkeys(line.start for line in lines if line.start != SCRATCH)):
        names = [line.name for line in lines if line.start == start and line.minutes == minutes]
        if len(names) > 1:
            among = [c for c in ours if c["a"] in names and c["b"] in names]
            made.append(
                (f"{minutes:g} minutes of target speech", ablation_chart(among, names[0], f"ablation{number}-{place}"))
            )
    return made


def _playable(worst: Sequence[Mapping[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """The worst utterances with their clip as a data URL, or the reason why there is none."""
    left, made = ALL_CLIPS_BYTES, []
    for row in worst:
        clip = folder / row["clip"]
        size = clip.stat().st_size if clip.is_file() else None
        source = why = ""
        if size is None:
            why = "the clip is not beside the results"
        elif size > min(CLIP_BYTES, left):
            why = "the clip is too large for the page"
        else:
            source = "data:audio/mpeg;base64," + base64.b64encode(clip.read_bytes()).decode("ascii")
            left -= size
        made.append({**row, "source": source, "why": why})
    return made
