"""`vizinho corpus`: convert, check, count, shard, align and pseudo-label corpora, and make practice speech."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from vizinho.cli.emit import SHOWN, emit, shortened, warn
from vizinho.cli.options import (
    AsJson,
    Commands,
    Engine,
    Lang,
    Manifest,
    Model,
    OnRay,
    Orthographies,
    OutManifest,
    Processes,
    Seed,
    To,
    language_tag,
    normalizer_for,
    processes_that_fit,
)
from vizinho.corpora.manifest import fingerprint, held_out_texts, read_manifest, select, write_manifest
from vizinho.errors import CorpusError, SpecError
from vizinho.store.store import Store

if TYPE_CHECKING:
    from vizinho.corpora.check import CheckReport
    from vizinho.corpora.convert import Conversion
    from vizinho.corpora.shards.index import ShardIndex
    from vizinho.progress import Advance
    from vizinho.recognition.label import LabelReport
    from vizinho.records import Utterance
    from vizinho.text.evidence import SpellingReport
    from vizinho.text.normalize import Normalizer

app = Commands(help="Corpora: convert, check, count, shard, align, pseudo-label, make practice speech.")


@app.command("convert")
def convert(
    source: Annotated[Path, Argument(help="Corpus folder or file.")],
    manifest: Annotated[Path, Argument(help="Manifest (JSONL) to write.")],
    lang: Annotated[str, Option("--lang", callback=language_tag, help="Language of the speech, such as pt.")],
    reader: Annotated[
        str | None,
        Option(
            "--format",
            help="Guessed if not given. Field recordings: eaf (ELAN), textgrid (Praat), srt, vtt, audacity, "
            "label-studio, chat, transcriber. Corpora: common-voice, common-voice-spontaneous, mls, fleurs, kaldi, "
            "nemo, ljspeech, piper, audiofolder, huggingface, lhotse.",
        ),
    ] = None,
    split: Annotated[str | None, Option("--split", help="Split to read; a source without splits becomes it.")] = None,
    copy: Annotated[bool, Option("--copy", help="Re-encode all audio to 16 kHz FLAC next to the manifest.")] = False,
    skip_bad: Annotated[bool, Option("--skip-bad", help="Skip bad rows and list them in a file.")] = False,
    tiers: Annotated[
        list[str] | None,
        Option(
            "--tier",
            help="Tier of the transcription: name, type or wildcard such as tx@*; repeatable. Guessed if not given.",
        ),
    ] = None,
    media: Annotated[
        list[Path] | None, Option("--media", help="Folder with the recordings of field transcripts; repeatable.")
    ] = None,
    encoding: Annotated[
        str, Option("--encoding", help="Encoding of lines of field transcripts that are not UTF-8, such as cp1252.")
    ] = "",
    parentheses: Annotated[
        str,
        Option("--parentheses", help="What (round brackets) hold: words (that are uncertain), events, or leave them."),
    ] = "",
    channels: Annotated[
        list[str] | None,
        Option("--channel", help="Channel of a speaker's microphone, from 0, as ana=0; repeatable. Else their mean."),
    ] = None,
    keep_unclear: Annotated[
        bool, Option("--keep-unclear", help="Read texts in which some words were not understood, too.")
    ] = False,
    drop_overlaps: Annotated[
        bool, Option("--drop-overlaps", help="Leave out turns during which somebody else speaks, both of them.")
    ] = False,
    licence: Annotated[str, Option("--licence", help="Licence of the speech, an SPDX identifier: CC-BY-4.0.")] = "",
    consent: Annotated[str, Option("--consent", help="How the speakers agreed, in your words.")] = "",
    restrictions: Annotated[
        list[str] | None,
        Option("--restriction", help='What it may not be used for: "not for export" (docs/rights.md); repeatable.'),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a manifest of field recordings (ELAN, Praat, subtitles), or of a corpus in another toolkit's format."""
    from vizinho.corpora.convert import convert_corpus
    from vizinho.corpora.turns import FieldOptions
    from vizinho.rights import Rights

    options = FieldOptions(
        tuple(tiers or ()),
        tuple(media or ()),
        encoding,
        parentheses,
        keep_unclear,
        tuple(map(_channel, channels or ())),
        drop_overlaps,
    )
    rights = Rights.of({"licence": licence, "consent": consent, "restrictions": restrictions}, "--restriction")
    with _counter("reading") as advance:
        conversion = convert_corpus(
            source,
            manifest,
            lang=lang,
            reader=reader,
            split=split,
            copy=copy,
            skip_bad=skip_bad,
            options=options,
            rights=rights,
            progress=advance,
        )
    values = conversion.to_json()
    splits = ", ".join(f"{name} {count}" for name, count in values["splits"].items())
    text = f"{values['utterances']} utterances, {values['minutes']:.1f} minutes ({splits}), {conversion.format}"
    # Without --skip-bad, bad rows have raised an error before this line.
    problems = shortened([f"skipped: {p}" for p in conversion.problems], more=f"{manifest.stem}.problems.jsonl")
    tier_lines = conversion.tiers.lines if conversion.tiers else []
    emit(values, as_json, [f"{manifest}: {text}", *tier_lines, *_note_lines(conversion), *problems])


def _channel(typed: str) -> tuple[str, int]:
    """SPEAKER=N as a speaker and a channel; SpecError for anything else."""
    speaker, _, number = typed.rpartition("=")
    if not speaker or not number.isdecimal():
        raise SpecError(f"{typed!r} is not SPEAKER=N", where="--channel", fix="write it as --channel ana=0")
    return speaker, int(number)


def _note_lines(conversion: Conversion) -> Iterator[str]:
    """Notes by kind, with the most frequent texts of each."""
    for kind, count in conversion.note_counts.items():
        details = Counter(note.detail for note in conversion.notes if note.kind == kind).most_common(3)
        yield f"note: {kind}, {count}: " + "; ".join(f"{detail[:80]} ({times})" for detail, times in details)
    if conversion.notes:
        yield f"all notes with their places: {conversion.manifest.with_name(conversion.manifest.stem + '.notes.jsonl')}"


@app.command("export")
def export(
    corpus: Manifest,
    out: Annotated[Path, Option("--out", help="Folder to write; one file for each recording.")],
    kind: Annotated[str, Option("--format", help="eaf (ELAN), textgrid (Praat), audacity or label-studio.")] = "eaf",
    split: Annotated[str | None, Option("--split", help="Only this split.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write transcripts for ELAN, Praat, Audacity or Label Studio; utterances go back to the recordings they are from.

    `corpus convert` reads these files again after people have corrected them.
    """
    from vizinho.corpora.export import export_corpus

    exported = export_corpus(select(read_manifest(corpus), split=split), out, kind)
    text = f"{out}: {exported.utterances} utterances in {len(exported.files)} {kind} files"
    text += f"; rights in {exported.rights}" if exported.rights else ""
    if exported.mixed:
        warn([f"recordings with utterances of several splits, which `corpus convert` reads as train: {exported.mixed}"])
    emit({"out": out, "format": kind, **asdict(exported)}, as_json, text)


@contextmanager
def _counter(description: str) -> Iterator[Advance]:
    """Progress without a total, for sources that are read as they come."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=None)

        def advance(amount: float, _note: str = "") -> None:
            progress.update(task, advance=amount)

        yield advance


@app.command("check")
def check(
    corpus: Manifest,
    out: Annotated[Path | None, Option("--out", help="Folder for the two files; the manifest's by default.")] = None,
    lang: Lang = None,
    model: Annotated[str | None, Option("--model", help="Also report characters that this model lacks.")] = None,
    orthography: Orthographies = None,
    processes: Processes = None,
    on_ray: OnRay = False,
    strict: Annotated[bool, Option("--strict", help="Exit with 1 when anything is quarantined.")] = False,
    counts: Annotated[
        bool, Option("--counts", help="Only count: read no audio, write no file. Prints each split and speaker.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Decode everything, name every fault by id, and write NAME.clean.jsonl and NAME.quarantine.jsonl.

    Prints how the language is spelt, which characters are dropped, and which signs the texts use as letters.
    NAME.orthography.toml holds it for editing; an existing one stays.
    """
    from vizinho.corpora.check import check_corpus, write_check
    from vizinho.progress import bar
    from vizinho.text.evidence import spelling_report
    from vizinho.text.orthography import write_orthography

    utterances = read_manifest(corpus)
    normalizer = normalizer_for(lang or _only_lang(utterances, corpus), orthography)
    if counts:
        _count(utterances, corpus, normalizer, as_json)
        return
    tokens, frame_seconds = _model_limits(model) if model else (None, 0.04)
    with bar("checking", len(utterances)) as advance:
        report = check_corpus(
            utterances,
            normalizer=normalizer,
            tokens=tokens,
            frame_seconds=frame_seconds,
            progress=advance,
            processes=_processes(processes, on_ray, len(utterances)),
            on_ray=on_ray,
        )
    clean, quarantine = write_check(report, corpus.parent if out is None else out, corpus.stem)
    spelling = spelling_report((u.text for u in utterances), normalizer)
    toml = clean.with_name(f"{corpus.stem}.orthography.toml")
    if not toml.exists():  # it may have been edited
        write_orthography(toml, spelling.suggested)
    values = {"corpus": corpus, "normalizer": normalizer.name, **report.to_json(), "spelling": spelling.to_json()}
    values |= {"clean_manifest": clean, "quarantine_file": quarantine, "orthography_file": toml}
    emit(values, as_json, chain(_check_lines(values, report), _spelling_lines(spelling, normalizer.name, toml)))
    if strict and report.quarantined:
        raise typer.Exit(1)  # for scripts: 2 would mean that the command itself failed


def _count(utterances: list[Utterance], corpus: Path, normalizer: Normalizer, as_json: bool) -> None:
    from vizinho.corpora.stats import corpus_stats

    rows = [asdict(row) for row in corpus_stats(utterances, normalizer)]
    values = {"corpus": corpus, "fingerprint": fingerprint(utterances), "normalizer": normalizer.name, "rows": rows}
    lines = [
        f"{row['split'] or 'all':<8}{row['utterances']:>11}{row['minutes']:>9.2f}{row['characters']:>12}"
        f"{row['distinct_texts']:>8}{row['letters_per_second']:>11.1f}  "
        f"{row['speaker'] or 'all ' + str(row['speakers'])}"
        for row in rows
    ]
    head = f"{'split':<8}{'utterances':>11}{'minutes':>9}{'characters':>12}{'texts':>8}{'letters/s':>11}  speaker"
    emit(values, as_json, [head, *lines, f"fingerprint {values['fingerprint']}, {normalizer.name}"])


def _processes(requested: int | None, on_ray: bool, items: int) -> int:
    """Processes on this machine's cores; a cluster has others."""
    return requested or 1 if on_ray else processes_that_fit("--processes", requested, items=items)


def _only_lang(utterances: list[Utterance], corpus: Path) -> str:
    langs = sorted({u.lang for u in utterances})
    if len(langs) > 1:
        what = f"several languages: {', '.join(langs)}"
        raise CorpusError(what, where=corpus, fix="make a manifest for each, or give --lang")
    return langs[0]


def _model_limits(model: str) -> tuple[set[str], float]:
    """Characters of the model's tokens, and seconds per output frame."""
    from vizinho.model.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(Store().resolve(model))
    letters = checkpoint.inventory.letters
    # Subword pieces need fewer frames than letters, so the check of frames per letter keeps its default for them.
    pieces = any(len(token.strip("▁")) > 1 for token in letters)
    return set("".join(letters)) - {"▁"}, 0.04 if pieces else checkpoint.front.frame_seconds


def _check_lines(values: dict[str, Any], report: CheckReport) -> Iterator[str]:
    from vizinho.corpora.rights_report import report_lines

    yield (
        f"{values['utterances']} utterances: {values['clean']} clean ({values['clean_minutes']:.1f} min), "
        f"{values['quarantined']} quarantined ({values['quarantined_minutes']:.1f} min)"
    )
    for title, severity in (("quarantined", "quarantine"), ("warning", "warning")):
        for kind, count in report.counts(severity).items():
            yield f"\n{title}: {kind}, {count} utterance{'s' if count != 1 else ''}"
            matching = [f for f in report.findings if (f.kind, f.severity) == (kind, severity)]
            yield from (f"  {line}" for line in shortened([f"{f.id}: {f.detail}" for f in matching]))
    yield ""
    yield from report_lines(report.rights)
    yield f"\n{values['clean_manifest']}\n{values['quarantine_file']}"


def _spelling_lines(spelling: SpellingReport, normalizer: str, toml: Path) -> Iterator[str]:
    yield f"\nspelling ({normalizer}; case: {spelling.orthography.case})"
    for name, kind in (
        ("letters", spelling.letters), ("other letters", spelling.other_letters), ("joiners", spelling.joiners),
        ("marks", spelling.marks), ("tones", spelling.tones), ("read out", spelling.read_out),
        ("punctuation, dropped", spelling.punctuation), ("dropped, though it may be heard", spelling.dropped),
    ):  # fmt: skip
        if kind:
            ranked = sorted(kind.items(), key=lambda item: -item[1])
            yield f"  {name}: {'  '.join(f'{_visible(c)} {count}' for c, count in ranked)}"
    for s in spelling.suggestions:
        yield f"  the texts use {s.signs} among {s.key}: {s.words} words, such as {', '.join(s.examples)}"
    yield f"{toml}: for editing; give it with --orthography to check, train and transfer"


def _visible(c: str) -> str:
    """A mark on a circle, and the number of a character without a look."""
    kind = unicodedata.category(c)
    return f"◌{c}" if kind[0] == "M" else f"U+{ord(c):04X}" if kind[0] == "C" else c


@app.command("shard")
def shard(
    source: Annotated[
        str,
        Argument(
            help="A manifest; a folder or file of webdataset tars; a folder of lhotse shar; Hugging Face data: Parquet "
            "files, a saved set, or the id of a set on the hub.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, Option("--out", help="Folder of the sharded corpus.")],
    kind: Annotated[
        str | None, Option("--format", help="manifest, webdataset, lhotse-shar or huggingface; guessed if not given.")
    ] = None,
    lang: Annotated[
        str | None, Option("--lang", callback=language_tag, help="Language of the speech; needed without a manifest.")
    ] = None,
    split: Annotated[
        str, Option("--split", help="Split to read of Hugging Face data, and of tars named after their split.")
    ] = "train",
    subset: Annotated[str | None, Option("--subset", help="Configuration of Hugging Face data.")] = None,
    shard_minutes: Annotated[
        float, Option("--shard-minutes", help="Minutes of audio in each shard that is written.", min=0.01)
    ] = 60.0,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Make a sharded corpus for `vizinho train` and `transfer` (--corpus DIR). Repeat the command to resume it.

    A manifest and Hugging Face data are packed into tars. Tars of webdataset and lhotse shar stay where they are; the
    folder then only has what is needed to read them.
    """
    from vizinho.corpora.shards.make import make_shards
    from vizinho.corpora.shards.writing import ShardOptions

    options = ShardOptions(shard_minutes, seed)
    with _counter("sharding") as advance:
        index = make_shards(
            source, out, kind=kind, lang=lang, split=split, subset=subset, options=options, progress=advance
        )
    values = {
        "corpus": index.folder,
        "lang": index.lang,
        "shards": len(index.shards),
        "utterances": index.utterances,
        "hours": round(index.seconds / 3600, 4),
        "speakers": index.speakers,
        "bytes": sum(s.bytes for s in index.shards),
        "manifests": {split: index.folder / name for split, name in index.manifests.items()},
        "left_out": index.left_out,
        "fingerprint": index.fingerprint,
    }
    emit(values, as_json, _shard_lines(index))


def _shard_lines(index: ShardIndex) -> Iterator[str]:
    from vizinho.corpora.shards.build import LEFT_OUT

    counts = f"{index.utterances} utterances, {index.seconds / 3600:.2f} hours in {len(index.shards)} shards"
    yield f"{index.folder}: {counts}"
    yield from (f"{split}: {index.folder / name}" for split, name in index.manifests.items())
    if index.left_out:
        yield f"left out: {index.left_out}, named in {index.folder / LEFT_OUT}"
    yield f"fingerprint {index.fingerprint}"


@app.command("label")
def label(
    model: Model,
    sources: Annotated[list[Path], Argument(help="Audio files, folders, or one manifest (JSONL).", show_default=False)],
    out: OutManifest,
    least_confidence: Annotated[
        float, Option("--least-confidence", help="Skip labels with a lower mean confidence.", min=0, max=1)
    ] = 0.0,
    least_agreement: Annotated[
        float,
        Option(
            "--least-agreement",
            help="Transcribe at 1.1 of the speed too, and skip labels of which a smaller share of letters stays.",
            min=0,
            max=1,
        ),
    ] = 0.0,
    lang: Lang = None,
    split: Annotated[str, Option("--split", help="Split of the manifest to label; its rows become train.")] = "train",
    processes: Processes = None,
    on_ray: OnRay = False,
    engine: Engine = "onnx",
    as_json: AsJson = False,
) -> None:
    """Pseudo-label untranscribed speech: FILE gets the accepted labels, NAME.heard.jsonl all of them.

    The same command resumes a run that was stopped; other thresholds decode nothing again. Recordings that
    cannot be read are reported, and the others are still labelled (exit code 2).
    """
    from vizinho.progress import bar
    from vizinho.recognition.files import Work
    from vizinho.recognition.label import PseudoLabelOptions, pseudo_label, untranscribed

    store = Store()
    folder, card = store.resolve(model), store.card(model)
    utterances, skipped = untranscribed(sources, lang or (card.language if card else ""), split)
    warn(f"skipped, not audio: {count} {suffix}" for suffix, count in sorted(skipped.items()))
    spread = _processes(processes, on_ray, len(utterances))
    options = PseudoLabelOptions(least_confidence, least_agreement, spread, on_ray)
    entry = store.find(model)
    ref = entry.ref if entry else folder.name  # the labels' source names the exact version
    # A model of many languages does not know which it is to write; what was trained here does.
    spoken = lang or (utterances[0].lang if utterances and card is None else None)
    work = Work(folder, engine, language=spoken)
    with bar("pseudo-labelling", len(utterances)) as advance:
        report = pseudo_label(work, ref, utterances, out, options, advance)
    emit(report, as_json, _label_lines(report))
    warn(f"error: {row['id']}: {row['error']}" for row in report.failed[:SHOWN])
    if report.failed:
        warn([f"{len(report.failed)} of {len(utterances)} recordings could not be labelled"])
        raise typer.Exit(2)


def _label_lines(report: LabelReport) -> Iterator[str]:
    yield f"{report.manifest}: {report.accepted} utterances, {report.accepted_minutes:.1f} minutes"
    unreadable = f"{len(report.failed)} unreadable"
    unstable = f", {report.unstable} below the least agreement" if report.unstable else ""
    yield f"skipped: {report.unsure} below the least confidence{unstable}, {report.silent} without words, {unreadable}"
    yield f"median confidence of accepted labels {report.median_confidence:.3f}; done before: {report.done_before}"
    yield f"all transcripts: {report.ledger}"


@app.command("align")
def align(
    recording: Annotated[Path, Argument(help="Long recording.", show_default=False)],
    text: Annotated[Path, Argument(help="Its text: sentences or lines in order, perhaps NAME: text.")],
    model: Annotated[
        str, Option("--model", help="Model of the language or of a neighbour: NAME, NAME@VERSION, folder.")
    ],
    lang: Annotated[str, Option("--lang", callback=language_tag, help="Language of the speech, such as pt.")],
    out: OutManifest,
    precision: Annotated[
        float, Option("--precision", help="Accept utterances so that this share of them is right.", min=0, max=1)
    ] = 0.99,
    rounds: Annotated[
        int, Option("--rounds", help="With 2: align, train a transfer on what is accepted, align again.", min=1)
    ] = 1,
    donor_language: Annotated[
        str | None,
        Option("--from", callback=language_tag, help="The model's language where its card does not say it."),
    ] = None,
    speaker: Annotated[str, Option("--speaker", help="Who speaks where the text does not say it.")] = "",
    encoding: Annotated[
        str, Option("--encoding", help="Encoding of lines of the text that are not UTF-8, such as cp1252.")
    ] = "",
    orthography: Orthographies = None,
    steps: Annotated[int | None, Option("--steps", help="Training steps between rounds.", min=1)] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Cut a long recording into the utterances of its text, by a neighbour's model and without training.

    Text that nobody says and speech that nobody wrote down are passed over. FILE gets the utterances that are sure,
    NAME.alignment.jsonl all of them; clips go to NAME_audio.
    """
    from vizinho.job.align import AlignOptions, align_recording, report_lines
    from vizinho.progress import board

    options = AlignOptions(precision, rounds, donor_language, speaker, steps, seed, encoding, orthography)
    with board() as show:
        report = align_recording(recording, text, model=model, lang=lang, out=out, options=options, show=show)
    emit(report, as_json, report_lines(report))


@app.command("speak")
def speak(
    language: Annotated[str | None, Argument(help="Language to speak, such as pt, hi or gl (see --list).")] = None,
    out: Annotated[Path | None, Option("--out", help="Folder for the manifest and its audio.")] = None,
    minutes: Annotated[float, Option("--minutes", help="Minutes of speech over all splits.", min=0)] = 30.0,
    seed: Seed = 1,
    text: Annotated[Path | None, Option("--text", help="Your own sentences, one a line, to speak instead.")] = None,
    like: Annotated[
        str | None, Option("--like", help="Languages whose voices read this one, as pt,es; for one without a voice.")
    ] = None,
    letters: Annotated[
        Path | None, Option("--letters", help="Table (TOML) of how its letters are written for a borrowed voice.")
    ] = None,
    listing: Annotated[bool, Option("--list", help="Print the languages that can be spoken, and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Synthesise practice speech with eSpeak NG: many voice variants, rates and pitches, noise, telephone band.

    Words are wordfreq's, else those of your sentences. A language without a voice is read by its neighbours' voices.
    """
    if listing:
        _list_speakable(as_json)
        return
    if language is None or out is None:
        missing = "LANGUAGE" if language is None else "--out"
        raise SpecError(f"{missing} is missing", where="corpus speak", fix="vizinho corpus speak LANGUAGE --out FOLDER")
    from vizinho.corpora.synthetic import practice_corpus
    from vizinho.progress import bar
    from vizinho.text.language import Language

    sentences = None
    if text is not None:
        if not text.is_file():
            raise CorpusError("no such text file", where=text, fix="check the path")
        sentences = [line.strip() for line in text.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not sentences:
            raise CorpusError("the file has no sentences", where=text, fix="write one sentence a line")
    language = Language.parse(language, where="LANGUAGE", error=CorpusError).base
    with bar(f"speaking {language}", minutes) as advance:
        manifest = practice_corpus(
            language,
            minutes,
            out,
            seed=seed,
            sentences=sentences,
            like=[code.strip() for code in (like or "").split(",") if code.strip()],
            letters=letters,
            progress=advance,
        )
    _emit_manifest(manifest, read_manifest(manifest), as_json)


def _list_speakable(as_json: bool) -> None:
    from vizinho.cli.emit import markdown
    from vizinho.corpora.synthetic import phrase_books
    from vizinho.g2p.speaking import speakable
    from vizinho.g2p.words import is_listed
    from vizinho.text.alphabets import sample_sentences

    rows = []
    for speech in speakable():
        code = speech.language.code
        sources = {
            "phrase book": code in phrase_books(),
            "wordfreq": is_listed(code),
            "sample sentences": bool(sample_sentences(code)),
        }
        text = next((name for name, there in sources.items() if there), "yours (--text)")
        voices = [reader.voice for reader in speech.readers]
        row = {"code": code, "language": speech.language.name, "voices": voices, "voice": speech.remark, "text": text}
        rows.append(row)
    head = ["code", "language", "voices", "voice is", "text"]
    cells = [[r["code"], r["language"], " ".join(r["voices"]), r["voice"], r["text"]] for r in rows]
    emit({"languages": rows}, as_json, f"{markdown(head, cells)}\n{len(rows)} languages")


@app.command("respell")
def respell(
    corpus: Manifest,
    to: To,
    out: Annotated[Path, Option("--out", help="Manifest to write; the audio stays where it is.")],
    leave_out: Annotated[
        list[Path] | None,
        Option("--leave-out", help="Target manifest whose texts outside train are held out; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a donor's corpus into practice speech: its sounds, in the target's letters (needs eSpeak NG)."""
    from vizinho.g2p.respell import respell_corpus
    from vizinho.progress import bar
    from vizinho.text.normalize import get_normalizer

    if out.resolve() == corpus.resolve():  # also by another name of the same file
        raise CorpusError("the corpus would be overwritten", where=out, fix="give another --out")
    held_out = held_out_texts((u for path in leave_out or () for u in read_manifest(path)), get_normalizer(to))
    utterances = read_manifest(corpus)
    with bar("respelling", len(utterances)) as advance:
        respelt = respell_corpus(utterances, to, held_out, advance)
    write_manifest(out, respelt.utterances)
    _emit_manifest(out, respelt.utterances, as_json, left_out=respelt.left_out, examples=respelt.examples)


@app.command("revoice")
def revoice(
    corpus: Manifest,
    out: Annotated[Path, Option("--out", help="Folder for the manifest and its audio.")],
    copies: Annotated[int, Option("--copies", help="Voices for each utterance.", min=1)] = 1,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Copy the train part into other voices: Praat changes pitch, vocal tract and pace (extra "voices")."""
    from vizinho.corpora.revoice import revoice_corpus
    from vizinho.progress import bar

    utterances = read_manifest(corpus)
    with bar("revoicing", sum(u.split == "train" for u in utterances)) as advance:
        revoiced = revoice_corpus(utterances, out, copies=copies, seed=seed, progress=advance)
    manifest = out / f"{corpus.stem}.voices.jsonl"
    write_manifest(manifest, revoiced.utterances)
    _emit_manifest(manifest, revoiced.utterances, as_json, left_out=revoiced.left_out)


def _emit_manifest(
    manifest: Path,
    utterances: Sequence[Utterance],
    as_json: bool,
    *,
    left_out: Sequence[tuple[str, str]] = (),
    examples: Sequence[tuple[str, str]] = (),
) -> None:
    """Print what was written; `left_out` has ids and reasons, `examples` texts before and after."""
    minutes = sum(u.duration_seconds for u in utterances) / 60
    values = {"manifest": manifest, "utterances": len(utterances), "minutes": round(minutes, 2)}
    skipped = f", {len(left_out)} skipped" if left_out else ""
    lines = [f"{manifest}: {len(utterances)} utterances, {minutes:.1f} minutes{skipped}"]
    lines += [f"  {before}  ->  {after}" for before, after in examples]
    lines += shortened([f"skipped {utterance_id}: {reason}" for utterance_id, reason in left_out])
    emit(values | {"left_out": left_out, "examples": examples}, as_json, lines)
