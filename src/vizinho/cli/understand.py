"""`vizinho understand`: what a transcript is about, by a classifier trained on labelled sentences."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vizinho.cli.options import AsJson, Commands, Out, Seed


class _TextFirst(TyperGroup):
    """`vizinho understand FILE` is short for `vizinho understand text FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["text", *args]
        return super().parse_args(ctx, args)


app = Commands(cls=_TextFirst, help="Topics of a transcript; `vizinho understand FILE --classifier FOLDER`.")


@app.command()
def text(
    transcript: Annotated[
        str, typer.Argument(help="Text file, JSON of `vizinho transcribe --json`, or - for standard input.")
    ],
    classifier: Annotated[Path, typer.Option("--classifier", help="Folder of `vizinho understand train`.")],
    vectors: Annotated[
        Path | None,
        typer.Option("--vectors", help="Other vectors of the same space, such as the transcript's language's."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print topics with probabilities: one list a text file, one a transcript of the JSON."""
    from vizinho.text_models.topic_classifier import load_classifier
    from vizinho.text_models.topic_transcripts import read_transcripts

    model = load_classifier(classifier, vectors=vectors)
    content = sys.stdin.read() if transcript == "-" else _read(Path(transcript))
    found, failed = [], []
    for name, words in read_transcripts(content, transcript):
        from vizinho.errors import TextError

        try:
            topics = model.classify(words)
        except TextError as error:  # one silent recording must not cost the others
            failed.append({"id": name, "error": str(error)})
            typer.echo(f"error: {name}: {error}", err=True)
            continue
        found.append({"id": name, "topics": [{"topic": t, "probability": round(p, 4)} for t, p in topics]})
        if not as_json:
            heading = [f"{name}:"] if name != transcript else []
            typer.echo("\n".join([*heading, *(f"{p:.3f}  {t}" for t, p in topics)]))
    if as_json:
        typer.echo(json.dumps({"transcripts": found, "failed": failed}, ensure_ascii=False))
    if failed:
        raise typer.Exit(2)


@app.command()
def train(
    topics: Annotated[Path, typer.Argument(help="Table: topic, tab, document, tab, sentence.")],
    vectors: Annotated[Path, typer.Option("--vectors", help="Word vectors (.bin, .vec, .kv) or an encoder's folder.")],
    out: Out,
    test: Annotated[
        Path | None,
        typer.Option(
            "--test", help="Table to report on, perhaps in another language; its documents are not learnt from."
        ),
    ] = None,
    test_vectors: Annotated[
        Path | None,
        typer.Option("--test-vectors", help="Vectors for --test, in the same space; --vectors if not given."),
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Train a topic classifier on frozen vectors, split by documents: chosen on dev, reported on test once."""
    from dataclasses import asdict

    from vizinho.errors import ModelError
    from vizinho.text_models.topic_classifier import load_classifier, save_classifier, train_classifier
    from vizinho.text_models.topic_evaluate import score_topics
    from vizinho.text_models.topics import read_topics, split_documents
    from vizinho.vectors.sentences import load_sentences

    if out.exists():
        raise ModelError("there is something already", where=out, fix="give a new folder, or remove this one")
    examples = read_topics(topics)
    tested = read_topics(test) if test else examples
    split = split_documents([*examples, *tested], seed=seed)
    made = train_classifier(split.of(examples, "train"), split.of(examples, "dev"), load_sentences(vectors))
    save_classifier(out, made, vectors)
    reported = split.of(tested, "test")
    # What is reported on is what was written.
    kept = load_classifier(out, vectors=test_vectors)
    scores = score_topics(reported, kept.linear.predict(kept.sentences.encode([e.text for e in reported])))
    card = {**made.card, "left_out_topics": list(split.left_out), "test": asdict(scores)}
    if as_json:
        typer.echo(json.dumps({"classifier": str(out), **card}, ensure_ascii=False))
        return
    for topic in split.left_out:
        typer.echo(f"topic {topic} has too few documents and is left out", err=True)
    ends = scores.accuracy_ci, scores.macro_f1_ci
    typer.echo(
        f"{out}: {len(made.linear.topics)} topics; on {scores.sentences} sentences of {scores.documents} held-out "
        f"documents accuracy {scores.accuracy:.3f} [{ends[0].low:.3f}, {ends[0].high:.3f}], "
        f"macro-F1 {scores.macro_f1:.3f} [{ends[1].low:.3f}, {ends[1].high:.3f}]"
    )


def _read(path: Path) -> str:
    from vizinho.errors import TextError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"cannot be read ({error})", where=path, fix="give a text file in UTF-8") from error
