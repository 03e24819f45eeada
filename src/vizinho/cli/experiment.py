"""`vizinho experiment`: a spec in, arms trained and tested, results.json out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Fresh


def experiment(
    spec: Annotated[Path, typer.Argument(help="Experiment file (TOML; docs/experiments.md).")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for donors, arms and results.json; runs/NAME if not given.")
    ] = None,
    processes: Annotated[int, typer.Option("--processes", help="Arms trained at the same time, one core each.")] = 1,
    donors_from: Annotated[
        Path | None,
        typer.Option(
            "--donors-from", help="Folder of another experiment: donors trained there in the same way are used."
        ),
    ] = None,
    fresh: Fresh = False,
    as_json: AsJson = False,
) -> None:
    """Run a controlled experiment: every start x recipe x minutes x seed with equal budgets, tested once each.

    Running the same command again goes on where it stopped.
    """
    import shutil

    from vizinho.experiment.read_spec import read_spec
    from vizinho.experiment.run import run_experiment
    from vizinho.progress import board

    read = read_spec(spec)
    folder = out if out is not None else Path("runs") / read.name
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    with board() as show:
        results = run_experiment(read, folder, processes=processes, donors_from=donors_from, show=show)
    arms = [{**a, "test": {k: v for k, v in a["test"].items() if k != "per_utterance"}} for a in results["arms"]]
    text = f"{table(results)}\n\n{results['reading']}\n\n{folder / 'results.json'}"
    emit({**results, "arms": arms}, as_json, text)


def table(results: dict[str, Any]) -> str:
    """The pooled arms as a Markdown table; intervals are 95 %."""
    from vizinho.cli.emit import markdown

    head = ["arms", "minutes", "seeds", "steps", "CER", "WER", "steps to scratch's best"]
    rows = [
        [
            row["line"] + ("" if row["matched"] else " (unmatched)"),
            f"{row['minutes']:g}",
            row["seeds"],
            row["steps"],
            _rate(row, "cer"),
            _rate(row, "wer"),
            ", ".join("never" if s is None else str(s) for s in row["steps_to_scratch_best"]) or "-",
        ]
        for row in results["pooled"]
    ]
    return markdown(head, rows)


def _rate(row: dict[str, Any], metric: str) -> str:
    low, high = row[f"{metric}_ci"]
    return f"{row[metric]:.3f} [{low:.3f}, {high:.3f}]"
