"""`vizinho corpus`: convert, write, cut into shards; its other commands are in corpus_check.py and corpus_speech.py."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from vizinho.cli.corpus_check import check
from vizinho.cli.corpus_speech import align, label, respell, revoice, speak
from vizinho.cli.emit import emit, shortened, warn
from vizinho.cli.options import AsJson, Commands, Manifest, Seed, language_tag
from vizinho.corpora.manifest import read_manifest, select
from vizinho.errors import SpecError

if TYPE_CHECKING:
    from vizinho.corpora.shards.index import ShardIndex
    from vizinho.progress import Advance


def convert(
    source: Annotated[Path, Argument(help="Corpus folder or file.")],
    manifest: Annotated[Path, Argument(help="Manifest (JSONL) to write.")],
    lang: Annotated[
        str | None,
        Option(
            "--lang",
            callback=language_tag,
            help="Language of the speech, such as pt. If not given, the one that Common Voice's tables name.",
        ),
    ] = None,
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
    lang = lang or _stated_language(source)
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
    # Without --skip-bad, bad rows have raised an error before this line.
    problems = shortened([f"skipped: {p}" for p in conversion.problems], more=f"{manifest.stem}.problems.jsonl")
    emit(conversion.to_json(), as_json, [*conversion.lines, *problems])


def _stated_language(source: Path) -> str:
    from vizinho.corpora.readers.common_voice import stated_language
    from vizinho.text.language import Language

    stated = stated_language(source)
    if stated is None:
        raise SpecError("nothing says which language is spoken", where=source, fix="give --lang, such as --lang pt")
    return Language.parse(stated, where=source, error=SpecError).tag


def _channel(typed: str) -> tuple[str, int]:
    """SPEAKER=N as a speaker and a channel; SpecError for anything else."""
    speaker, _, number = typed.rpartition("=")
    if not speaker or not number.isdecimal():
        raise SpecError(f"{typed!r} is not SPEAKER=N", where="--channel", fix="write it as --channel ana=0")
    return speaker, int(number)


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


app = Commands(help="Corpora: convert, check, count, shard, align, pseudo-label, make practice speech.")
for _command in (convert, export, check, shard, label, align, speak, respell, revoice):
    app.command(_command.__name__)(_command)
