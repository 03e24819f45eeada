"""Draws results.json and the clips beside it as one self-contained HTML page that asks the network for nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from vizinho.errors import SpecError
from vizinho.experiment.results import (
    ArmLine,
    LineComparison,
    Results,
    WorstUtterance,
    lines_of,
    read_value,
    suspects,
)
from vizinho.experiment.spec import CONTROLS, SCRATCH, UPDATE
from vizinho.files import write_text
from vizinho.report.anatomy import ablation_chart, movement_chart, way_chart
from vizinho.report.charts import curves_chart, minutes_chart, steps_chart
from vizinho.report.drawing import looks_of
from vizinho.report.templates import template

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
"""What drawing raises for values that contradict each other, such as a comparison of a line that has no arm."""


Chart = tuple[str, str]
"""A caption, and a drawing as SVG."""


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance with its audio as a data URL, or the reason why there is none."""

    utterance: WorstUtterance
    source: str
    why: str = ""


def write_report(path: Path, out: Path) -> None:
    """Draw the results in `path` into `out`. Raises SpecError when it is not a results.json of this format."""
    results = read_value(Results, path)
    try:
        text = page(results, path.parent)
    except _MISFITS as error:
        raise SpecError(
            f"does not hold what an experiment writes ({type(error).__name__}: {error})",
            where=path,
            fix="run `vizinho experiment` again: arms that are finished are not trained again",
        ) from error
    write_text(out, text)


def page(results: Results, folder: Path) -> str:
    """The page as text; everything from the file is escaped. `folder` has the clips that the file names."""
    findings = suspects(results.arms)  # counted here: `pooled` of older files counts rare letters too
    families = [(title, [c for c in results.comparisons if c.family == name]) for name, title in FAMILIES.items()]
    return template("page.html.j2").render(
        results=results,
        questions=results.questions,
        charts=_charts(results),
        families=[(title, members) for title, members in families if members],
        worst=_playable(results.worst, folder),
        findings=findings,
        suspect_lines={(arm.line, arm.amount) for arm in results.arms if arm.arm in findings},
        amounts={(line.name, line.first.minutes): line.first.amount for line in lines_of(results.arms)},
        controls=CONTROLS,
    )


def _charts(results: Results) -> dict[str, list[Chart]]:
    """Charts by section; sections without anything to draw are empty."""
    questions, lines = results.questions, lines_of(results.arms)
    main = _main(lines)
    updates = [row.line for row in questions.adjustments.rows if row.kind == UPDATE]
    looks = looks_of([*(line.name for line in lines if (line.name, line.first.minutes) in main), *updates])
    pooled = [row for row in results.pooled if (row.line, row.minutes) in main]
    charts: dict[str, list[Chart]] = {
        "minutes": [("", minutes_chart(pooled, looks))],
        "curves": [],
        "steps": [],
        "movement": [],
        "retention": [],
        "ablation": [],
    }
    amounts = {line.first.minutes: line.first.amount for line in lines}
    for number, (minutes, amount) in enumerate(amounts.items()):

        def here(line: str, at: float, minutes: float = minutes) -> bool:
            return at == minutes and (line, at) in main

        caption = f"{minutes:g} minutes of target speech"
        shown = [line for line in lines if here(line.name, line.first.minutes)]
        # Amounts that scratch alone was given stand in the chart over minutes, not in one of their own.
        if any(line.first.start != SCRATCH for line in shown) or len(amounts) == 1:
            charts["curves"].append((caption, curves_chart(shown, looks, f"curves{number}")))
        steps = [row for row in questions.steps_to_target.rows if here(row.line, row.minutes)]
        charts["steps"].append((caption, steps_chart(steps, looks, f"steps{number}")))
        moved = [row for row in questions.adjustments.rows if row.amount == amount]
        # Updates are no lines of the experiment, yet show what training moves without a new language.
        moved = [row for row in moved if (row.line, minutes) in main or row.kind == UPDATE]
        charts["movement"].append((caption, movement_chart(moved, looks, f"movement{number}")))
        retained = [row for row in questions.retention.rows if here(row.line, row.minutes)]
        charts["retention"].append((caption, way_chart(retained, looks, f"way{number}")))
        charts["ablation"] += _ablations(results.comparisons, lines, minutes, number)
    return {section: [chart for chart in drawn if chart[1]] for section, drawn in charts.items()}


def _main(lines: Sequence[ArmLine]) -> set[tuple[str, float]]:
    """What charts show: all lines if few, else scratch by its own recipe and each donor and stage by its first."""
    shown = [line for line in lines if line.first.kind not in CONTROLS]
    if len({line.name for line in shown}) > FEW_LINES:
        first: dict[tuple[str, float], ArmLine] = {}
        for line in shown:
            first.setdefault((line.first.start, line.first.minutes), line)
        shown = list(first.values())
    return {(line.name, line.first.minutes) for line in shown}


def _ablations(
    comparisons: Sequence[LineComparison], lines: Sequence[ArmLine], minutes: float, number: int
) -> list[Chart]:
    charts = []
    recipes = [c for c in comparisons if c.family == "recipes" and c.metric == "cer" and c.minutes == minutes]
    for place, start in enumerate(dict.fromkeys(line.first.start for line in lines if line.first.start != SCRATCH)):
        names = [line.name for line in lines if line.first.start == start and line.first.minutes == minutes]
        if len(names) > 1:
            among = [c for c in recipes if c.a in names and c.b in names]
            drawing = ablation_chart(among, names[0], f"ablation{number}-{place}")
            charts.append((f"{minutes:g} minutes of target speech", drawing))
    return charts


def _playable(worst: Sequence[WorstUtterance], folder: Path) -> list[Clip]:
    left, clips = ALL_CLIPS_BYTES, []  # worst first: a page that is full lacks the less bad ones
    for utterance in worst:
        path = folder / utterance.clip
        size = path.stat().st_size if path.is_file() else None
        if size is None:
            clips.append(Clip(utterance, "", "the clip is not beside the results"))
        elif size > min(CLIP_BYTES, left):
            clips.append(Clip(utterance, "", "the clip is too large for the page"))
        else:
            audio = base64.b64encode(path.read_bytes()).decode("ascii")
            clips.append(Clip(utterance, f"data:audio/mpeg;base64,{audio}"))
            left -= size
    return clips
