"""Charts of what happened to the weights and of what each part of a recipe is worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vizinho.experiment.results import Adjusted, LineComparison, Retention
from vizinho.report.drawing import INK, Looks, figure, horizontal, legend, svg
from vizinho.report.maps import COLOURS


def movement_chart(rows: Sequence[Adjusted], looks: Looks, name: str) -> str:
    """Relative distance of each layer from its start, lines side by side, deviation over seeds as whiskers."""
    if not rows:
        return ""
    drawn, axes = figure()
    layers = list(rows[0].layers)
    width = 0.8 / len(rows)
    for number, row in enumerate(rows):
        spreads = [row.layers[layer] for layer in layers]
        # The bars of a layer stand side by side, centred on its tick.
        places = np.arange(len(layers)) + (number - (len(rows) - 1) / 2) * width
        axes.bar(places, [s.mean for s in spreads], width * 0.92, yerr=[s.deviation for s in spreads],
                 color=looks[row.line]["color"], label=row.line, error_kw={"elinewidth": 1, "ecolor": INK})  # fmt: skip
    axes.set_xticks(range(len(layers)), layers)
    axes.set(ylabel="relative distance moved")
    legend(axes)
    return svg(drawn, axes, name, "How far each layer moved from its start")


def way_chart(rows: Sequence[Retention], looks: Looks, name: str) -> str:
    """CER of the target (drawn through) and of the donor's language (dashed) between both sets of weights."""
    rows = [row for row in rows if row.way]
    if not rows:
        return ""
    drawn, axes = figure()
    for row in rows:
        target = [(point.place, point.cer) for point in row.way]
        donor = [(point.place, point.donor_cer) for point in row.way if point.donor_cer is not None]
        for points, dashes, language in ((target, "-", "target"), (donor, "--", row.lang or "")):
            if not points:
                continue
            places, means = [place for place, _ in points], np.array([s.mean for _, s in points])
            spread = np.array([s.deviation for _, s in points])
            colour = looks[row.line]["color"]
            axes.plot(places, means, dashes, color=colour, label=f"{row.line}: {language}", linewidth=2, marker="o",
                      markersize=4)  # fmt: skip
            axes.fill_between(places, means - spread, means + spread, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="from the start's weights (0) to the trained ones (1)", ylabel="CER")
    axes.set_ylim(bottom=0)
    legend(axes)
    return svg(drawn, axes, name, "CER of both languages between the donor's and the target's weights")


def ablation_chart(comparisons: Sequence[LineComparison], reference: str, name: str) -> str:
    """Relative difference in CER of each recipe from a start's first one, with intervals; "" where there is one."""
    rows = [row for c in comparisons if (row := _against(c, reference)) is not None]
    if not rows:
        return ""
    drawn, axes = figure(0.9 + 0.42 * len(rows))
    for place, (_, value, low, high, decided) in enumerate(rows):
        colour = COLOURS[6] if not decided else COLOURS[2] if value < 0 else COLOURS[1]
        axes.barh(place, value, color=colour, height=0.6, alpha=0.8)
        axes.plot([low, high], [place, place], color=INK, linewidth=1.5, marker="|", markersize=8)
    horizontal(axes, [row[0] for row in rows], f"CER against {reference}, per cent (left is better)")
    axes.axvline(0, color=INK, linewidth=1)
    return svg(drawn, axes, name, f"What each recipe changes against {reference}")


def _against(c: LineComparison, reference: str) -> tuple[str, float, float, float, bool] | None:
    """(line, difference, interval, whether it is significant) in per cent of the reference's CER."""
    if c.relative is None or c.relative_ci is None or reference not in (c.a, c.b):
        return None
    low, value, high = c.relative_ci[0], c.relative, c.relative_ci[1]
    if c.a == reference:  # turned round: (a / b - 1) to (b / a - 1)
        if min(low, value, high) <= -1:
            return None
        low, value, high = (1 / (1 + x) - 1 for x in (high, value, low))
    return (c.b if c.a == reference else c.a, 100 * value, 100 * low, 100 * high, c.better is not None)
