"""`vizinho vectors`: word vectors trained, looked at, and turned from one language onto another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Commands, Seed, Threads

app = Commands(help="Word vectors: train, look at, and align between languages.")
File = Annotated[Path, typer.Option("--vectors", help="Vectors: word2vec's .bin or .vec, or gensim's .kv.")]


@app.command()
def train(
    texts: Annotated[list[Path], typer.Argument(help="Text files, one sentence a line.")],
    out: Annotated[Path, typer.Option("--out", help="File to write: .bin, .vec or .kv.")],
    fasttext: Annotated[bool, typer.Option("--fasttext", help="fastText instead of word2vec.")] = False,
    dim: Annotated[int, typer.Option("--dim", help="Components of a vector.")] = 100,
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the text.")] = 5,
    window: Annotated[int, typer.Option("--window", help="Words on either side that count as context.")] = 5,
    min_count: Annotated[int, typer.Option("--min-count", help="Occurrences a word needs.")] = 5,
    seed: Seed = 1,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Train vectors on raw text; the same command again goes on with an interrupted training."""
    from vizinho.errors import TextError
    from vizinho.progress import bar
    from vizinho.vectors.static import VectorOptions, check_suffix, save_vectors, tokenize, train_vectors

    check_suffix(out)
    lines: list[str] = []
    for path in texts:
        if not path.is_file():
            raise TextError("no such text file", where=str(path), fix="check the path")
        lines += path.read_text(encoding="utf-8").splitlines()
    kind: Any = "fasttext" if fasttext else "word2vec"
    options = VectorOptions(kind, dim, window, min_count, epochs, seed=seed, threads=threads)
    sentences = tokenize(lines)
    with bar("training vectors", epochs) as advance:
        made = train_vectors(sentences, options, progress=advance, state=out.with_name(f".{out.name}.training"))
    save_vectors(out, made)
    found = {"vectors": str(out), "words": len(made.words), "dim": dim, "running_words": sum(map(len, sentences))}
    _say(found, as_json, f"{out}: {len(made.words):,} words from {found['running_words']:,} running words")


@app.command()
def neighbours(
    word: Annotated[str, typer.Argument(help="Word to look around.")],
    vectors: File,
    count: Annotated[int, typer.Option("--count", help="Words to show.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the nearest words by cosine."""
    from vizinho.vectors.explore import neighbours as nearest
    from vizinho.vectors.static import load_vectors

    found = nearest(load_vectors(vectors), word, count)
    _say({"word": word, "neighbours": _pairs(found)}, as_json, _lines(found))


@app.command()
def analogy(
    a: Annotated[str, typer.Argument(help="As A ...")],
    b: Annotated[str, typer.Argument(help="... is to B,")],
    c: Annotated[str, typer.Argument(help="so is C to which word?")],
    vectors: File,
    as_json: AsJson = False,
) -> None:
    """Find what is to C as B is to A."""
    from vizinho.vectors.explore import analogy as solve
    from vizinho.vectors.static import load_vectors

    found = solve(load_vectors(vectors), a, b, c)
    _say({"a": a, "b": b, "c": c, "answers": _pairs(found)}, as_json, _lines(found))


@app.command()
def show(
    words: Annotated[list[str], typer.Argument(help="Words to put under one another.")],
    vectors: File,
    svg: Annotated[Path | None, typer.Option("--svg", help="Also write the picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw words as rows of coloured boxes, one a component; components that all words share are marked."""
    from rich.console import Console
    from rich.text import Text

    from vizinho.files import write_text
    from vizinho.vectors.explore import bands, boxes, colour, draw_boxes, sign
    from vizinho.vectors.static import load_vectors

    found = boxes(load_vectors(vectors), words)
    if svg is not None:
        write_text(svg, draw_boxes(found))
    if as_json:
        rows = {w: [round(float(v), 4) for v in row] for w, row in zip(found.words, found.values, strict=True)}
        places = [i for i, together in enumerate(found.shared) if together]
        typer.echo(json.dumps({"words": rows, "shared": places, "floor": round(found.floor, 4)}, ensure_ascii=False))
        return
    console, label = Console(highlight=False), max(map(len, found.words)) + 1
    coloured = console.color_system is not None
    for run in bands(found, max(10, console.width - label)):
        for word, row in zip(found.words, found.values, strict=True):
            line = Text(word.ljust(label))
            for i in run:
                value = float(row[i])
                line.append("█" if coloured else sign(value), style=colour(value))
            console.print(line, no_wrap=True, overflow="crop")
        console.print(Text(" " * label + "".join("▀" if found.shared[i] else " " for i in run)), no_wrap=True)
    typer.echo(
        f"{sum(found.shared)} of {len(found.shared)} components are shared (blue above the mean, orange below); "
        f"{found.floor * len(found.shared):.1f} by {len(found.words)} words at random"
    )


@app.command()
def align(
    donor: Annotated[Path, typer.Argument(help="Vectors to turn.")],
    target: Annotated[Path, typer.Argument(help="Vectors they are turned onto.")],
    out: Annotated[Path, typer.Option("--out", help="File for the turned vectors: .bin, .vec or .kv.")],
    seeds: Annotated[int, typer.Option("--seeds", help="Most words spelt alike that the turn is learnt from.")] = 1500,
    dictionary: Annotated[
        Path | None, typer.Option("--dictionary", help="Pairs to learn from instead: donor word, tab, target word.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn one language's vectors onto another's (orthogonal Procrustes); both files then share a space."""
    from vizinho.vectors.align import identical_seeds, normalize, procrustes, read_dictionary, width_checked
    from vizinho.vectors.static import WordVectors, check_suffix, load_vectors, save_vectors

    check_suffix(out)
    theirs, ours = load_vectors(donor), load_vectors(target)
    width_checked(theirs, ours)
    pairs = read_dictionary(dictionary, ours, theirs) if dictionary else identical_seeds(ours, theirs, seeds, set())
    first, second = normalize(ours.matrix), normalize(theirs.matrix)
    rotation = procrustes(second[[theirs.row(b) for _, b in pairs]], first[[ours.row(a) for a, _ in pairs]])
    save_vectors(out, WordVectors(theirs.words, second @ rotation))
    normal = out.with_name(f"{target.stem}.normal{out.suffix}")
    save_vectors(normal, WordVectors(ours.words, first))
    found = {"vectors": str(out), "target": str(normal), "seeds": len(pairs)}
    _say(found, as_json, f"{out} and {normal} share one space, learnt from {len(pairs)} pairs")


@app.command()
def evaluate(
    donor: Annotated[Path, typer.Argument(help="Vectors of the words to translate.")],
    target: Annotated[Path, typer.Argument(help="Vectors among which translations are sought.")],
    dictionary: Annotated[Path, typer.Option("--dictionary", help="Pairs to test on: donor word, tab, target word.")],
    seed_dictionary: Annotated[
        Path | None,
        typer.Option("--seed-dictionary", help="Pairs to learn the turn from; words spelt alike if not given."),
    ] = None,
    candidates: Annotated[
        int, typer.Option("--candidates", help="Most frequent target words to choose among.")
    ] = 10_000,
    as_json: AsJson = False,
) -> None:
    """Translate words unmapped, by a floor and aligned: precision at 1 by frequency, and how alike the spaces are."""
    from dataclasses import asdict

    from vizinho.cli.emit import markdown
    from vizinho.vectors.align import identical_seeds, read_dictionary
    from vizinho.vectors.static import load_vectors
    from vizinho.vectors.translation import evaluate_alignment

    theirs, ours = load_vectors(donor), load_vectors(target)
    tested = read_dictionary(dictionary, ours, theirs)
    known = {word for pair in tested for word in pair}
    seeds = (
        read_dictionary(seed_dictionary, ours, theirs)
        if seed_dictionary
        else identical_seeds(ours, theirs, 1500, known)
    )
    found = evaluate_alignment(ours, theirs, seeds, tested, candidates=candidates)
    if as_json:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False))
        return
    rows = [[r.mapping, r.band, r.csls.n, _share(r.csls), _share(r.nearest)] for r in found.rows]
    typer.echo(markdown(["mapping", "rank of the donor word", "n", "P@1 by CSLS", "P@1 by cosine"], rows))
    shapes = [[s.name, s.nearer, f"{s.value:.3g}", f"{s.floor:.3g}"] for s in found.shapes]
    typer.echo("\n" + markdown(["shape of the spaces", "alike is", "value", "floor"], shapes))
    typer.echo(f"\n{found.seeds} seeds; {found.untested} pairs of the dictionary could not be tested")


@app.command()
def retrieve(
    pairs: Annotated[Path, typer.Argument(help="Sentences that translate each other, a tab between.")],
    vectors: Annotated[
        Path, typer.Option("--vectors", help="Word vectors or an encoder's folder for the first side (and the second).")
    ],
    second: Annotated[
        Path | None, typer.Option("--second", help="Vectors for the second side, in the same space.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find each sentence's translation among all of the other side by its vector: precision at 1, both ways."""
    from dataclasses import asdict

    from vizinho.cli.emit import markdown
    from vizinho.errors import ModelError
    from vizinho.vectors.retrieval import distinct, read_pairs, retrieve
    from vizinho.vectors.sentences import load_sentences

    kept = distinct(read_pairs(pairs))
    first = load_sentences(vectors)
    other = load_sentences(second) if second else first
    if first.width != other.width:
        raise ModelError(f"vectors of {first.width} and of {other.width} components", fix="give vectors of one space")
    sides = first.encode([a for a, _ in kept]), other.encode([b for _, b in kept])
    found = {"csls": retrieve(*sides), "cosine": retrieve(*sides, scaled=False)}
    if as_json:
        typer.echo(json.dumps({name: asdict(r) for name, r in found.items()}))
        return
    rows = [
        [name, _share(r.forward), _share(r.back), _share(r.both), f"{r.floor:.4f}", r.forward.n]
        for name, r in found.items()
    ]
    typer.echo(markdown(["nearest by", "first to second", "second to first", "both", "floor", "n"], rows))


def _share(found: Any) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _pairs(found: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"word": w, "cosine": round(c, 4)} for w, c in found]


def _lines(found: list[tuple[str, float]]) -> str:
    return "\n".join(f"{cosine:.3f}  {word}" for word, cosine in found)


def _say(values: dict[str, Any], as_json: bool, text: str) -> None:
    emit(values, as_json, text)
