"""Charts of what happened to the weights and of what each part of a recipe is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vizinho.report.drawing import COLOURS, INK, Looks, figure, horizontal, legend, svg

Row = dict[str, Any]


def movement_chart(rows: Sequence[Row], looks: Looks, name: str) -> str:
    """Relative distance of each layer from its start, lines side by side, deviation over seeds as whiskers."""
    if not rows:
        return ""
    drawn, axes = figure()
    layers = list(rows[0]["layers"])
    width = 0.8 / len(rows)
    for number, row in enumerate(rows):
        means = [row["layers"][layer]["mean"] for layer in layers]
        spread = [row["layers"][layer]["deviation"] for layer in layers]
        places = np.arange(len(layers)) + (number - (len(rows) - 1) / 2) * width
        axes.bar(places, means, width * 0.92, yerr=spread, color=looks[row["line"]]["color"], label=row["line"],
                 error_kw={"elinewidth": 1, "ecolor": INK})  # fmt: skip
    axes.set_xticks(range(len(layers)), layers)
    axes.set(ylabel="relative distance moved")
    legend(axes)
    return svg(drawn, axes, name, "How far each layer moved from its start")


def way_chart(rows: Sequence[Row], looks: Looks, name: str) -> str:
    """CER of the target (drawn through) and of the donor's language (dashed) between both sets of weights."""
    rows = [row for row in rows if row["way"]]
    if not rows:
        return ""
    drawn, axes = figure()
    for row in rows:
        places = [point["place"] for point in row["way"]]
        for key, dashes, what in (("cer", "-", "target"), ("donor_cer", "--", row["lang"] or "")):
            points = [(p, point[key]) for p, point in zip(places, row["way"], strict=True) if point[key] is not None]
            if not points:
                continue
            where, means = [p for p, _ in points], np.array([v["mean"] for _, v in points])
            spread = np.array([v["deviation"] for _, v in points])
            colour = looks[row["line"]]["color"]
            axes.plot(where, means, dashes, color=colour, label=f"{row['line']}: {what}", linewidth=2, marker="o",
                      markersize=4)  # fmt: skip
            axes.fill_between(where, means - spread, means + spread, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="from the start's weights (0) to the trained ones (1)", ylabel="CER")
    axes.set_ylim(bottom=0)
    legend(axes)
    return svg(drawn, axes, name, "CER of both languages between the donor's and the target's weights")


def ablation_chart(comparisons: Sequence[Row], reference: str, name: str) -> str:
    """Relative difference in CER of each recipe from a start's first one, with intervals; "" where there is one."""
    rows = [_against(c, reference) for c in comparisons]
    found = [row for row in rows if row is not None]
    if not found:
        return ""
    drawn, axes = figure(0.9 + 0.42 * len(found))
    for place, (_, value, low, high, decided) in enumerate(found):
        colour = COLOURS[6] if not decided else COLOURS[2] if value < 0 else COLOURS[1]
        axes.barh(place, value, color=colour, height=0.6, alpha=0.8)
        axes.plot([low, high], [place, place], color=INK, linewidth=1.5, marker="|", markersize=8)
    horizontal(axes, [row[0] for row in found], f"CER against {reference}, per cent (left is better)")
    axes.axvline(0, color=INK, linewidth=1)
    return svg(drawn, axes, name, f"What each recipe changes against {reference}")


def _against(c: Row, reference: str) -> tuple[str, float, float, float, bool] | None:
    """(line, difference, interval, whether it is significant) in per cent of the reference's CER."""
    if c["relative"] is None or reference not in (c["a"], c["b"]):
        return None
    low, value, high = c["relative_ci"][0], c["relative"], c["relative_ci"][1]
    if c["a"] == reference:  # turned round: (a / b - 1) to (b / a - 1)
        if min(low, value, high) <= -1:
            return None
        low, value, high = (1 / (1 + x) - 1 for x in (high, value, low))
    return (c["b"] if c["a"] == reference else c["a"], 100 * value, 100 * low, 100 * high, c["better"] is not None)
