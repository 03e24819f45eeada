"""`vizinho corpus shard`: corpora that do not fit in memory, or on one disk, become shards to train from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizinho.cli.options import AsJson, Seed, language_tag

if TYPE_CHECKING:
    from vizinho.corpora.shards.index import ShardIndex


def shard(
    source: Annotated[
        str,
        typer.Argument(
            help="A manifest; a folder or file of webdataset tars; a folder that lhotse shar wrote; Hugging Face data: "
            "Parquet files, a saved set, or the id of one on the hub.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the sharded corpus.")],
    kind: Annotated[
        str | None,
        typer.Option("--format", help="manifest, webdataset, lhotse-shar or huggingface; guessed if left out."),
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang", callback=language_tag, help="Language of the speech, such as pt; a manifest says it itself."
        ),
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Split of Hugging Face data to read.")] = "train",
    subset: Annotated[str | None, typer.Option("--subset", help="Configuration of Hugging Face data.")] = None,
    shard_minutes: Annotated[
        float, typer.Option("--shard-minutes", help="Audio in one shard that is written.", min=0.01)
    ] = 60.0,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Make a sharded corpus for `vizinho train` and `transfer`: --corpus DIR. Given again, it goes on where it stopped.

    A manifest and Hugging Face data are packed into tars. Tars of webdataset and lhotse shar stay where they are; the
    folder then only holds what is needed to read them.
    """
    from vizinho.cli.corpus import counter
    from vizinho.corpora.shards.make import make_shards
    from vizinho.corpora.shards.writing import ShardOptions

    options = ShardOptions(shard_minutes, seed)
    with counter("sharding") as advance:
        index = make_shards(
            source, out, kind=kind, lang=lang, split=split, subset=subset, options=options, progress=advance
        )
    _show(index, as_json)


def _show(index: ShardIndex, as_json: bool) -> None:
    from vizinho.corpora.shards.build import LEFT_OUT

    made = {
        "corpus": str(index.folder),
        "lang": index.lang,
        "shards": len(index.shards),
        "utterances": index.utterances,
        "hours": round(index.seconds / 3600, 4),
        "speakers": index.speakers,
        "bytes": sum(s.bytes for s in index.shards),
        "manifests": {split: str(index.folder / name) for split, name in index.manifests.items()},
        "left_out": index.left_out,
        "fingerprint": index.fingerprint,
    }
    if as_json:
        typer.echo(json.dumps(made, ensure_ascii=False))
        return
    typer.echo(
        f"{index.folder}: {index.utterances} utterances, {index.seconds / 3600:.2f} hours in {len(index.shards)} shards"
    )
    for split, name in index.manifests.items():
        typer.echo(f"{split}: {index.folder / name}")
    if index.left_out:
        typer.echo(f"left out: {index.left_out}, named in {index.folder / LEFT_OUT}")
    typer.echo(f"fingerprint {index.fingerprint}")
