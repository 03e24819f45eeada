"""`vizinho models reproduce`: train a model of the store again from its card, and compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli.options import AsJson, Quiet

if TYPE_CHECKING:
    from vizinho.job.reproduce import Reproduction


def reproduce(
    ref: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.")],
    corpus: Annotated[
        list[Path] | None,
        typer.Option("--corpus", help="Where a manifest lies now; repeat for each of the card's, in its order."),
    ] = None,
    chain: Annotated[bool, typer.Option("--chain", help="The donors before it first, as far as cards allow.")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="Train even on data that is not what was recorded.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Keep the new models here, and report.json.")] = None,
    home: Annotated[Path | None, typer.Option("--store", help="Home of the store; VIZINHO_HOME if not given.")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a model again by its card and compare weights, scores and signatures. Exits with 1 when they differ.

    An interrupted run goes on when the same command is given again. With --chain each model starts from the donor
    that the store has, so that what differs shows where it arose.
    """
    from vizinho.errors import CorpusError
    from vizinho.files import write_json
    from vizinho.job.reproduce import Order, chain_of
    from vizinho.store.store import Store

    store = Store(home)
    if chain and corpus:
        raise CorpusError("--corpus and --chain were both given", where=ref, fix="reproduce each model by itself")
    refs, left_out = chain_of(store, ref) if chain else ([ref], [])
    for line in left_out:
        typer.echo(f"not trained again: {line}", err=True)
    order = Order(tuple(corpus or ()), anyway, out)
    found = [_trained(store, name, order, quiet=quiet) for name in refs]
    made = {
        "reproduced": all(f.reproduced for f in found),
        "models": [f.as_json() for f in found],
        "not_trained_again": left_out,
    }
    if out is not None:
        write_json(out / "report.json", made)
    if as_json:
        typer.echo(json.dumps(made, ensure_ascii=False))
    else:
        for result in found:
            _show(result)
    if not made["reproduced"]:
        raise typer.Exit(1)


def _trained(store: Any, ref: str, order: Any, *, quiet: bool) -> Reproduction:
    from vizinho.job.reproduce import reproduce as train_again
    from vizinho.progress import bar

    card = store.card(ref)
    with bar(f"training {ref} again", card.recipe.get("steps", card.steps) if card else 0) as advance:
        return train_again(
            store, ref, order, progress=advance, log=lambda line: None if quiet else typer.echo(line, err=True)
        )


def _show(found: Reproduction) -> None:
    weights = found.weights
    typer.echo(f"{found.ref}: {'reproduced' if found.reproduced else 'NOT reproduced'}")
    if weights.differing:
        typer.echo(
            f"  weights: {weights.differing} of {weights.tensors} tensors differ; relative distance "
            f"{weights.relative_distance:.2e}, at most {weights.largest:.2e} ({weights.where})"
        )
    else:
        typer.echo(f"  weights: all {weights.tensors} tensors bit-equal")
    for score in found.scores:
        typer.echo(f"  {score['split']}: CER {score['cer']:.4f}, WER {score['wer']:.4f} ({score['signature']})")
    for title, differences in (("differs", found.results), ("not as it was", found.causes)):
        for difference in differences:
            typer.echo(f"  {title}: {difference.what}: {_short(difference.recorded)} -> {_short(difference.now)}")
    if weights.differing and not found.causes:
        typer.echo("  nothing recorded explains it: data, options, libraries and machine are as they were")
    for line in found.unchecked:
        typer.echo(f"  not compared: {line}")
    if found.folder:
        typer.echo(f"  kept in {found.folder}")


def _short(value: Any, most: int = 120) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}..."
