"""`vizinho vectors contextual|senses|polysemy`: a word's vector in its sentence, and what it tells apart."""

from __future__ import annotations

from typing import Annotated

import typer

from vizinho.cli.neural_lm import (
    AsJson,
    Dev,
    Fresh,
    Out,
    Quiet,
    Rate,
    Samples,
    Seed,
    Steps,
    Texts,
    Threads,
    Words,
    make,
)


def contextual(
    texts: Texts,
    lang: Annotated[str, typer.Option("--lang", help="Language of the texts, such as es.")],
    out: Out,
    dev: Dev = None,
    words: Words = 10_000,
    width: Annotated[int, typer.Option("--width", help="Components of a layer in each direction.")] = 128,
    hidden: Annotated[int, typer.Option("--hidden", help="Cells of a layer.")] = 128,
    steps: Steps = 1500,
    rate: Rate = 3e-3,
    samples: Samples = 1024,
    seed: Seed = 1,
    threads: Threads = 1,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a model that reads both ways and spells its words, for vectors of words in context (as ELMo)."""
    from vizinho.neural.jobs import LmJob
    from vizinho.neural.model import Architecture
    from vizinho.neural.training import LmOptions

    shape = Architecture("characters", two_way=True, width=width, hidden=hidden)
    options = LmOptions(steps=steps, learning_rate=rate, samples=samples, seed=seed, threads=threads)
    job = LmJob(lang, tuple(texts), tuple(dev or ()), shape, words, options=options)
    make(job, out, fresh=fresh, quiet=quiet, as_json=as_json)
