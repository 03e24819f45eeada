"""`vizinho topics`: train a classifier of topics on labelled sentences, and classify transcripts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from vizinho.cli.emit import emit, warn
from vizinho.cli.options import AsJson, Commands, Out, Seed, standard_input
from vizinho.errors import ModelError, TextError

app = Commands(help="Topics of transcripts: train a classifier, predict.")


@app.command()
def train(
    topics: Annotated[Path, Argument(help="Table: topic, tab, document, tab, sentence.")],
    vectors: Annotated[Path, Option("--vectors", help="Word vectors (.bin, .vec, .kv) or a transformer.")],
    out: Out,
    test: Annotated[
        Path | None, Option("--test", help="Table to test on, in any language; its documents are held out of training.")
    ] = None,
    test_vectors: Annotated[
        Path | None, Option("--test-vectors", help="Vectors for --test in the same space; default --vectors.")
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Train a topic classifier on frozen vectors: split by documents, chosen on dev, tested once."""
    from vizinho.text_models.topic_classifier import load_classifier, save_classifier, train_classifier
    from vizinho.text_models.topic_evaluate import score_topics
    from vizinho.text_models.topics import read_topics, split_documents
    from vizinho.vectors.sentences import load_sentences

    if out.exists():  # before minutes of training, not after
        raise ModelError("there is something already", where=out, fix="give a new folder, or remove this one")
    examples = read_topics(topics)
    test_examples = read_topics(test) if test else examples
    split = split_documents([*examples, *test_examples], seed=seed)
    trained = train_classifier(split.of(examples, "train"), split.of(examples, "dev"), load_sentences(vectors))
    save_classifier(out, trained, vectors)
    held_out = split.of(test_examples, "test")
    # The classifier is loaded again, so that the scores are those of what was written.
    saved = load_classifier(out, vectors=test_vectors)
    scores = score_topics(held_out, saved.linear.predict(saved.sentences.encode([e.text for e in held_out])))
    values = {"classifier": out, **trained.card, "left_out_topics": split.left_out, "test": asdict(scores)}
    if not as_json:
        warn(f"topic {topic} has too few documents and is left out" for topic in split.left_out)
    accuracy, macro_f1 = scores.accuracy_ci, scores.macro_f1_ci
    text = (
        f"{out}: {len(trained.linear.topics)} topics; on {scores.sentences} sentences of {scores.documents} held-out "
        f"documents accuracy {scores.accuracy:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}], "
        f"macro-F1 {scores.macro_f1:.3f} [{macro_f1.low:.3f}, {macro_f1.high:.3f}]"
    )
    emit(values, as_json, text)


@app.command()
def predict(
    transcript: Annotated[str, Argument(help="Text file, JSON of `vizinho transcribe`, or - for standard input.")],
    classifier: Annotated[Path, Option("--classifier", help="Folder of `vizinho topics train`.")],
    vectors: Annotated[
        Path | None, Option("--vectors", help="Other vectors of the same space, such as the transcript's language's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print topics with probabilities: one list per text file, or per transcript of the JSON."""
    from vizinho.text_models.topic_classifier import load_classifier
    from vizinho.text_models.topics import read_transcripts

    model = load_classifier(classifier, vectors=vectors)
    content = standard_input().decode(errors="replace") if transcript == "-" else _read(Path(transcript))
    classified, failed = [], []
    for name, words in read_transcripts(content, transcript):
        try:
            topics = model.classify(words)
        except TextError as error:  # one silent recording must not cost the others
            failed.append({"id": name, "error": str(error)})
            warn([f"error: {name}: {error}"])
            continue
        classified.append({"id": name, "topics": [{"topic": t, "probability": round(p, 4)} for t, p in topics]})
        if not as_json:
            heading = [f"{name}:"] if name != transcript else []
            typer.echo("\n".join([*heading, *(f"{probability:.3f}  {topic}" for topic, probability in topics)]))
    emit({"transcripts": classified, "failed": failed}, as_json)
    if failed:
        raise typer.Exit(2)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"cannot be read ({error})", where=path, fix="give a text file in UTF-8") from error
