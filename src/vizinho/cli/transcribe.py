"""`vizinho transcribe`: files, folders or standard input in; text, JSON or subtitles out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizinho.cli import decoding as options
from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Engine, Threads, standard_input
from vizinho.errors import SpecError

if TYPE_CHECKING:
    from vizinho.audio.io import Waveform
    from vizinho.recognition.files import Outcome, Work
    from vizinho.recognition.inputs import Input


def transcribe(
    model: Annotated[str, typer.Argument(help="Model: a name, name@version, a model folder or an exported one.")],
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Audio files, folders of them (at any depth), or - for standard input: wav, flac, ogg, opus, mp3; "
            "webm, m4a and mp4 with the extra `media`. Any rate, any channels, any length.",
            show_default=False,
        ),
    ],
    kind: Annotated[str, typer.Option("--format", help="txt, json, srt or vtt.")] = "txt",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for one output a file. Given again, it goes on where it stopped."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes.", min=1)] = 1,
    engine: Engine = "onnx",
    split_channels: Annotated[
        bool, typer.Option("--split-channels", help="Transcribe each channel by itself, not their mean.")
    ] = False,
    lms: options.Lms = None,
    lm_weight: options.LmWeight = None,
    word_score: options.WordScore = None,
    letter_score: options.LetterScore = None,
    beam_width: options.BeamWidth = None,
    hotwords: options.HotwordList = None,
    decoder: options.DecoderFile = None,
    n_best: Annotated[
        int, typer.Option("--n-best", help="Show so many hypotheses with their scores (nats).", min=0)
    ] = 0,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Transcribe audio. A file that cannot be read is named and the others are still done (exit code 2).

    With --out, finished files are known by their content, the model and the format, and are not done again.
    """
    from vizinho.recognition.files import Work, key_of_work
    from vizinho.recognition.formats import FORMATS
    from vizinho.recognition.formats import as_json as transcript_json
    from vizinho.recognition.inputs import collect
    from vizinho.recognition.outputs import OutputFolder
    from vizinho.store.store import Store

    if kind not in FORMATS:
        raise SpecError(f"unknown format {kind!r}", where="--format", fix=f"use {', '.join(FORMATS)}")
    place = Store().resolve(model)
    inputs = collect(files)
    if out is None and kind in ("srt", "vtt") and len(inputs.files) > 1:
        raise SpecError("subtitles of several files need a folder", where="--format", fix="give --out DIR")
    for suffix, count in sorted(inputs.left_out.items()):
        typer.echo(f"left out, no audio: {count} {suffix}", err=True)
    spec = options.spec_of(lms, lm_weight, word_score, letter_score, beam_width, hotwords, decoder)
    work = Work(place, engine, threads, split_channels, spec)
    if n_best:
        _list_hypotheses(model, work, inputs.files, n_best, as_json)
        return
    folder = OutputFolder(out, kind, key_of_work(work)) if out is not None else None
    pending = folder.pending(inputs.files) if folder else [file.audio for file in inputs.files]
    skipped = len(inputs.files) - len(pending)
    heard, failed = [], []
    try:
        for outcome in _outcomes(work, pending, jobs, watched=folder is not None or as_json):
            if outcome.error:
                failed.append({"file": str(outcome.audio), "error": outcome.error})
                typer.echo(f"error: {outcome.error}", err=True)
                continue
            if folder:
                folder.write(outcome)
            if as_json:
                heard += [transcript_json(t) for t in outcome.transcripts]
            elif not folder:
                _print(outcome, kind, named=len(inputs.files) > 1)
    except KeyboardInterrupt:
        advice = "; run the same command again to go on" if folder else ""
        typer.echo(f"interrupted{advice}", err=True)
        raise typer.Exit(130) from None
    made = {"model": model, "transcripts": heard, "failed": failed, "skipped": skipped}
    counts = f"{len(pending) - len(failed)} transcribed, {skipped} done before, {len(failed)} failed: {out}"
    emit(made, as_json, counts if folder else ())
    if failed:
        typer.echo(f"{len(failed)} of {len(inputs.files)} files could not be transcribed", err=True)
        raise typer.Exit(2)


def _list_hypotheses(model: str, work: Work, files: Sequence[Input], count: int, as_json: bool) -> None:
    """The best hypotheses of each recording, to see what a language model makes of it."""
    from vizinho.cli.decoding import beam_alone
    from vizinho.decoding.setup import make_decoder
    from vizinho.errors import AudioError
    from vizinho.recognition.files import normalizer_of, open_transcriber

    engine = open_transcriber(work).engine
    search = make_decoder(work.decoder or beam_alone(), engine.inventory, normalizer_of(work.model))
    made, failed = [], []
    for file in files:
        try:
            found = search.n_best(engine.log_probs([_short(file.audio)])[0], count)
        except AudioError as error:
            failed.append({"file": str(file.audio), "error": str(error)})
            typer.echo(f"error: {error}", err=True)
            continue
        rows = [{"text": h.text, "score": h.score, "lm_score": h.lm_score} for h in found]
        made.append({"id": str(file.audio), "text": found[0].text if found else "", "n_best": rows})
        for hypothesis in () if as_json else found:
            name = f"{file.audio}\t" if len(files) > 1 else ""
            typer.echo(f"{name}{hypothesis.score:.2f}\t{hypothesis.text}")
    emit({"model": model, "transcripts": made, "failed": failed}, as_json)
    if failed:
        raise typer.Exit(2)


def _short(audio: Path) -> Waveform:
    """Samples of a recording that is short enough for one search. Raises AudioError."""
    from vizinho.audio.io import SAMPLE_RATE, load_audio
    from vizinho.errors import AudioError
    from vizinho.recognition.whole import MAX_UTTERANCE_SECONDS

    samples = load_audio(audio)
    if samples.size > MAX_UTTERANCE_SECONDS * SAMPLE_RATE:
        raise AudioError("too long for a list of hypotheses", where=audio, fix="cut it, or leave --n-best out")
    return samples


def _outcomes(work: Work, files: Sequence[Path], jobs: int, *, watched: bool) -> Iterator[Outcome]:
    """Outcomes under a bar, unless they are printed as they come: the two would share the screen."""
    from vizinho.progress import bar, silent
    from vizinho.recognition.files import transcribe_files
    from vizinho.recognition.inputs import STDIN

    stdin = standard_input() if STDIN in files else b""
    with bar("transcribing", len(files)) if watched and files else nullcontext(silent) as advance:
        for outcome in transcribe_files(work, files, jobs, stdin):
            yield outcome
            advance(1.0, outcome.audio.name)


def _print(outcome: Outcome, kind: str, *, named: bool) -> None:
    from vizinho.recognition.formats import render

    if kind != "txt":
        typer.echo(render(outcome.transcripts, kind), nl=False)
        return
    for number, transcript in enumerate(outcome.transcripts, start=1):
        channel = f"[{number}]" if len(outcome.transcripts) > 1 else ""
        name = f"{outcome.audio if named else ''}{channel}"
        typer.echo(f"{name}\t{transcript.text}" if name else transcript.text)
