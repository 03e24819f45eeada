"""`vizinho report`: results.json in, one HTML page out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def report(
    results: Annotated[Path, typer.Argument(help="results.json of an experiment.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Page to write; report.html beside the results if not given.")
    ] = None,
    cards: Annotated[
        bool, typer.Option("--cards", help="Also write README.md, a model card, into the model folder of every arm.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw an experiment's results as one self-contained page."""
    from vizinho.report.model_card import write_model_cards
    from vizinho.report.page import write_report

    page = out if out is not None else results.with_name("report.html")
    write_report(results, page)
    written = [str(path) for path in write_model_cards(results)] if cards else []
    if as_json:
        typer.echo(json.dumps({"report": str(page), "cards": written}))
        return
    for path in (page, *written):
        typer.echo(str(path))
