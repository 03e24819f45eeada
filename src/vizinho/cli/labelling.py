"""`vizinho corpus label`: what a model hears in untranscribed speech becomes a manifest to train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizinho.cli.emit import SHOWN, emit, warn
from vizinho.cli.options import AsJson, Engine, OnRay, language_tag
from vizinho.errors import CorpusError

if TYPE_CHECKING:
    from vizinho.recognition.label import Labelled
    from vizinho.records import Utterance
    from vizinho.store.store import Store


def label(
    model: Annotated[str, typer.Argument(help="Model that listens: a name, name@version or a model folder.")],
    sources: Annotated[
        list[Path],
        typer.Argument(help="Audio files, folders of them, or one manifest (JSONL).", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write.")],
    least_confidence: Annotated[
        float, typer.Option("--least-confidence", help="Leave out what was heard less surely, 0 to 1.", min=0, max=1)
    ] = 0.0,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang", callback=language_tag, help="Language of the speech; the manifest's or the model's if left out."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Split of the manifest to label; its rows become train.")
    ] = "train",
    processes: Annotated[int, typer.Option("--processes", help="Processes that listen.", min=1)] = 1,
    on_ray: OnRay = False,
    engine: Engine = "onnx",
    as_json: AsJson = False,
) -> None:
    """Pseudo-label untranscribed speech: FILE gets what the model heard, NAME.heard.jsonl all of it with confidences.

    Given again, it goes on where it stopped, and another --least-confidence needs no second hearing. Recordings that
    cannot be read are named, and the others are still labelled (exit code 2).
    """
    from vizinho.progress import bar
    from vizinho.recognition.files import Work
    from vizinho.recognition.label import LabelOptions
    from vizinho.recognition.label import label as label_speech
    from vizinho.store.store import Store

    store = Store()
    options = LabelOptions(least_confidence, processes, on_ray)
    place = store.resolve(model)
    utterances = _utterances(sources, split, lang, store, model)
    entry = store.find(model)
    with bar("listening", len(utterances)) as advance:
        made = label_speech(Work(place, engine), entry.ref if entry else place.name, utterances, out, options, advance)
    emit(made.as_json(), as_json, _lines(made))
    warn(f"error: {utterance_id}: {what}" for utterance_id, what in made.failed[:SHOWN])
    if made.failed:
        typer.echo(f"{len(made.failed)} of {len(utterances)} recordings could not be labelled", err=True)
        raise typer.Exit(2)


def _utterances(sources: list[Path], split: str, lang: str | None, store: Store, model: str) -> list[Utterance]:
    from vizinho.corpora.manifest import read_manifest, select
    from vizinho.recognition.inputs import collect
    from vizinho.recognition.label import from_files

    if any(path.suffix == ".jsonl" for path in sources):
        if len(sources) > 1:
            raise CorpusError("a manifest beside other sources", where="label", fix="label them one after another")
        return select(read_manifest(sources[0]), split=split)
    card = store.card(model)
    if lang is None and card is None:
        raise CorpusError("the language of the speech is not known", where=model, fix="give --lang, such as --lang pt")
    inputs = collect(sources)
    for suffix, count in sorted(inputs.left_out.items()):
        typer.echo(f"left out, no audio: {count} {suffix}", err=True)
    if not inputs.files:
        raise CorpusError("no audio here", where=", ".join(map(str, sources)), fix="check the paths")
    return from_files(inputs.files, lang or (card.language if card else ""))


def _lines(made: Labelled) -> Iterator[str]:
    yield f"{made.manifest}: {made.kept} utterances, {made.kept_seconds / 60:.1f} minutes"
    out = f"{made.unsure} below the least confidence, {made.silent} without words, {len(made.failed)} unreadable"
    yield f"left out: {out}"
    yield f"median confidence of what was kept {made.median_confidence:.3f}; heard before: {made.heard_before}"
    yield f"all that was heard: {made.ledger}"
