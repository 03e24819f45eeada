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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw an experiment's results as one self-contained page."""
    from vizinho.report.page import write_report

    page = out if out is not None else results.with_name("report.html")
    write_report(results, page)
    typer.echo(json.dumps({"report": str(page)}) if as_json else str(page))
