"""Prints the tables of docs/contextual.md from results.json: python examples/lm_transfer/table.py [results.json]"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vizinho.cli.emit import markdown

NAMES = {
    "scratch": "scratch",
    "es": "Spanish",
    "en": "English",
    "es_spelling": "Spanish, new words by spelling alone",
    "en_spelling": "English, new words by spelling alone",
    "es_fresh": "Spanish, new words at random",
}


def starts(result: dict[str, Any]) -> str:
    rows = []
    for name, arm in result["arms"].items():
        against = result["compared"].get(f"{name} / scratch") or {"ratio": 1.0, "interval": None}
        interval = against["interval"]
        rows.append(
            [
                NAMES[name],
                f"{arm['start_dev_perplexity']:.0f}",
                f"{arm['test_perplexity']:.1f} ({', '.join(f'{p:.1f}' for p in arm['by_seed'])})",
                f"{against['ratio']:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""),
                ", ".join("never" if s is None else str(s) for s in arm["steps_to_best_of_scratch"]),
            ]
        )
    return markdown(
        ["start", "dev at step 0", "test (each seed)", "times scratch's [95 %]", "steps to scratch's best"], rows
    )


def curves(result: dict[str, Any]) -> str:
    steps = [step for step, _ in next(iter(result["arms"].values()))["curve"]]
    rows = [[NAMES[n], *(f"{value:.0f}" for _, value in arm["curve"])] for n, arm in result["arms"].items()]
    return markdown(["start \\ step", *steps], rows)


def pairs(result: dict[str, Any]) -> str:
    rows = []
    for pair, found in result["compared"].items():
        first, second = pair.split(" / ")
        low, high = found["interval"]
        rows.append([NAMES[first], NAMES[second], f"{found['ratio']:.3f} [{low:.3f}, {high:.3f}]"])
    return markdown(["start", "against", "ratio of test perplexities [95 %]"], rows)


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("results.json")
    results = json.loads(path.read_text(encoding="utf-8"))
    print(f"rates chosen on dev: {results['rates']}; test: {results['test']['words']:,} words\n")
    for result in results["results"]:
        arm = result["arms"]["scratch"]
        print(f"{result['words']:,} words of Portuguese, {result['steps']} steps, {arm['vocabulary']:,} words listed\n")
        print(f"{starts(result)}\n\n{curves(result)}\n\n{pairs(result)}\n")


if __name__ == "__main__":
    main()
