"""How charts look: SVG text whose letters are text and whose colours come from the page, for light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

from vizinho.report.maps import COLOURS

INK = "#123456"
"""Stands for the page's soft ink until the SVG is written."""
_STYLES = ("-", "--", ":", "-.")
Looks = Mapping[str, dict[str, Any]]
WIDTH = 5.4
"""Inches. Narrow, so that letters are still legible where a phone scales the chart down."""


def figure(height: float = 3.4) -> tuple[Any, Any]:
    """A figure and its axes."""
    # Letters as text, not as outlines: they can be searched, and take the page's font.
    with plt.rc_context({"svg.fonttype": "none"}):
        drawn, axes = plt.subplots(figsize=(WIDTH, height))
    return drawn, axes


def looks_of(names: Sequence[str]) -> Looks:
    """Colour and dashes of each line of the experiment, the same in all charts of a page."""
    return {
        name: {"color": COLOURS[i % len(COLOURS)], "linestyle": _STYLES[i // len(COLOURS) % len(_STYLES)]}
        for i, name in enumerate(dict.fromkeys(names))
    }


def legend(axes: Any, columns: int = 2) -> None:
    """A legend above the chart, where it hides nothing."""
    axes.legend(
        frameon=False, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, fontsize=9,
        borderaxespad=0.2, handlelength=2.8, columnspacing=1.2,
    )  # fmt: skip


def horizontal(axes: Any, names: Sequence[str], label: str) -> None:
    """Names down the side, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set(xlabel=label)


def svg(drawn: Any, axes: Any, name: str, title: str) -> str:
    """The figure as an SVG element that a screen reader calls `title`; `name` keeps ids apart on one page."""
    axes.tick_params(colors=INK, labelsize=9, which="both")
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
        label.set_size(10)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    axes.grid(alpha=0.2, color=INK)
    axes.set_axisbelow(True)
    buffer = io.StringIO()
    # The salt makes the ids inside equal in every run; without the date, equal results make equal pages.
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        drawn.savefig(buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    plt.close(drawn)
    text = buffer.getvalue()
    # Ids are made unique on the page; fonts and colours are the page's, which knows light from dark.
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px system-ui, sans-serif", text)
    text = text.replace(INK, "var(--soft)")
    for number, colour in enumerate(COLOURS):
        text = text.replace(colour, f"var(--c{number})")
    title = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
