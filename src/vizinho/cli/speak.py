"""`vizinho corpus speak`: practice speech from a synthesiser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vizinho.cli.options import AsJson, Seed


def speak(
    language: Annotated[str, typer.Argument(help="Language: pt, es, en, fr, ca, it or de.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the manifest and its audio.")],
    minutes: Annotated[float, typer.Option("--minutes", help="Minutes of speech over all splits.", min=0)] = 30.0,
    seed: Seed = 1,
    text: Annotated[
        Path | None, typer.Option("--text", help="Sentences of your own, one a line, instead of the phrase book.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Synthesise a practice corpus with eSpeak NG: many voice variants, rates and pitches, noise, telephone band."""
    from vizinho.corpora.manifest import read_manifest
    from vizinho.corpora.synthetic import practice_corpus
    from vizinho.errors import CorpusError
    from vizinho.progress import bar

    sentences = None
    if text is not None:
        if not text.is_file():
            raise CorpusError("no such text file", where=text, fix="check the path")
        sentences = [line.strip() for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not sentences:
            raise CorpusError("the file holds no sentences", where=text, fix="write one sentence a line")
    with bar(f"speaking {language}", minutes) as advance:
        manifest = practice_corpus(language, minutes, out, seed=seed, sentences=sentences, progress=advance)
    utterances = read_manifest(manifest)
    spoken = sum(u.duration_seconds for u in utterances) / 60
    if as_json:
        typer.echo(json.dumps({"manifest": str(manifest), "utterances": len(utterances), "minutes": round(spoken, 2)}))
    else:
        typer.echo(f"{manifest}: {len(utterances)} utterances, {spoken:.1f} minutes")
