"""`vizinho transcribe`: files, folders or standard input in; text, JSON, subtitles or annotations out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from vizinho.cli import options
from vizinho.cli.emit import emit
from vizinho.cli.options import AsJson, Engine, Threads, processes_that_fit, standard_input
from vizinho.errors import SpecError
from vizinho.files import sha256

if TYPE_CHECKING:
    from vizinho.recognition.files import Outcome, Work

MOST_SPEAKERS = 50


def transcribe(
    model: Annotated[str, Argument(help="Model: a name, name@version, a model folder or an exported one.")],
    files: Annotated[
        list[Path],
        Argument(
            help="Audio files, folders of them (at any depth), or - for standard input: wav, flac, ogg, opus, mp3; "
            "webm, m4a and mp4 with the extra `media`. Any rate, any channels, any length.",
            show_default=False,
        ),
    ],
    kind: Annotated[
        str, Option("--format", help="txt, json, srt, vtt, eaf (ELAN), textgrid (Praat), audacity or label-studio.")
    ] = "txt",
    out: Annotated[
        Path | None,
        Option(
            "--out", help="Folder for one output per file. A command that is given again skips the files that are done."
        ),
    ] = None,
    jobs: Annotated[int | None, Option("--jobs", help="Number of processes (default: what fits).", min=1)] = None,
    engine: Engine = "onnx",
    lang: options.Spoken = None,
    split_channels: Annotated[
        bool, Option("--split-channels", help="Transcribe each channel by itself, not their mean.")
    ] = False,
    lms: options.Lms = None,
    lm_weight: options.LmWeight = None,
    word_score: options.WordScore = None,
    letter_score: options.LetterScore = None,
    beam_width: options.BeamWidth = None,
    hotwords: options.HotwordList = None,
    lists: options.HotwordLists = None,
    decoder: options.DecoderFile = None,
    greedy: options.Greedy = False,
    rescore: options.Rescore = None,
    rescore_weight: options.RescoreWeight = None,
    n_best: Annotated[int, Option("--n-best", help="Print this many alternatives with scores (nats).", min=0)] = 0,
    speakers: Annotated[
        str | None,
        Option(
            "--speakers",
            help="Tell apart who speaks: how many people there are, or auto (extra `speakers`).",
        ),
    ] = None,
    numerals: Annotated[
        bool,
        Option(
            "--numerals",
            help="Write numbers, percentages, money and ordinals in digits. What may be something else stays words.",
        ),
    ] = False,
    punctuation: Annotated[
        Path | None,
        Option(
            "--punctuation",
            help="Folder of `vizinho lm train --kind punctuation`: write marks and capitals.",
            show_default=False,
        ),
    ] = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """Transcribe audio. A file that cannot be read is reported and the others are still transcribed (exit code 2).

    With --out, files that are done already are skipped: same content, model, decoding and format.
    """
    from vizinho.recognition.files import OutputFolder, Work, collect
    from vizinho.recognition.formats import FORMATS
    from vizinho.recognition.formats import as_json as transcript_json
    from vizinho.store.store import Store

    if kind not in FORMATS:
        raise SpecError(f"unknown format {kind!r}", where="--format", fix=f"use {', '.join(FORMATS)}")
    place = Store().resolve(model)
    inputs = collect(files)
    if out is None and kind not in ("txt", "json") and len(inputs.files) > 1:
        # Times of several recordings in one stream of subtitles would overlap.
        raise SpecError(f"{kind} of several files needs a folder", where="--format", fix="give --out DIR")
    for suffix, count in sorted(inputs.skipped.items()):
        typer.echo(f"skipped, not audio: {count} {suffix}", err=True)
    own = None if greedy else place
    scores = (lm_weight, word_score, letter_score, beam_width)
    spec = options.spec_of(lms, *scores, hotwords, decoder, own, rescore, rescore_weight, lists)
    spec = spec or (options.beam_alone() if n_best else None)
    digits = _language_of_digits(place, lang) if numerals else ""
    people = _people(speakers, split_channels)
    work = Work(place, engine, threads, split_channels, spec, n_best, lang, speakers=people, numerals=digits)
    if punctuation:
        work = _punctuating(work, punctuation)
    folder = OutputFolder(out, kind, work.key()) if out is not None else None
    pending = folder.pending(inputs.files) if folder else [file.audio for file in inputs.files]
    done_before = len(inputs.files) - len(pending)
    jobs = processes_that_fit("--jobs", jobs, threads, len(pending))
    transcripts, failed = [], []
    try:
        for outcome in _outcomes(work, pending, jobs, watched=folder is not None or as_json):
            if outcome.error:
                failed.append({"file": str(outcome.audio), "error": outcome.error})
                typer.echo(f"error: {outcome.error}", err=True)
                continue
            if folder:
                folder.write(outcome)
            if as_json:
                transcripts += [transcript_json(t) for t in outcome.transcripts]
            elif not folder:
                _print(outcome, kind, named=len(inputs.files) > 1)
    except KeyboardInterrupt:
        advice = "; run the same command again to go on" if folder else ""
        typer.echo(f"interrupted{advice}", err=True)
        raise typer.Exit(130) from None
    values = {"model": model, "transcripts": transcripts, "failed": failed, "skipped": done_before}
    counts = f"{len(pending) - len(failed)} transcribed, {done_before} done before, {len(failed)} failed: {out}"
    emit(values, as_json, counts if folder else ())
    if failed:
        typer.echo(f"{len(failed)} of {len(inputs.files)} files could not be transcribed", err=True)
        raise typer.Exit(2)


def _people(speakers: str | None, split_channels: bool) -> int | None:
    """How many people speak, 0 for as many as are heard, None for nobody told apart."""
    if speakers is None:
        return None
    from vizinho.recognition.speakers import check_speakers

    if split_channels:
        raise SpecError("channels are speakers already", where="--speakers", fix="leave out one of the two options")
    if speakers != "auto" and not (speakers.isdecimal() and 1 <= int(speakers) <= MOST_SPEAKERS):
        fix = f"give a number from 1 to {MOST_SPEAKERS}, or auto"
        raise SpecError(f"{speakers!r} is no number of people", where="--speakers", fix=fix)
    check_speakers()
    return 0 if speakers == "auto" else int(speakers)


def _punctuating(work: Work, folder: Path) -> Work:
    from vizinho.text_models.punctuation import load_punctuation

    load_punctuation(folder)  # a folder that does not fit is named before any process starts
    return replace(
        work, punctuation=partial(load_punctuation, folder), punctuation_key=sha256(folder / "model.safetensors")
    )


def _language_of_digits(place: Path, lang: str | None) -> str:
    from vizinho.recognition.numerals import check_numerals
    from vizinho.store.card import read_card

    card = read_card(place)
    language = lang or (card.language if card else None)
    if language is None:
        raise SpecError("the language is not known", where="--numerals", fix="give it with --lang")
    check_numerals(language)
    return language


def _outcomes(work: Work, files: Sequence[Path], jobs: int, *, watched: bool) -> Iterator[Outcome]:
    """Outcomes under a bar, unless they are printed as they come: the two would share the screen."""
    from vizinho.progress import bar, silent
    from vizinho.recognition.files import STDIN, transcribe_files

    stdin = standard_input() if STDIN in files else b""
    with bar("transcribing", len(files)) if watched and files else nullcontext(silent) as advance:
        for outcome in transcribe_files(work, files, jobs, stdin):
            yield outcome
            advance(1.0, outcome.audio.name)


def _print(outcome: Outcome, kind: str, *, named: bool) -> None:
    from vizinho.recognition.files import STDIN
    from vizinho.recognition.formats import render

    apart = any(s.speaker for t in outcome.transcripts for s in t.segments)
    if kind != "txt" or apart:
        audio = None if outcome.audio == STDIN else outcome.audio
        typer.echo(render(outcome.transcripts, kind, audio), nl=False)
        return
    for number, transcript in enumerate(outcome.transcripts, start=1):
        channel = f"[{number}]" if len(outcome.transcripts) > 1 else ""
        name = f"{outcome.audio if named else ''}{channel}"
        for line in [f"{a.score:.2f}\t{a.text}" for a in transcript.n_best] or [transcript.text]:
            typer.echo(f"{name}\t{line}" if name else line)
