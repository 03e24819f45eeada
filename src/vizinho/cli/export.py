"""`vizinho export`: a model for onnxruntime and sherpa-onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Model


def export(
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="New folder for the export.", show_default=False)],
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights in 8 bits: a third of the size; docs/runtime.md has the cost.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Export a model to ONNX. `vizinho transcribe` and sherpa-onnx read the folder; neither needs torch then."""
    from vizinho.recognition.export import export as write
    from vizinho.store.store import Store

    exported = write(Store().resolve(model), out, "int8" if int8 else "fp32")
    size = f"{exported.folder}: {exported.precision}, {exported.megabytes:.1f} MB"
    difference = f"log-probabilities differ from the model's by {exported.largest_difference:.1e} at most"
    emit(exported, as_json, f"{size}; {difference}")
