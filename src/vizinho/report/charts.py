"""Charts as SVG text; colours come from the page's CSS so that they are legible in light and in dark."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("svg")
from matplotlib import pyplot as plt

# Okabe & Ito's palette: distinct for colour-blind readers and on both backgrounds.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_INK = "#777777"
Arm = dict[str, Any]


def curves_chart(arms: Sequence[Arm]) -> str:
    """Dev CER against steps: one line a start and amount of speech, a band from the worst to the best seed."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for colour, (label, group) in zip(COLOURS, _groups(arms).items(), strict=False):
        shared = min(len(arm["curve"]) for arm in group)
        steps = [point["step"] for point in group[0]["curve"][:shared]]
        rates = np.array(
            [[p["dev_cer"] if p["dev_cer"] is not None else np.nan for p in a["curve"][:shared]] for a in group]
        )
        axes.plot(steps, rates.mean(axis=0), color=colour, label=label, linewidth=2)
        axes.fill_between(steps, rates.min(axis=0), rates.max(axis=0), color=colour, alpha=0.2, linewidth=0)
    axes.set(xlabel="steps", ylabel="CER on dev")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, labelcolor=_INK)
    return _svg(figure, axes)


def movement_chart(arms: Sequence[Arm]) -> str:
    """Relative distance of each layer from its start, mean over seeds, donors side by side; "" where none was moved."""
    groups = {label: group for label, group in _groups(arms).items() if group[0]["movement"]}
    if not groups:
        return ""
    figure, axes = plt.subplots(figsize=(7, 3.5))
    width = 0.8 / len(groups)
    for place, (colour, (label, group)) in enumerate(zip(COLOURS, groups.items(), strict=False)):
        layers = [layer["layer"] for layer in group[0]["movement"]["layers"]]
        rates = np.array([[layer["relative_distance"] for layer in arm["movement"]["layers"]] for arm in group])
        axes.bar(np.arange(len(layers)) + place * width, rates.mean(axis=0), width, color=colour, label=label)
        axes.set_xticks(np.arange(len(layers)) + 0.4 - width / 2, layers)
    axes.set(ylabel="relative distance moved")
    axes.legend(frameon=False, labelcolor=_INK)
    return _svg(figure, axes)


def _groups(arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    several = len({arm["minutes_asked"] for arm in arms}) > 1
    groups: dict[str, list[Arm]] = {}
    for arm in arms:
        recipe = "" if arm["recipe"] in ("default", "scratch") else f", {arm['recipe']}"
        label = f"{arm['start']}{recipe}" + (f", {arm['minutes']:g} min" if several else "")
        groups.setdefault(label, []).append(arm)
    return groups


def _svg(figure: Any, axes: Any) -> str:
    axes.tick_params(colors=_INK)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    for side, spine in axes.spines.items():
        spine.set_color(_INK)
        spine.set_visible(side in ("left", "bottom"))
    axes.grid(alpha=0.25, color=_INK)
    axes.set_axisbelow(True)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
