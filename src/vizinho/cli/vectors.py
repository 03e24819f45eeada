"""`vizinho vectors`: train word vectors of three kinds, look at them, align them between languages, evaluate them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from vizinho.cli.emit import emit, markdown, warn
from vizinho.cli.lm import LSTM_WORDS, needed_language, run_job, warn_skipped
from vizinho.cli.options import (
    AsJson,
    Commands,
    Dev,
    Fresh,
    Out,
    Quiet,
    Rate,
    Samples,
    Seed,
    Texts,
    Threads,
    language_tag,
    refuse_options_of_other_kinds,
)
from vizinho.errors import ModelError, SpecError, TextError
from vizinho.files import write_text

if TYPE_CHECKING:
    from vizinho.text_models.contextual import Occurrence
    from vizinho.vectors.explore import Boxes

app = Commands(help="Word vectors: train, show, align between languages, evaluate.")


class Kind(StrEnum):
    """Kinds of vectors that can be trained."""

    word2vec = "word2vec"
    fasttext = "fasttext"
    contextual = "contextual"
    transformer = "transformer"


class View(StrEnum):
    """Ways to look at words."""

    boxes = "boxes"
    neighbours = "neighbours"
    analogy = "analogy"


_STATIC = ("dim", "epochs", "window", "min_count")
_LSTM = ("dim", "lang", "dev", "vocabulary", "hidden", "steps", "rate", "samples", "fresh", "quiet")
_OPTIONS_OF = {
    "word2vec": _STATIC,
    "fasttext": _STATIC,
    "contextual": _LSTM,
    "transformer": ("dim", "layers", "vocabulary", "steps", "fresh_embeddings", "fresh", "quiet"),
}
_DEFAULT_DIM = {Kind.word2vec: 100, Kind.fasttext: 100, Kind.contextual: 128, Kind.transformer: 192}
_DEFAULT_STEPS = {Kind.contextual: 1500, Kind.transformer: 1000}
_DEFAULT_VOCABULARY = {Kind.contextual: LSTM_WORDS, Kind.transformer: 8000}
_AROUND = 6  # words shown on either side of an occurrence

File = Annotated[Path, Option("--vectors", help="Vectors: word2vec's .bin or .vec, or gensim's .kv.")]


@app.command()
def train(
    context: typer.Context,
    texts: Texts,
    out: Annotated[Path, Option("--out", help="File (word2vec, fasttext: .bin, .vec, .kv) or folder to write.")],
    kind: Annotated[
        Kind, Option("--kind", help="word2vec or fasttext: static; contextual: as ELMo; transformer: masked LM.")
    ] = Kind.word2vec,
    dim: Annotated[
        int | None,
        Option("--dim", help="Components of a vector; 100, contextual 128 per direction, transformer 192.", min=1),
    ] = None,
    epochs: Annotated[int, Option("--epochs", help="Static: epochs over the text.", min=1)] = 5,
    window: Annotated[int, Option("--window", help="Static: words of context on either side.", min=1)] = 5,
    min_count: Annotated[int, Option("--min-count", help="Static: occurrences that a word needs.", min=1)] = 5,
    lang: Annotated[
        str | None, Option("--lang", callback=language_tag, help="Contextual: language of the texts, such as es.")
    ] = None,
    dev: Dev = None,
    vocabulary: Annotated[
        int | None,
        Option("--vocabulary", help="Contextual: most words (10000). Transformer: subword pieces (8000).", min=1),
    ] = None,
    hidden: Annotated[int, Option("--hidden", help="Contextual: cells of a layer.", min=1)] = 128,
    layers: Annotated[int, Option("--layers", help="Transformer: number of layers.", min=1)] = 2,
    steps: Annotated[
        int | None, Option("--steps", help="Optimiser steps; contextual 1500, transformer 1000 if not given.", min=1)
    ] = None,
    rate: Rate = 3e-3,
    samples: Samples = 1024,
    fresh_embeddings: Annotated[
        bool, Option("--fresh-embeddings", help="Transformer: start the embeddings at random, not from word2vec.")
    ] = False,
    seed: Seed = 1,
    threads: Threads = 1,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train vectors on raw text. Repeat the command to resume an interrupted training.

    --dev, --rate and --samples belong to contextual. A transformer may read texts of several languages.
    """
    refuse_options_of_other_kinds(context, kind, _OPTIONS_OF)
    dim = dim or _DEFAULT_DIM[kind]
    steps = steps or _DEFAULT_STEPS.get(kind, 0)
    vocabulary = vocabulary or _DEFAULT_VOCABULARY.get(kind, 0)
    if kind is Kind.contextual:
        from vizinho.text_models.lstm import Architecture
        from vizinho.text_models.lstm_job import LmJob
        from vizinho.text_models.lstm_task import LmOptions

        shape = Architecture("characters", two_way=True, width=dim, hidden=hidden)
        training = LmOptions(steps=steps, learning_rate=rate, samples=samples, seed=seed, threads=threads)
        job = LmJob(needed_language(lang), tuple(texts), tuple(dev or ()), shape, vocabulary, options=training)
        run_job(job, out, fresh=fresh, quiet=quiet, as_json=as_json)
        return
    if kind is Kind.transformer:
        from vizinho.text_models.masked import MaskedOptions

        options = MaskedOptions(
            dim=dim, layers=layers, vocabulary=vocabulary, start_from_word2vec=not fresh_embeddings,
            steps=steps, seed=seed, threads=threads,
        )  # fmt: skip
        _train_transformer(texts, out, options, fresh=fresh, quiet=quiet, as_json=as_json)
        return
    from vizinho.progress import bar
    from vizinho.vectors.static import VectorOptions, check_suffix, save_vectors, tokenize, train_vectors

    check_suffix(out)
    name: Any = kind.value  # one of the two literals that VectorOptions takes
    static = VectorOptions(name, dim, window, min_count, epochs, seed=seed, threads=threads)
    sentences = tokenize(_lines_of(texts))
    with bar("training vectors", epochs) as advance:
        vectors = train_vectors(sentences, static, progress=advance, state=out.with_name(f".{out.name}.training"))
    save_vectors(out, vectors)
    words, running_words = len(vectors.words), sum(map(len, sentences))
    values = {"vectors": out, "words": words, "dim": dim, "running_words": running_words}
    emit(values, as_json, f"{out}: {words:,} words from {running_words:,} running words")


def _lines_of(texts: list[Path]) -> list[str]:
    for path in texts:
        if not path.is_file():
            raise TextError("no such text file", where=str(path), fix="check the path")
    return [line for path in texts for line in path.read_text(encoding="utf-8").splitlines()]


def _train_transformer(texts: list[Path], out: Path, options: Any, *, fresh: bool, quiet: bool, as_json: bool) -> None:
    from vizinho.progress import bar
    from vizinho.text_models.encoders import make_masked

    with bar("masked language model", options.steps) as advance:
        card = make_masked(_lines_of(texts), out, options, fresh=fresh, progress=advance, log=_log(quiet))
    best = card["best"]
    emit(card, as_json, f"{out}: dev loss {best['dev_loss']:.3f} at step {best['step']}, {card['pieces']} pieces")


def _log(quiet: bool) -> Any:
    return (lambda _line: None) if quiet else (lambda line: warn([line]))


@app.command()
def tune(
    encoder: Annotated[str, Argument(help="Folder of a transformer, or its name on the Hugging Face hub.")],
    pairs: Annotated[Path, Argument(help="Sentences that translate each other, a tab between.")],
    out: Out,
    dev: Annotated[Path | None, Option("--dev", help="Dev pairs; every twentieth pair if not given.")] = None,
    steps: Annotated[int, Option("--steps", help="Optimiser steps.", min=1)] = 400,
    rate: Rate = 3e-4,
    seed: Seed = 1,
    threads: Threads = 1,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Tune a transformer so that translations have similar vectors. Repeat the command to resume."""
    from vizinho.progress import bar
    from vizinho.text_models.contrastive import ContrastiveOptions
    from vizinho.text_models.encoders import make_contrastive
    from vizinho.vectors.retrieval import distinct, read_pairs

    train_pairs = distinct(read_pairs(pairs))
    dev_pairs = distinct(read_pairs(dev)) if dev else train_pairs[::20]
    if not dev:
        train_pairs = [pair for i, pair in enumerate(train_pairs) if i % 20]  # what dev has, train must not have
    every = max(1, min(50, steps // 4))
    options = ContrastiveOptions(
        steps=steps, learning_rate=rate, evaluate_every=every, checkpoint_every=every, threads=threads, seed=seed
    )
    with bar("tuning on pairs", steps) as advance:
        card = make_contrastive(
            encoder, train_pairs, dev_pairs, out, options, fresh=fresh, progress=advance, log=_log(quiet)
        )
    best = card["best"]
    emit(
        card,
        as_json,
        f"{out}: {1 - best['dev_missed']:.3f} of {card['dev_pairs']} dev pairs find each other, step {best['step']}",
    )


@app.command()
def show(
    words: Annotated[list[str], Argument(help="Words; for an analogy three: A is to B as C is to ...")],
    vectors: File,
    view: Annotated[
        View, Option("--as", help="boxes: one per component; neighbours: nearest words; analogy: A B C.")
    ] = View.boxes,
    count: Annotated[int, Option("--count", help="Number of nearest words to show.", min=1)] = 10,
    svg: Annotated[Path | None, Option("--svg", help="Boxes: also write the picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show words as rows of coloured boxes (shared components are marked), or words near them by cosine."""
    from vizinho.vectors.explore import analogy, boxes, draw_boxes, neighbours
    from vizinho.vectors.static import load_vectors

    wanted = {View.neighbours: 1, View.analogy: 3}.get(view, len(words))
    if len(words) != wanted:
        raise SpecError(f"{len(words)} words", where=f"vectors show --as {view}", fix=f"give {wanted}")
    loaded = load_vectors(vectors)
    if view is View.boxes:
        drawing = boxes(loaded, words)
        if svg is not None:
            write_text(svg, draw_boxes(drawing))
        _show_boxes(drawing, as_json)
        return
    if view is View.neighbours:
        nearest, values = neighbours(loaded, words[0], count), {"word": words[0]}
    else:
        nearest, values = analogy(loaded, words[0], words[1], words[2], count), dict(zip("abc", words, strict=True))
    rows = [{"word": word, "cosine": round(cosine, 4)} for word, cosine in nearest]
    key = "neighbours" if view is View.neighbours else "answers"
    emit({**values, key: rows}, as_json, (f"{cosine:.3f}  {word}" for word, cosine in nearest))


def _show_boxes(drawing: Boxes, as_json: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    from vizinho.vectors.explore import bands, colour, sign

    pairs = list(zip(drawing.words, drawing.values, strict=True))
    console, label = Console(highlight=False), max(map(len, drawing.words)) + 1
    coloured = console.color_system is not None  # without colours, signs stand for high and low
    # As many components as fit a line form a band; bands follow each other like lines of text.
    for band in () if as_json else bands(drawing, max(10, console.width - label)):
        for word, row in pairs:
            line = Text(word.ljust(label))
            for value in row[band.start : band.stop]:
                line.append("█" if coloured else sign(float(value)), style=colour(float(value)))
            console.print(line, no_wrap=True, overflow="crop")
        marks = "".join("▀" if shared else " " for shared in drawing.shared[band.start : band.stop])
        console.print(Text(" " * label + marks), no_wrap=True)
    values = {
        "words": {word: [round(float(value), 4) for value in row] for word, row in pairs},
        "shared": [i for i, shared in enumerate(drawing.shared) if shared],
        "floor": round(drawing.floor, 4),
    }
    text = (
        f"{sum(drawing.shared)} of {len(drawing.shared)} components are shared (blue above the mean, orange below); "
        f"{drawing.floor * len(drawing.shared):.1f} by {len(drawing.words)} words at random"
    )
    emit(values, as_json, text)


@app.command()
def senses(
    word: Annotated[str, Argument(help="Word to look at.")],
    model: Annotated[str, Option("--model", help="Folder of contextual vectors or of a transformer, or a hub id.")],
    corpus: Annotated[list[Path] | None, Option("--corpus", help="Contextual: text to search; repeatable.")] = None,
    sentence: Annotated[
        list[str] | None, Option("--sentence", help="Transformer: sentence with it; repeatable.")
    ] = None,
    groups: Annotated[int, Option("--groups", help="Contextual: groups to sort the occurrences into.", min=1)] = 2,
    count: Annotated[int, Option("--count", help="Contextual: occurrences of each group to print.", min=1)] = 5,
    layer: Annotated[int, Option("--layer", help="Transformer: layer, 0 the embeddings, -1 the last.")] = -1,
    as_json: AsJson = False,
) -> None:
    """Tell a word's senses apart by its vectors in context: sort its occurrences, or compare given sentences."""
    if bool(corpus) == bool(sentence):
        raise SpecError(
            "texts and sentences together" if corpus else "no text",
            where="vectors senses",
            fix="give --corpus (contextual vectors) or --sentence (a transformer)",
        )
    if corpus:
        _group_senses(word, Path(model), corpus, groups, count, as_json)
    else:
        _compare_sentences(word, model, sentence or [], layer, as_json)


def _group_senses(word: str, model: Path, corpus: list[Path], groups: int, count: int, as_json: bool) -> None:
    from vizinho.text_models.contextual import senses as group
    from vizinho.text_models.lstm_folder import load_model
    from vizinho.text_models.texts import read_texts

    trained = load_model(model)
    read = read_texts(corpus, trained.normalizer)
    warn_skipped(read.skipped)
    word = trained.normalizer(word)
    sorted_senses = group(trained, word, read.sentences, groups=groups)
    values = {
        "word": word,
        "occurrences": len(sorted_senses.occurrences),
        "cosines": sorted_senses.cosines,
        "silhouette": sorted_senses.silhouette,
        "groups": [
            {
                "size": len(sense.members),
                "occurrences": [_in_context(sorted_senses.occurrences[i]) for i in sense.members[:count]],
                "neighbours": [{"word": near, "cosine": round(cosine, 4)} for near, cosine in sense.neighbours],
            }
            for sense in sorted_senses.groups
        ],
    }
    emit(values, as_json, _sense_lines(values))


def _sense_lines(values: dict[str, Any]) -> Iterator[str]:
    low, high = values["cosines"]
    silhouette = "" if values["silhouette"] is None else f"; silhouette {values['silhouette']:.3f}"
    yield (
        f"{values['word']}: {values['occurrences']} occurrences; cosines between their vectors {low:.2f} to {high:.2f}"
        f"{silhouette}"
    )
    for number, sense in enumerate(values["groups"], 1):
        near = ", ".join(f"{row['word']} {row['cosine']:.2f}" for row in sense["neighbours"])
        yield f"\ngroup {number}: {sense['size']} occurrences; used as {near}"
        yield from (f"  {line}" for line in sense["occurrences"])


def _in_context(occurrence: Occurrence) -> str:
    words, place = occurrence.sentence, occurrence.place
    return " ".join([*words[max(0, place - _AROUND) : place], f"[{words[place]}]", *words[place + 1 :][:_AROUND]])


def _compare_sentences(word: str, encoder: str, sentences: list[str], layer: int, as_json: bool) -> None:
    import numpy as np

    from vizinho.vectors.static import tokenize
    from vizinho.vectors.transformer import load_encoder

    split, rows = tokenize(sentences), []
    for text, tokens in zip(sentences, split, strict=True):
        if word.lower() not in tokens:
            raise TextError(f"no {word!r} in it", where=text, fix="give sentences with the word")
    for vectors, tokens in zip(load_encoder(encoder, layer=layer).words(split), split, strict=True):
        row = vectors[tokens.index(word.lower())]
        rows.append(row / max(float(np.linalg.norm(row)), 1e-9))  # unit length: products are then cosines
    cosines = np.array(rows) @ np.array(rows).T
    table = markdown(
        ["", *range(1, len(rows) + 1), "sentence"],
        [[i + 1, *(f"{c:.3f}" for c in row), sentences[i]] for i, row in enumerate(cosines)],
    )
    emit({"word": word, "sentences": sentences, "cosines": np.round(cosines, 4).tolist()}, as_json, table)


@app.command()
def align(
    donor: Annotated[Path, Argument(help="Vectors to rotate.")],
    target: Annotated[Path, Argument(help="Vectors to rotate them onto.")],
    out: Annotated[Path, Option("--out", help="File for the rotated vectors: .bin, .vec or .kv.")],
    seeds: Annotated[int, Option("--seeds", help="Most identically spelt words to learn from.", min=1)] = 1500,
    dictionary: Annotated[
        Path | None, Option("--dictionary", help="Pairs to learn from instead: donor word, tab, target word.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rotate one language's vectors onto another's (orthogonal Procrustes); both files then share a space."""
    from vizinho.vectors.align import identical_seeds, normalize, procrustes, read_dictionary, width_checked
    from vizinho.vectors.static import WordVectors, check_suffix, load_vectors, save_vectors

    check_suffix(out)
    source, onto = load_vectors(donor), load_vectors(target)
    width_checked(source, onto)
    pairs = read_dictionary(dictionary, onto, source) if dictionary else identical_seeds(onto, source, seeds, set())
    onto_rows, source_rows = normalize(onto.matrix), normalize(source.matrix)
    rotation = procrustes(source_rows[[source.row(b) for _, b in pairs]], onto_rows[[onto.row(a) for a, _ in pairs]])
    save_vectors(out, WordVectors(source.words, source_rows @ rotation))
    # The target is normalised too (length, mean), so its own file would not share the space.
    normal = out.with_name(f"{target.stem}.normal{out.suffix}")
    save_vectors(normal, WordVectors(onto.words, onto_rows))
    values = {"vectors": out, "target": normal, "seeds": len(pairs)}
    emit(values, as_json, f"{out} and {normal} share one space, learnt from {len(pairs)} pairs")


@app.command()
def evaluate(
    vectors: Annotated[Path, Argument(help="Word vectors, a transformer's folder, or contextual vectors.")],
    second: Annotated[
        Path | None, Argument(help="Vectors of the target language; with --senses static vectors as a baseline.")
    ] = None,
    dictionary: Annotated[
        Path | None, Option("--dictionary", help="Translate words: pairs of donor word, tab, target word.")
    ] = None,
    seed_dictionary: Annotated[
        Path | None, Option("--seed-dictionary", help="Pairs to learn the rotation from; identical words if not given.")
    ] = None,
    candidates: Annotated[
        int, Option("--candidates", help="Most frequent target words to choose a translation from.", min=1)
    ] = 10_000,
    pairs: Annotated[Path | None, Option("--pairs", help="Retrieve translations: sentence, tab, sentence.")] = None,
    senses: Annotated[bool, Option("--senses", help="Tell labelled senses apart (contextual vectors).")] = False,
    sentences: Annotated[
        Path | None,
        Option("--sentences", help="With --senses, lines of word, sense, sentence; the package's if not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate vectors on one task, next to a chance floor: word translation, sentence retrieval or word senses."""
    if sum((dictionary is not None, pairs is not None, senses)) != 1:
        raise SpecError("not exactly one task", where="vectors evaluate", fix="give --dictionary, --pairs or --senses")
    if dictionary is not None:
        if second is None:
            raise SpecError("no target vectors", where="vectors evaluate", fix="give the target's vectors too")
        _evaluate_translation(vectors, second, dictionary, seed_dictionary, candidates, as_json)
    elif pairs is not None:
        _evaluate_retrieval(pairs, vectors, second, as_json)
    else:
        _evaluate_senses(vectors, second, sentences, as_json)


def _evaluate_translation(
    donor: Path, target: Path, dictionary: Path, seed_dictionary: Path | None, candidates: int, as_json: bool
) -> None:
    from vizinho.vectors.align import identical_seeds, read_dictionary
    from vizinho.vectors.static import load_vectors
    from vizinho.vectors.translation import evaluate_alignment

    source, onto = load_vectors(donor), load_vectors(target)
    tested = read_dictionary(dictionary, onto, source)
    if seed_dictionary:
        seeds = read_dictionary(seed_dictionary, onto, source)
    else:
        # Words of the test dictionary are left out: learning from them would make the test easy.
        seeds = identical_seeds(onto, source, 1500, {word for pair in tested for word in pair})
    result = evaluate_alignment(onto, source, seeds, tested, candidates=candidates)
    rows = [[r.mapping, r.band, r.csls.n, _share(r.csls), _share(r.nearest)] for r in result.rows]
    shapes = [[s.name, s.nearer, f"{s.value:.3g}", f"{s.floor:.3g}"] for s in result.shapes]
    lines = [
        markdown(["mapping", "rank of the donor word", "n", "P@1 by CSLS", "P@1 by cosine"], rows),
        "\n" + markdown(["shape of the spaces", "alike is", "value", "floor"], shapes),
        f"\n{result.seeds} seeds; {result.untested} pairs of the dictionary could not be tested",
    ]
    emit(result, as_json, lines)


def _evaluate_retrieval(pairs: Path, vectors: Path, second: Path | None, as_json: bool) -> None:
    from vizinho.vectors.retrieval import distinct, read_pairs, retrieve
    from vizinho.vectors.sentences import load_sentences

    sentences = distinct(read_pairs(pairs))
    first = load_sentences(vectors)
    other = load_sentences(second) if second else first
    if first.width != other.width:
        raise ModelError(f"vectors of {first.width} and of {other.width} components", fix="give vectors of one space")
    sides = first.encode([a for a, _ in sentences]), other.encode([b for _, b in sentences])
    results = {"csls": retrieve(*sides), "cosine": retrieve(*sides, scaled=False)}
    rows = [
        [name, _share(r.forward), _share(r.back), _share(r.both), f"{r.floor:.4f}", r.forward.n]
        for name, r in results.items()
    ]
    head = ["nearest by", "first to second", "second to first", "both", "floor", "n"]
    emit(results, as_json, markdown(head, rows))


def _evaluate_senses(model: Path, static: Path | None, sentences: Path | None, as_json: bool) -> None:
    from vizinho.text_models.lstm_folder import load_model
    from vizinho.text_models.polysemy import labelled_sentences, read_labelled, separation
    from vizinho.vectors.static import load_vectors

    trained = load_model(model)
    items = read_labelled(sentences, trained.normalizer) if sentences else labelled_sentences(trained.language)
    methods = separation(trained, items, load_vectors(static) if static else None)
    words = [word for word, _ in methods[0].by_word]
    head = ["vector", "nearest has the same sense", "95 %", "labels shuffled", "silhouette", "shuffled", *words]
    rows = [
        [
            m.method,
            f"{m.accuracy:.3f}",
            _interval(m.interval),
            _interval(m.floor),
            f"{m.silhouette:.3f}",
            _interval(m.silhouette_floor),
            *(f"{accuracy:.2f}" for _, accuracy in m.by_word),
        ]
        for m in methods
    ]
    lines = [markdown(head, rows), f"{len(items)} occurrences of {len(words)} words"]
    emit({"occurrences": len(items), "methods": methods}, as_json, lines)


def _interval(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"


def _share(share: Any) -> str:
    return f"{share.value:.3f} {_interval((share.low, share.high))}"
