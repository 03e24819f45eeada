"""CER by minutes of both tests of the case study, as an SVG.

python examples/people/plot.py examples/people/mixed.json docs/people.svg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt

LINES = {"scratch": "#888888", "en": "#d55e00", "es": "#0072b2", "pooled": "#009e73"}
TITLES = {"words": "words, one speaker", "sentences": "sentences, seven people"}
NOTHING = 0.4
"""Place of the untrained donor on the logarithmic axis of minutes."""


def main(options: argparse.Namespace) -> None:
    rates = json.loads(options.results.read_text(encoding="utf-8"))["rates"]
    # Letters stay text; without salt and date, equal results would make another file each time.
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": "people", "font.size": 9}):
        drawn, panels = plt.subplots(1, 2, figsize=(7.6, 3.2), sharey=True)
        for axes, (track, title) in zip(panels, TITLES.items(), strict=True):
            for name, colour in LINES.items():
                trained = [r for r in rates if r["track"] == track and r["line"] == name]
                untrained = [r for r in rates if r["track"] == track and r["line"] == f"{name}, untrained"][:1]
                rows = untrained + sorted(trained, key=lambda r: r["minutes"])
                places = [NOTHING] * len(untrained) + [r["minutes"] for r in rows[len(untrained) :]]
                bars = [[r["cer"] - r["cer_ci"][0] for r in rows], [r["cer_ci"][1] - r["cer"] for r in rows]]
                axes.errorbar(
                    places, [r["cer"] for r in rows], bars, color=colour, marker="o", markersize=3, label=name
                )
            axes.set_xscale("log")
            axes.set_xticks([NOTHING, 1, 8, 30], ["untrained", "1", "8", "30"])
            axes.minorticks_off()
            axes.set(title=title, xlabel="minutes of Portuguese")
            axes.grid(alpha=0.3)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        panels[0].set(ylabel="CER, 95 % intervals", ylim=(0, 1.1))
        panels[1].legend(frameon=False, fontsize=8)
        drawn.savefig(options.svg, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="JSON that tracks.py wrote")
    parser.add_argument("svg", type=Path)
    main(parser.parse_args())
