"""`vizinho vectors transformer`: encoders trained from scratch, tuned on sentence pairs, and looked at."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="Vectors from transformers: train one, tune it, look at words and sentences.")
Out = Annotated[Path, typer.Option("--out", help="Folder to write.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything random.")]
Threads = Annotated[int, typer.Option("--threads", help="Torch threads.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No log lines on standard error; the bar stays.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def train(
    texts: Annotated[list[Path], typer.Argument(help="Text files of one or more languages, one sentence a line.")],
    out: Out,
    steps: Annotated[int, typer.Option("--steps", help="Optimiser steps.")] = 1500,
    dim: Annotated[int, typer.Option("--dim", help="Components of a vector.")] = 192,
    layers: Annotated[int, typer.Option("--layers", help="Transformer layers.")] = 3,
    vocabulary: Annotated[int, typer.Option("--pieces", help="Pieces of the joint vocabulary.")] = 8000,
    fresh_embeddings: Annotated[
        bool, typer.Option("--fresh-embeddings", help="Do not start the piece embeddings from word2vec.")
    ] = False,
    seed: Seed = 1,
    threads: Threads = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a small masked language model from scratch on the texts together; an interrupted run goes on."""
    from vizinho.errors import TextError
    from vizinho.progress import bar
    from vizinho.training.encoder_loop import EncoderTraining
    from vizinho.training.encoders import make_masked
    from vizinho.training.masked import MaskedOptions

    lines: list[str] = []
    for path in texts:
        if not path.is_file():
            raise TextError("no such text file", where=str(path), fix="check the path")
        lines += path.read_text(encoding="utf-8").splitlines()
    options = MaskedOptions(
        dim=dim,
        layers=layers,
        vocabulary=vocabulary,
        start_from_word2vec=not fresh_embeddings,
        training=EncoderTraining(steps=steps, seed=seed, threads=threads),
    )
    with bar("masked language model", steps) as advance:
        card = make_masked(lines, out, options, progress=advance, log=_log(quiet))
    _say(card, as_json, f"{out}: dev loss {card['curve'][-1]['dev']:.3f} after {steps} steps, {card['pieces']} pieces")


def _log(quiet: bool) -> Any:
    return (lambda _line: None) if quiet else (lambda line: print(line, file=sys.stderr))


def _say(values: dict[str, Any], as_json: bool, text: str) -> None:
    typer.echo(json.dumps(values, ensure_ascii=False) if as_json else text)
