"""`vizinho corpus label`: transcripts that a model makes of untranscribed speech become a manifest to train on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizinho.cli.emit import SHOWN, emit, warn
from vizinho.cli.options import AsJson, Engine, OnRay, language_tag
from vizinho.errors import CorpusError

if TYPE_CHECKING:
    from vizinho.recognition.label import LabelReport
    from vizinho.records import Utterance
    from vizinho.store.store import Store


def label(
    model: Annotated[str, typer.Argument(help="Model that writes the labels: NAME, NAME@VERSION or a model folder.")],
    sources: Annotated[
        list[Path], typer.Argument(help="Audio files, folders of them, or one manifest (JSONL).", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write.")],
    least_confidence: Annotated[
        float, typer.Option("--least-confidence", help="Leave out labels with a lower mean confidence.", min=0, max=1)
    ] = 0.0,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang", callback=language_tag, help="Language of the speech; the manifest's or the model's if not given."
        ),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", help="Split of the manifest to label; its rows become train.")
    ] = "train",
    processes: Annotated[int, typer.Option("--processes", help="Number of processes.", min=1)] = 1,
    on_ray: OnRay = False,
    engine: Engine = "onnx",
    as_json: AsJson = False,
) -> None:
    """Pseudo-label untranscribed speech: FILE gets the accepted labels, NAME.heard.jsonl all of them.

    The same command resumes a run that was stopped; another --least-confidence decodes nothing again. Recordings that
    cannot be read are reported, and the others are still labelled (exit code 2).
    """
    from vizinho.progress import bar
    from vizinho.recognition.files import Work
    from vizinho.recognition.label import PseudoLabelOptions, pseudo_label
    from vizinho.store.store import Store

    store = Store()
    options = PseudoLabelOptions(least_confidence, processes, on_ray)
    place = store.resolve(model)
    utterances = _utterances(sources, split, lang, store, model)
    entry = store.find(model)
    ref = entry.ref if entry else place.name
    with bar("pseudo-labelling", len(utterances)) as advance:
        report = pseudo_label(Work(place, engine), ref, utterances, out, options, advance)
    emit(report.as_json(), as_json, _lines(report))
    warn(f"error: {utterance_id}: {what}" for utterance_id, what in report.failed[:SHOWN])
    if report.failed:
        typer.echo(f"{len(report.failed)} of {len(utterances)} recordings could not be labelled", err=True)
        raise typer.Exit(2)


def _utterances(sources: list[Path], split: str, lang: str | None, store: Store, model: str) -> list[Utterance]:
    from vizinho.corpora.manifest import read_manifest, select
    from vizinho.recognition.files import collect
    from vizinho.recognition.label import from_files

    if any(path.suffix == ".jsonl" for path in sources):
        if len(sources) > 1:
            raise CorpusError("a manifest among other sources", where="label", fix="label them one after another")
        return select(read_manifest(sources[0]), split=split)
    card = store.card(model)
    if lang is None and card is None:
        raise CorpusError("the language of the speech is not known", where=model, fix="give --lang, such as --lang pt")
    inputs = collect(sources)
    for suffix, count in sorted(inputs.skipped.items()):
        typer.echo(f"skipped, not audio: {count} {suffix}", err=True)
    if not inputs.files:
        raise CorpusError("no audio here", where=", ".join(map(str, sources)), fix="check the paths")
    return from_files(inputs.files, lang or (card.language if card else ""))


def _lines(report: LabelReport) -> Iterator[str]:
    yield f"{report.manifest}: {report.accepted} utterances, {report.accepted_seconds / 60:.1f} minutes"
    unreadable = f"{len(report.failed)} unreadable"
    yield f"left out: {report.unsure} below the least confidence, {report.silent} without words, {unreadable}"
    yield f"median confidence of accepted labels {report.median_confidence:.3f}; done before: {report.done_before}"
    yield f"all transcripts: {report.ledger}"
