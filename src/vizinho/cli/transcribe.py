"""`vizinho transcribe`: audio files in, text or JSON out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vizinho.cli import decoding as options
from vizinho.errors import AudioError


def transcribe(
    model: Annotated[str, typer.Argument(help="Model: a name, name@version or a model folder.")],
    files: Annotated[
        list[Path],
        typer.Argument(help="Audio files (wav, flac, ogg, opus, mp3), any rate, any channels.", show_default=False),
    ],
    lms: options.Lms = None,
    lm_weight: options.LmWeight = None,
    word_score: options.WordScore = None,
    letter_score: options.LetterScore = None,
    beam_width: options.BeamWidth = None,
    hotwords: options.HotwordList = None,
    decoder: options.DecoderFile = None,
    n_best: Annotated[int, typer.Option("--n-best", help="Show so many hypotheses with their scores (nats).")] = 0,
    threads: Annotated[int, typer.Option("--threads", help="Torch threads.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with words, times and confidences.")
    ] = False,
) -> None:
    """Transcribe audio files. A broken file is reported and the others are still transcribed (exit code 2)."""
    import torch

    from vizinho.registry.store import Store

    torch.set_num_threads(threads)
    spec = options.spec_of(lms, lm_weight, word_score, letter_score, beam_width, hotwords, decoder)
    if n_best and spec is None:
        spec = options.beam_alone()
    recognizer = options.load_recognizer(Store().resolve(model), spec)
    done: list[dict[str, Any]] = []
    failed = []
    for file in files:
        try:
            samples, frames = recognizer.hear(file)
        except AudioError as error:
            failed.append({"file": str(file), "error": str(error)})
            typer.echo(f"error: {error}", err=True)
            continue
        transcript = recognizer.transcript(str(file), samples, frames)
        done.append(asdict(transcript))
        found = options.beam_of(recognizer).n_best(frames, n_best) if n_best else []
        if n_best:
            done[-1]["n_best"] = [{"text": h.text, "score": h.score, "lm_score": h.lm_score} for h in found]
        if not as_json:
            lines = [f"{h.score:.2f}\t{h.text}" for h in found] or [transcript.text]
            typer.echo("\n".join(f"{file}\t{line}" if len(files) > 1 else line for line in lines))
    if as_json:
        typer.echo(json.dumps({"model": model, "transcripts": done, "failed": failed}, ensure_ascii=False))
    if failed:
        typer.echo(f"{len(failed)} of {len(files)} files could not be transcribed", err=True)
        raise typer.Exit(2)
