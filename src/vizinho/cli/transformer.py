"""`vizinho vectors transformer`: encoders trained from scratch, tuned on sentence pairs, and looked at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Commands, Out, Quiet, Seed, Threads

app = Commands(help="Vectors from transformers: train one, tune it, look at words and sentences.")
Encoder = Annotated[str, typer.Option("--encoder", help="Folder of an encoder, or its name on the Hugging Face hub.")]
Layer = Annotated[int, typer.Option("--layer", help="Layer to read: 0 the embeddings, -1 the last.")]


@app.command()
def train(
    texts: Annotated[list[Path], typer.Argument(help="Text files of one or more languages, one sentence a line.")],
    out: Out,
    steps: Annotated[int, typer.Option("--steps", help="Optimiser steps.")] = 1000,
    dim: Annotated[int, typer.Option("--dim", help="Components of a vector.")] = 192,
    layers: Annotated[int, typer.Option("--layers", help="Transformer layers.")] = 2,
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
    from vizinho.text_models.encoder_loop import EncoderTraining
    from vizinho.text_models.encoders import make_masked
    from vizinho.text_models.masked import MaskedOptions

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


@app.command()
def tune(
    encoder: Annotated[str, typer.Argument(help="Folder of an encoder, or its name on the Hugging Face hub.")],
    pairs: Annotated[Path, typer.Argument(help="Sentences that translate each other, a tab between.")],
    out: Out,
    dev: Annotated[
        Path | None, typer.Option("--dev", help="Pairs to choose the weights on; every twentieth pair if not given.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", help="Optimiser steps.")] = 400,
    rate: Annotated[float, typer.Option("--rate", help="Peak learning rate.")] = 3e-4,
    seed: Seed = 1,
    threads: Threads = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tune an encoder so that translations have like vectors; an interrupted run goes on."""
    from vizinho.progress import bar
    from vizinho.text_models.contrastive import ContrastiveOptions
    from vizinho.text_models.encoder_loop import EncoderTraining
    from vizinho.text_models.encoders import make_contrastive
    from vizinho.vectors.retrieval import distinct, read_pairs

    learnt = distinct(read_pairs(pairs))
    chosen_on = distinct(read_pairs(dev)) if dev else learnt[::20]
    if not dev:
        learnt = [pair for i, pair in enumerate(learnt) if i % 20]
    every = max(1, min(50, steps // 4))
    training = EncoderTraining(steps, rate, evaluate_every=every, checkpoint_every=every, threads=threads, seed=seed)
    with bar("tuning on pairs", steps) as advance:
        card = make_contrastive(
            encoder, learnt, chosen_on, out, ContrastiveOptions(training=training), progress=advance, log=_log(quiet)
        )
    best = min(card["curve"], key=lambda point: point["dev"])
    _say(
        card,
        as_json,
        f"{out}: {1 - best['dev']:.3f} of {card['dev_pairs']} dev pairs find each other, step {best['step']}",
    )


@app.command()
def words(
    word: Annotated[str, typer.Argument(help="Word to look at.")],
    sentences: Annotated[list[str], typer.Argument(help="Sentences it stands in.")],
    encoder: Encoder,
    layer: Layer = -1,
    as_json: AsJson = False,
) -> None:
    """Show how alike a word's vectors are in several sentences (cosines)."""
    import numpy as np

    from vizinho.cli.emit import markdown
    from vizinho.errors import TextError
    from vizinho.vectors.static import tokenize
    from vizinho.vectors.transformer import load_encoder

    found = []
    split = tokenize(sentences)
    for place, sentence in enumerate(split):
        if word.lower() not in sentence:
            raise TextError(f"no {word!r} in it", where=sentences[place], fix="give sentences with the word")
    for vectors, sentence in zip(load_encoder(encoder, layer=layer).words(split), split, strict=True):
        row = vectors[sentence.index(word.lower())]
        found.append(row / max(float(np.linalg.norm(row)), 1e-9))
    cosines = np.array(found) @ np.array(found).T
    table = markdown(
        ["", *range(1, len(found) + 1), "sentence"],
        [[i + 1, *(f"{c:.3f}" for c in row), sentences[i]] for i, row in enumerate(cosines)],
    )
    _say({"word": word, "sentences": sentences, "cosines": np.round(cosines, 4).tolist()}, as_json, table)


def _log(quiet: bool) -> Any:
    return (lambda _line: None) if quiet else (lambda line: print(line, file=sys.stderr))


def _say(values: dict[str, Any], as_json: bool, text: str) -> None:
    emit(values, as_json, text)
