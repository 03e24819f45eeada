"""`vizinho vectors contextual|senses|polysemy`: a word's vector in its sentence, and what it tells apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizinho.cli.neural_lm import Dev, Rate, Samples, Steps, Texts, Words, make, name_set_aside
from vizinho.cli.options import AsJson, Fresh, Out, Quiet, Seed, Threads

if TYPE_CHECKING:
    from vizinho.text_models.contextual import Occurrence

Model = Annotated[Path, typer.Option("--model", help="Folder written by `vizinho vectors contextual`.")]
_AROUND = 6
"""Words shown on either side of an occurrence."""


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
    from vizinho.text_models.lstm import Architecture
    from vizinho.text_models.lstm_job import LmJob
    from vizinho.text_models.lstm_training import LmOptions

    shape = Architecture("characters", two_way=True, width=width, hidden=hidden)
    options = LmOptions(steps=steps, learning_rate=rate, samples=samples, seed=seed, threads=threads)
    job = LmJob(lang, tuple(texts), tuple(dev or ()), shape, words, options=options)
    make(job, out, fresh=fresh, quiet=quiet, as_json=as_json)


def senses(
    word: Annotated[str, typer.Argument(help="Word to look at.")],
    model: Model,
    corpus: Annotated[list[Path], typer.Option("--corpus", help="Text to find the word in; repeatable.")],
    groups: Annotated[int, typer.Option("--groups", help="Groups to sort its occurrences into.")] = 2,
    count: Annotated[int, typer.Option("--count", help="Occurrences to print of each group.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Sort a word's occurrences by their vectors in context: one word, two senses, two places."""
    from vizinho.text_models.contextual import senses as group
    from vizinho.text_models.lstm_folder import load_model
    from vizinho.text_models.texts import read_texts

    trained = load_model(model)
    read = read_texts(corpus, trained.normalizer)
    name_set_aside(read.set_aside)
    word = trained.normalizer(word)
    found = group(trained, word, read.sentences, groups=groups)
    lines = [[_in_context(found.occurrences[i]) for i in g.members[:count]] for g in found.groups]
    if as_json:
        made = [
            {
                "size": len(g.members),
                "occurrences": shown,
                "neighbours": [{"word": w, "cosine": round(c, 4)} for w, c in g.neighbours],
            }
            for g, shown in zip(found.groups, lines, strict=True)
        ]
        values = {
            "word": word,
            "occurrences": len(found.occurrences),
            "cosines": found.cosines,
            "silhouette": found.silhouette,
            "groups": made,
        }
        typer.echo(json.dumps(values, ensure_ascii=False))
        return
    typer.echo(
        f"{word}: {len(found.occurrences)} occurrences; cosines between their vectors {found.cosines[0]:.2f} to "
        f"{found.cosines[1]:.2f}" + ("" if found.silhouette is None else f"; silhouette {found.silhouette:.3f}")
    )
    for number, (members, shown) in enumerate(zip(found.groups, lines, strict=True), 1):
        near = ", ".join(f"{w} {c:.2f}" for w, c in members.neighbours)
        typer.echo(f"\ngroup {number}: {len(members.members)} occurrences; used as {near}")
        for line in shown:
            typer.echo(f"  {line}")


def polysemy(
    model: Model,
    sentences: Annotated[
        Path | None,
        typer.Option("--sentences", help="Lines of word, sense, sentence, tabs between; the package's if not given."),
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option("--vectors", help="Static vectors (.bin, .vec) for the baseline.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well each layer tells apart the senses of words in hand-labelled sentences."""
    from dataclasses import asdict

    from vizinho.cli.emit import markdown
    from vizinho.text_models.lstm_folder import load_model
    from vizinho.text_models.polysemy import labelled_sentences, read_labelled, separation
    from vizinho.vectors.static import load_vectors

    trained = load_model(model)
    items = read_labelled(sentences, trained.normalizer) if sentences else labelled_sentences(trained.language)
    found = separation(trained, items, load_vectors(vectors) if vectors else None)
    if as_json:
        typer.echo(json.dumps({"occurrences": len(items), "methods": [asdict(f) for f in found]}, ensure_ascii=False))
        return
    words = [word for word, _ in found[0].by_word]
    head = ["vector", "nearest has the same sense", "95 %", "labels shuffled", "silhouette", "shuffled", *words]
    rows = [
        [
            f.method,
            f"{f.accuracy:.3f}",
            f"[{f.interval[0]:.3f}, {f.interval[1]:.3f}]",
            f"[{f.floor[0]:.3f}, {f.floor[1]:.3f}]",
            f"{f.silhouette:.3f}",
            f"[{f.silhouette_floor[0]:.3f}, {f.silhouette_floor[1]:.3f}]",
            *(f"{accuracy:.2f}" for _, accuracy in f.by_word),
        ]
        for f in found
    ]
    typer.echo(markdown(head, rows))
    typer.echo(f"{len(items)} occurrences of {len(words)} words")


def _in_context(occurrence: Occurrence) -> str:
    words, place = occurrence.sentence, occurrence.place
    return " ".join([*words[max(0, place - _AROUND) : place], f"[{words[place]}]", *words[place + 1 :][:_AROUND]])
