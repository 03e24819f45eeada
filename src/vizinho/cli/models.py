"""`vizinho models` and `vizinho export`: what the store has, where it came from; roll back, pin, merge, reproduce."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from vizinho.cli.emit import describe, emit, warn
from vizinho.cli.options import AsJson, Commands, Model, Override, Quiet, Split
from vizinho.errors import CorpusError, ModelError, StoreError
from vizinho.files import write_json
from vizinho.store.store import Store

if TYPE_CHECKING:
    from vizinho.job.reproduce import Order, Reproduction
    from vizinho.store.card import Card
    from vizinho.store.lineage import Member

app = Commands(help="Models of the store: list, show, lineage, rollback, pin, merge, reproduce.")

Ref = Annotated[str, Argument(help="NAME or NAME@VERSION.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List all models; the current version of each name has a star."""
    store = Store()
    rows = [{"ref": e.ref, "current": e.current, "bundled": e.bundled, **_readable(e.folder)} for e in store.entries()]
    width = max((len(row["ref"]) for row in rows), default=0)
    lines = [_row_line(row, width) for row in rows] or [f"no models in {store.models}"]
    emit({"store": store.models, "models": rows}, as_json, lines)


def _readable(folder: Path) -> dict[str, Any]:
    """A model's facts, or its error: a broken card must not hide the other models."""
    from vizinho.store.card import read_card

    try:
        return {**_brief(read_card(folder), None), "error": None}
    except ModelError as error:
        return {**_brief(None, None), "error": str(error)}


def _brief(card: Card | None, language: str | None) -> dict[str, Any]:
    if card is None:
        return {"language": language, "donor": None, "created": None, "scores": []}
    donor = card.donor["ref"] if card.donor else None
    return {"language": card.language, "donor": donor, "created": card.created, "scores": list(card.scores)}


def _row_line(row: Mapping[str, Any], width: int) -> str:
    name = f"{'*' if row['current'] else ' '} {row['ref']:<{width}}"
    if row["error"]:
        return f"{name}  broken: {row['error']}"
    origin = f"from {row['donor'] or 'scratch'}"
    rates = ", ".join(f"{score['split']} CER {score['cer']:.3f}" for score in row["scores"][-2:])
    bundled = "  (bundled)" if row["bundled"] else ""
    day = (row["created"] or "").partition("T")[0]
    return f"{name}  {row['language'] or '?':<4} {origin:<{width + 5}}  {day:<10}  {rates}{bundled}".rstrip()


@app.command("show")
def show(
    ref: Annotated[str, Argument(help="NAME, NAME@VERSION, a model folder, a .nemo file or a hub id.")],
    as_json: AsJson = False,
) -> None:
    """Show a model's card; for a model without one, its kind, its input and its tokens by role."""
    from vizinho.store.rights import overrides_of, source_line, sources_of

    store = Store()
    card = store.card(ref)
    if card is not None:
        sources, overrides = sources_of(store, ref, store.resolve(ref)), overrides_of(store, store.find(ref))
        lines = [*_card_lines(card), *(f"learnt from {source_line(row)}" for row in sources)]
        lines += [f"overridden: {_brief_json(row)}" for row in overrides]
        lines.append("--json prints the whole card: plan, recipe, evaluations, files")
        emit(asdict(card) | {"sources": sources, "overrides": overrides}, as_json, lines)
        return
    from vizinho.model.checkpoint import load_donor

    facts = load_donor(store.resolve(ref)).describe()
    emit(facts, as_json, describe(facts))


def _card_lines(card: Card) -> Iterator[str]:
    """A card for reading: what somebody asks about a model, a line each; what is empty is left out."""
    yield f"{card.name}@{card.version} ({card.language}), {card.created}"
    if card.donor:
        planned = f", {len(card.plan):,} rows of the plan" if card.plan else ""
        yield f"started from {card.donor['ref']} ({card.donor['language'] or 'language not known'}){planned}"
    else:
        yield "started from scratch"
    yield f"trained {card.steps:,} steps, seed {card.seed}; scored on dev {len(card.curve)} times"
    if "minutes" in card.data:  # controls were made, not trained
        yield _data_line(card.data)
    for score in card.scores:
        interval = f" [{score['cer_ci'][0]:.3f}, {score['cer_ci'][1]:.3f}]" if "cer_ci" in score else ""
        count = f", {score['utterances']:,} utterances" if "utterances" in score else ""
        chosen = " (used for choosing)" if score["split"] == "dev" else ""
        where = f" ({score['data']})" if score.get("data") else ""
        yield f"{score['split']}{where}: CER {score['cer']:.3f}{interval}, WER {score['wer']:.3f}{count}{chosen}"
    if card.movement:
        moved = f"{card.movement['moved_share']:.1%} of the weights moved"
        yield f"movement: encoder distance {card.movement['encoder_distance']:.3f}, {moved}"
    yield from _recipe_lines(card.recipe)
    yield f"writes {card.tokens:,} tokens; texts are normalised by {card.normalizer}"
    rest = {"command": " ".join(card.command), "licence": card.licence, "notes": card.notes}
    yield from (f"{name}: {value}" for name, value in rest.items() if value)
    if card.software:
        processor = f", on {card.machine['processor']}" if card.machine.get("processor") else ""
        versions = " and ".join(f"{name} {card.software.get(name, '?')}" for name in ("vizinho", "torch"))
        yield f"made with {versions}{processor}"


def _data_line(data: Mapping[str, Any]) -> str:
    counts = f"{data['minutes']:.1f} minutes, {data['utterances']:,} utterances, {data['speakers']} speakers"
    practice = data.get("practice")
    more = f"; practice speech: {practice['minutes']:.1f} minutes" if practice else ""
    dev = f"; dev: {data['dev_utterances']:,} utterances" + ", held out of train" * bool(data.get("dev_held_out"))
    aside = f"; {data['set_aside_count']:,} set aside" if data.get("set_aside_count") else ""
    return f"heard {counts}{more}{dev}{aside}"


def _recipe_lines(recipe: Mapping[str, Any]) -> Iterator[str]:
    """What differs from the defaults."""
    from vizinho.training.options import TrainingOptions, differing

    defaults = asdict(TrainingOptions()) | {"phonemes": recipe.get("phonemes"), "rows": recipe.get("rows")}
    changed = differing(recipe, json.loads(json.dumps(defaults)))
    changed.pop("seed", None), changed.pop("steps", None)
    if changed:
        yield "recipe: " + ", ".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in changed.items()
        )


@app.command("lineage")
def lineage(ref: Ref, as_json: AsJson = False) -> None:
    """Draw the tree from the first donor to today: ancestors, other versions, and descendants of this model."""
    from vizinho.store.lineage import family
    from vizinho.store.lineage import lineage as ancestors

    store = Store()
    root = family(store, ref)
    chain = [
        {"ref": a.ref, "language": a.language, "note": a.note, **_brief(a.card, a.language)}
        for a in ancestors(store, ref)
    ]
    emit({"lineage": chain, "tree": _branch(root)}, as_json, _tree_lines(root, "", ""))


def _branch(member: Member) -> dict[str, Any]:
    names = ("ref", "note", "current", "asked")
    values = {name: getattr(member, name) for name in names}
    return values | _brief(member.card, member.language) | {"children": [_branch(child) for child in member.children]}


def _tree_lines(member: Member, before: str, below: str) -> Iterator[str]:
    """Lines of a tree; the current version of each name has a star, the requested one an arrow."""
    scores = member.card.scores if member.card else ()
    note = member.note or "; ".join(f"{score['split']} CER {score['cer']:.3f}" for score in scores)
    marks = "*" * member.current + " <-" * member.asked
    yield f"{before}{member.ref}{marks} ({member.language})  {note}".rstrip()
    for number, child in enumerate(member.children):
        last = number == len(member.children) - 1  # no line goes on below the last child
        yield from _tree_lines(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


@app.command("pin")
def pin(
    name: Annotated[str, Argument(help="NAME of the model, without a version.")],
    corpus: Annotated[Path | None, Option("--corpus", help="Manifest to evaluate new versions on.")] = None,
    split: Split = None,
    remove: Annotated[bool, Option("--remove", help="Remove the pin.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pin a test set: a new version is promoted only if its CER on it is not higher. Without options, show it."""
    from vizinho.store.pins import pin as pin_test_set
    from vizinho.store.pins import read_pin, unpin

    store = Store()
    if remove and corpus is not None:
        raise StoreError("--remove and --corpus were both given", where="pin", fix="give one of them")
    if remove:
        unpin(store, name)
    pinned = read_pin(store, name) if corpus is None else pin_test_set(store, name, corpus, split)
    text = f"{name} has no pinned test set"
    if pinned is not None:
        text = (
            f"{name}: {pinned.utterances} utterances, {pinned.split or 'all'} of {pinned.corpus}, {pinned.fingerprint}"
        )
    emit({"name": name, "pin": pinned}, as_json, text)


@app.command("rollback")
def rollback(
    ref: Annotated[str, Argument(help="NAME@VERSION to make current again.")], as_json: AsJson = False
) -> None:
    """Make an older version current; nothing is deleted."""
    # The version is required: "the one before" would change its meaning with every rollback.
    name, _, version = ref.partition("@")
    if not version.isdecimal():
        raise StoreError(f"{ref!r} names no version", where="rollback", fix="give NAME@VERSION")
    current = Store().set_current(name, int(version))
    emit({"current": current}, as_json, f"{name} is {current} now")


@app.command("merge")
def merge(
    donor: Annotated[str, Argument(help="The donor that the adapter was trained on.")],
    adapter: Annotated[Path, Argument(help="The adapter/ folder of a model trained with [adapter].")],
    name: Annotated[str | None, Option("--name", help="Name; the adapter's language if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a whole model of a donor and an adapter, which has a few megabytes and is all that has to be sent."""
    from vizinho.job.publish import publish_merged
    from vizinho.model.adapters import read_origin

    store = Store()
    name = name or str(read_origin(adapter)["language"])
    ref = publish_merged(store, name, store.resolve(donor), adapter, command=["vizinho", *sys.argv[1:]])
    emit({"model": ref}, as_json, f"{ref}: {donor} with {adapter}")


@app.command("reproduce")
def reproduce(
    ref: Ref,
    corpus: Annotated[
        list[Path] | None,
        Option("--corpus", help="Where a manifest is now; repeat for each of the card's, in its order."),
    ] = None,
    chain: Annotated[bool, Option("--chain", help="Reproduce its donors first, as far as cards allow.")] = False,
    anyway: Annotated[bool, Option("--anyway", help="Train even if the data is not what was recorded.")] = False,
    out: Annotated[Path | None, Option("--out", help="Write the new models and report.json here.")] = None,
    home: Annotated[Path | None, Option("--store", help="Home of the store; VIZINHO_HOME if not given.")] = None,
    override: Override = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a model again by its card and compare weights, scores and signatures. Exits with 1 when they differ.

    Repeat the command to resume an interrupted run. With --chain each model starts from the donor in the store, so that
    a difference shows where it arose.
    """
    from vizinho.job.reproduce import Order, chain_of

    store = Store(home)
    if chain and corpus:
        raise CorpusError("--corpus and --chain were both given", where=ref, fix="reproduce each model by itself")
    refs, skipped = chain_of(store, ref) if chain else ([ref], [])
    warn(f"not trained again: {line}" for line in skipped)
    order = Order(tuple(corpus or ()), anyway, out, override)
    results = [_reproduced(store, name, order, quiet=quiet) for name in refs]
    same = all(result.reproduced for result in results)
    values = {"reproduced": same, "models": [r.as_json() for r in results], "not_trained_again": skipped}
    if out is not None:
        write_json(out / "report.json", values)
    emit(values, as_json, (line for result in results for line in _reproduction_lines(result)))
    if not same:
        raise typer.Exit(1)  # a difference is a result, not an error (2)


def _reproduced(store: Store, ref: str, order: Order, *, quiet: bool) -> Reproduction:
    from vizinho.job.reproduce import reproduce as train_again
    from vizinho.progress import bar

    card = store.card(ref)
    steps = card.recipe.get("steps", card.steps) if card else 0
    with bar(f"training {ref} again", steps) as advance:
        return train_again(store, ref, order, progress=advance, log=lambda line: warn([] if quiet else [line]))


def _reproduction_lines(result: Reproduction) -> Iterator[str]:
    weights = result.weights
    yield f"{result.ref}: {'reproduced' if result.reproduced else 'NOT reproduced'}"
    if weights.differing:
        yield (
            f"  weights: {weights.differing} of {weights.tensors} tensors differ; relative distance "
            f"{weights.relative_distance:.2e}, at most {weights.largest:.2e} ({weights.where})"
        )
    else:
        yield f"  weights: all {weights.tensors} tensors bit-equal"
    for score in result.scores:
        yield f"  {score['split']}: CER {score['cer']:.4f}, WER {score['wer']:.4f} ({score['signature']})"
    for title, differences in (("differs", result.results), ("not as recorded", result.causes)):
        for difference in differences:
            yield f"  {title}: {difference.what}: {_brief_json(difference.recorded)} -> {_brief_json(difference.now)}"
    if weights.differing and not result.causes:
        yield "  nothing recorded explains it: data, options, libraries and machine are unchanged"
    yield from (f"  not compared: {line}" for line in result.unchecked)
    if result.folder:
        yield f"  written to {result.folder}"


def _brief_json(value: Any, most: int = 120) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}..."


def export(
    model: Model,
    out: Annotated[Path, Option("--out", help="New folder for the export.", show_default=False)],
    int8: Annotated[bool, Option("--int8", help="8-bit weights: a third of the size (docs/runtime.md).")] = False,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Export a model to ONNX. `vizinho transcribe` and sherpa-onnx read the folder; neither needs torch then.

    Refused where the model learnt from speech that is "not for export" or "community only" (docs/rights.md).
    """
    from vizinho.recognition.export import export as write
    from vizinho.rights import EXPORT
    from vizinho.store.rights import FILE, export_record, permit

    store = Store()
    folder, entry = store.resolve(model), store.find(model)
    ref = entry.ref if entry else model
    # First, so that a refusal leaves nothing behind and an override is on record before the model leaves.
    permit(store, ref, folder, EXPORT, override, str(out))
    exported = write(folder, out, "int8" if int8 else "fp32", {FILE: export_record(store, ref, folder)})
    size = f"{exported.folder}: {exported.precision}, {exported.megabytes:.1f} MB"
    difference = f"log-probabilities differ from the model's by {exported.largest_difference:.1e} at most"
    emit(exported, as_json, f"{size}; {difference}")
