"""`vizinho export`: a model for onnxruntime and sherpa-onnx."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="Model: a name, name@version or a model folder.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the export.", show_default=False)],
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights in 8 bits: a third of the size; docs/runtime.md has the cost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Export a model to ONNX. `vizinho transcribe` and sherpa-onnx read the folder; neither needs torch then."""
    from vizinho.recognition.export import export as write
    from vizinho.store.store import Store

    made = write(Store().resolve(model), out, "int8" if int8 else "fp32")
    if as_json:
        typer.echo(json.dumps(asdict(made) | {"folder": str(made.folder)}, ensure_ascii=False))
        return
    typer.echo(
        f"{made.folder}: {made.precision}, {made.megabytes:.1f} MB; "
        f"log-probabilities differ from the model's by {made.largest_difference:.1e} at most"
    )
