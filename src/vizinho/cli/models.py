"""`vizinho models`: what the store has, where it came from, going back to an older version, and merging adapters."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vizinho.cli.emit import describe, emit
from vizinho.cli.options import AsJson, Commands, Split
from vizinho.errors import ModelError, StoreError

app = Commands(help="Models of the store: list, show, lineage, rollback, pin, merge, reproduce.")


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List all models; the current version of each name has a star."""
    from vizinho.store.store import Store

    store = Store()
    rows = [{"ref": e.ref, "current": e.current, "bundled": e.bundled, **_readable(e.folder)} for e in store.entries()]
    if as_json:
        typer.echo(json.dumps({"store": str(store.models), "models": rows}, ensure_ascii=False))
        return
    for row in rows:
        if row["error"]:
            typer.echo(f"{'*' if row['current'] else ' '} {row['ref']:<16} broken: {row['error']}")
            continue
        origin = f"from {row['donor']}" if row["donor"] else "from scratch"
        typer.echo(
            f"{'*' if row['current'] else ' '} {row['ref']:<16} {row['language'] or '?':<4} {origin:<22} "
            f"{row['created'] or '':<20}{' (bundled)' if row['bundled'] else ''}"
        )
    if not rows:
        typer.echo(f"no models in {store.models}")


@app.command("show")
def show(
    ref: Annotated[str, typer.Argument(help="NAME, NAME@VERSION, a model folder, a .nemo file or a hub id.")],
    as_json: AsJson = False,
) -> None:
    """Show a model's card; of a model without one, what it is, what it hears and its tokens by role."""
    from vizinho.store.store import Store

    store = Store()
    card = store.card(ref)
    if card is None:
        from vizinho.model.checkpoint import load_donor

        facts = load_donor(store.resolve(ref)).describe()
        emit(facts, as_json, "\n".join(describe(facts)))
        return
    if as_json:
        typer.echo(json.dumps(asdict(card), ensure_ascii=False))
        return
    for key, value in asdict(card).items():
        typer.echo(f"{key}: {_shortened(key, value)}")


@app.command("lineage")
def lineage(ref: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.")], as_json: AsJson = False) -> None:
    """Draw the tree from the first donor to today: ancestors, other versions, and what came from this model."""
    from vizinho.store.lineage import family
    from vizinho.store.lineage import lineage as chain_of
    from vizinho.store.store import Store

    store = Store()
    root = family(store, ref)
    if as_json:
        chain = [
            {"ref": a.ref, "language": a.language, "note": a.note, **_brief(a.card, a.language)}
            for a in chain_of(store, ref)
        ]
        typer.echo(json.dumps({"lineage": chain, "tree": _branch(root)}, ensure_ascii=False))
        return
    for line in _drawn(root, "", ""):
        typer.echo(line)


def _branch(member: Any) -> dict[str, Any]:
    return {
        "ref": member.ref,
        "note": member.note,
        "current": member.current,
        "asked": member.asked,
        **_brief(member.card, member.language),
        "children": [_branch(child) for child in member.children],
    }


def _drawn(member: Any, before: str, below: str) -> Iterator[str]:
    """Lines of a tree; the current version of each name has a star, the one asked for an arrow."""
    said = member.note or "; ".join(_score(s) for s in (member.card.scores if member.card else ()))
    marks = "*" * member.current + " <-" * member.asked
    yield f"{before}{member.ref}{marks} ({member.language})  {said}".rstrip()
    for number, child in enumerate(member.children):
        last = number == len(member.children) - 1
        yield from _drawn(child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


@app.command("pin")
def pin(
    name: Annotated[str, typer.Argument(help="NAME of the model, without a version.")],
    corpus: Annotated[
        Path | None, typer.Option("--corpus", help="Manifest (JSONL) that new versions are measured on.")
    ] = None,
    split: Split = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the pin away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Pin a test set: a new version is made current only if its CER on it is not higher. Without options, show it."""
    from vizinho.store.pins import pin as pin_it
    from vizinho.store.pins import read_pin, unpin
    from vizinho.store.store import Store

    store = Store()
    if remove and corpus is not None:
        raise StoreError("--remove and --corpus were both given", where="pin", fix="give one of them")
    if remove:
        unpin(store, name)
    held = pin_it(store, name, corpus, split) if corpus is not None else read_pin(store, name)
    if as_json:
        typer.echo(json.dumps({"name": name, "pin": None if held is None else asdict(held)}, ensure_ascii=False))
    elif held is None:
        typer.echo(f"{name} has no pinned test set")
    else:
        typer.echo(f"{name}: {held.utterances} utterances, {held.split or 'all'} of {held.corpus}, {held.fingerprint}")


@app.command("rollback")
def rollback(
    ref: Annotated[str, typer.Argument(help="NAME@VERSION to make current again.")], as_json: AsJson = False
) -> None:
    """Make an older version current; nothing is deleted."""
    from vizinho.store.store import Store

    name, _, version = ref.partition("@")
    if not version.isdecimal():
        raise StoreError(f"{ref!r} names no version", where="rollback", fix="give NAME@VERSION")
    current = Store().set_current(name, int(version))
    emit({"current": current}, as_json, f"{name} is {current} now")


@app.command("merge")
def merge(
    donor: Annotated[str, typer.Argument(help="The donor that the adapter was trained on.")],
    adapter: Annotated[Path, typer.Argument(help="The adapter/ folder of a model trained with [adapter].")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name in the store; the adapter's language if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a whole model of a donor and an adapter: a few megabytes travel, the donor stays where it is."""
    from vizinho.job.publish import publish_merged
    from vizinho.model.adapters import read_origin
    from vizinho.store.store import Store

    store = Store()
    name = name or str(read_origin(adapter)["language"]).lower()
    ref = publish_merged(store, name, store.resolve(donor), adapter, command=["vizinho", *sys.argv[1:]])
    emit({"model": ref}, as_json, f"{ref}: {donor} with {adapter}")


def _readable(folder: Path) -> dict[str, Any]:
    """What `list` says of a model; a broken card must not hide the other models."""
    from vizinho.store.card import read_card

    try:
        return {**_brief(read_card(folder), None), "error": None}
    except ModelError as error:
        return {**_brief(None, None), "error": str(error)}


def _brief(card: Any, language: str | None) -> dict[str, Any]:
    if card is None:
        return {"language": language, "donor": None, "created": None, "scores": []}
    return {
        "language": card.language,
        "donor": card.donor["ref"] if card.donor else None,
        "created": card.created,
        "scores": list(card.scores),
    }


def _score(score: Mapping[str, Any]) -> str:
    return f"{score['split']} CER {score['cer']:.3f}"


def _shortened(key: str, value: Any) -> str:
    if key == "plan" and value:
        return f"{len(value)} rows (--json prints them)"
    if key == "curve" and value:
        return f"{len(value)} points (--json prints them)"
    if key == "movement" and value:
        return f"encoder distance {value['encoder_distance']:.3f}, {value['moved_share']:.1%} of the weights moved"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
