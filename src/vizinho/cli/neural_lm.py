"""`vizinho neural`: language models with LSTM layers, trained, moved to another language, evaluated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli.options import AsJson, Commands, DryRun, Fresh, Out, Quiet, Seed, Threads

if TYPE_CHECKING:
    from vizinho.text_models.lstm_job import LmJob

app = Commands(help="Neural language models: train, move to another language, evaluate.")
Texts = Annotated[list[Path], typer.Argument(help="Text files, one sentence a line.", show_default=False)]
Dev = Annotated[
    list[Path] | None, typer.Option("--dev", help="Text to choose on; a part of the texts is held out if not given.")
]
Words = Annotated[int, typer.Option("--words", help="Most words in the list; the others count as unknown.")]
Steps = Annotated[int, typer.Option("--steps", help="Optimiser steps of about 1,000 words.")]
Rate = Annotated[float, typer.Option("--rate", help="Peak learning rate.")]
Samples = Annotated[int, typer.Option("--samples", help="Words the right one is told from at a step; 0 for all.")]


@app.command()
def train(
    texts: Texts,
    lang: Annotated[str, typer.Option("--lang", help="Language of the texts, such as es.")],
    out: Out,
    dev: Dev = None,
    words: Words = 10_000,
    width: Annotated[int, typer.Option("--width", help="Components of a word's row.")] = 128,
    hidden: Annotated[int, typer.Option("--hidden", help="Cells of a layer.")] = 128,
    layers: Annotated[int, typer.Option("--layers", help="LSTM layers.")] = 2,
    steps: Steps = 1500,
    rate: Rate = 3e-3,
    samples: Samples = 1024,
    seed: Seed = 1,
    threads: Threads = 1,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a model that predicts the next word."""
    from vizinho.text_models.lstm import Architecture
    from vizinho.text_models.lstm_job import LmJob
    from vizinho.text_models.lstm_training import LmOptions

    shape = Architecture(width=width, hidden=hidden, layers=layers)
    options = LmOptions(steps=steps, learning_rate=rate, samples=samples, seed=seed, threads=threads)
    make(
        LmJob(lang, tuple(texts), tuple(dev or ()), shape, words, options=options),
        out,
        fresh=fresh,
        quiet=quiet,
        as_json=as_json,
    )


@app.command()
def transfer(
    donor: Annotated[Path, typer.Argument(help="Folder of the model to start from.")],
    texts: Texts,
    to: Annotated[str, typer.Option("--to", help="Target language, such as pt.")],
    out: Out,
    dev: Dev = None,
    words: Words = 10_000,
    new_rows: Annotated[
        str, typer.Option("--new-rows", help="How words the donor lacks start: features (neighbours) or fresh.")
    ] = "features",
    donor_vectors: Annotated[
        Path | None, typer.Option("--donor-vectors", help="The donor language's static vectors (.bin, .vec).")
    ] = None,
    target_vectors: Annotated[
        Path | None, typer.Option("--target-vectors", help="The target language's; both, or spelling alone decides.")
    ] = None,
    dictionary: Annotated[
        Path | None, typer.Option("--dictionary", help="Pairs to align vectors by: donor word, tab, target word.")
    ] = None,
    row: Annotated[
        list[str] | None, typer.Option("--row", help="Start a word from one of the donor's: com=con; repeatable.")
    ] = None,
    steps: Steps = 600,
    rate: Rate = 3e-3,
    samples: Samples = 1024,
    seed: Seed = 1,
    threads: Threads = 1,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Move a language model to another language: the body as it is, each word's row by the transfer plan."""
    from vizinho.cli.train import row_overrides
    from vizinho.text_models.lstm_job import LmJob, Start
    from vizinho.text_models.lstm_training import LmOptions
    from vizinho.transfer.tokens import RowOptions

    rows = RowOptions(new_rows, row_overrides(row or []))
    start = Start(donor, rows, target_vectors, donor_vectors, dictionary)
    options = LmOptions(steps=steps, learning_rate=rate, samples=samples, seed=seed, threads=threads)
    job = LmJob(to, tuple(texts), tuple(dev or ()), vocabulary=words, start=start, options=options)
    make(job, out, fresh=fresh, quiet=quiet, as_json=as_json, dry_run=dry_run)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a model.")],
    texts: Texts,
    as_json: AsJson = False,
) -> None:
    """Perplexity of a model on a text."""
    from dataclasses import asdict

    from vizinho.text_models.lstm_folder import load_model
    from vizinho.text_models.lstm_scores import perplexity
    from vizinho.text_models.texts import read_texts

    trained = load_model(model)
    read = read_texts(texts, trained.normalizer)
    name_set_aside(read.set_aside)
    found = perplexity(trained, read.sentences)
    if as_json:
        typer.echo(json.dumps({"model": str(model), **asdict(found), "set_aside": list(read.set_aside)}))
        return
    low, high = found.interval
    typer.echo(f"perplexity {found.perplexity:.1f} [{low:.1f}, {high:.1f}] over {found.words:,} words")
    typer.echo(f"{found.unknown_share:.1%} unknown words; {found.open_perplexity:.1f} with these spelt out")


def make(job: LmJob, out: Path, *, fresh: bool, quiet: bool, as_json: bool, dry_run: bool = False) -> None:
    """Run a job and say what came of it."""
    from vizinho.cli.train import show_plan
    from vizinho.progress import bar
    from vizinho.text_models.lstm_folder import check_destination
    from vizinho.text_models.lstm_job import make_ready, run

    check_destination(out)
    ready = make_ready(job)
    name_set_aside(ready.texts.set_aside)
    if ready.plan is not None and (dry_run or not as_json):
        show_plan(ready.plan, as_json, most=None if dry_run else _SHOWN_ROWS)
    if dry_run:
        return
    log = (lambda _line: None) if quiet else (lambda line: typer.echo(line, err=True))
    with bar(f"training {out.name}", job.options.steps) as advance:
        result = run(ready, out, fresh=fresh, progress=advance, log=log)
    made: dict[str, Any] = {
        "model": str(out),
        "words": len(ready.trained.words),
        "running_words": sum(map(len, ready.data.train)),
        "best_step": result.best_step,
        "dev_perplexity": result.best_perplexity,
        "plan": ready.plan.counts() if ready.plan else None,
        "set_aside": list(ready.texts.set_aside),
    }
    typer.echo(
        json.dumps(made, ensure_ascii=False)
        if as_json
        else f"{out}: {made['words']:,} words learnt from {made['running_words']:,} running words; dev perplexity "
        f"{result.best_perplexity:.1f} at step {result.best_step} (used for choosing; not a test result)"
    )


_SHOWN_ROWS = 40


def name_set_aside(lines: tuple[str, ...]) -> None:
    """Say which lines of a text could not be read as words."""
    for line in lines:
        typer.echo(f"set aside {line}", err=True)
