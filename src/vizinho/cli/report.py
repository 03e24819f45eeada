"""`vizinho report`: results.json in, one HTML page out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson


def report(
    results: Annotated[Path, typer.Argument(help="results.json of an experiment.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Page to write; report.html beside the results if not given.")
    ] = None,
    cards: Annotated[
        bool, typer.Option("--cards", help="Also write README.md, a model card, into the model folder of every arm.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw an experiment's results as one self-contained page."""
    from vizinho.report.model_card import write_model_cards
    from vizinho.report.page import write_report

    page = out if out is not None else results.with_name("report.html")
    write_report(results, page)
    written = [str(path) for path in write_model_cards(results)] if cards else []
    emit({"report": page, "cards": written}, as_json, map(str, (page, *written)))
