"""`vizinho corpus`: bring speech, see what it is, set aside what is wrong, make practice of a neighbour's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli.options import AsJson, Commands, OnRay, Seed, language_tag
from vizinho.errors import CorpusError

if TYPE_CHECKING:
    from vizinho.corpora.check import CheckReport
    from vizinho.progress import Advance
    from vizinho.records import Utterance

app = Commands(help="Bring, check, count and make corpora.")

ON_RAY = 'On Ray Data (pip install "vizinho[ray]"): the cluster that RAY_ADDRESS names, or one of its own.'
_SHOWN = 10
_Manifest = Annotated[Path, typer.Argument(help="Manifest (JSONL).")]
_Lang = Annotated[
    str | None,
    typer.Option("--lang", callback=language_tag, help="Language whose text rules count; the manifest's if left out."),
]


@app.command("check")
def check(
    corpus: _Manifest,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the clean manifest and the quarantine; the manifest's own.")
    ] = None,
    lang: _Lang = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Also report characters that this model has no token for.")
    ] = None,
    processes: Annotated[int, typer.Option("--processes", help="Processes that decode.", min=1)] = 1,
    on_ray: OnRay = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when anything is set aside.")] = False,
    as_json: AsJson = False,
) -> None:
    """Decode everything, name what is wrong by id, and write NAME.clean.jsonl and NAME.quarantine.jsonl."""
    from vizinho.corpora.check import check_corpus, write_check
    from vizinho.corpora.manifest import read_manifest
    from vizinho.progress import bar
    from vizinho.text.normalize import get_normalizer

    utterances = read_manifest(corpus)
    normalizer = get_normalizer(lang or _only_lang(utterances, corpus))
    tokens, frame_seconds = _model_limits(model) if model else (None, 0.04)
    with bar("checking", len(utterances)) as advance:
        report = check_corpus(
            utterances,
            normalizer=normalizer,
            tokens=tokens,
            frame_seconds=frame_seconds,
            progress=advance,
            processes=processes,
            on_ray=on_ray,
        )
    clean, quarantine = write_check(report, corpus.parent if out is None else out, corpus.stem)
    made = {"corpus": str(corpus), "normalizer": normalizer.name, **report.to_json()}
    made |= {"clean_manifest": str(clean), "quarantine_file": str(quarantine)}
    if as_json:
        typer.echo(json.dumps(made, ensure_ascii=False))
    else:
        _show_check(made, report)
    if strict and report.quarantined:
        raise typer.Exit(1)


@app.command("convert")
def convert(
    source: Annotated[Path, typer.Argument(help="Corpus folder or file.")],
    manifest: Annotated[Path, typer.Argument(help="Manifest (JSONL) to write.")],
    lang: Annotated[
        str, typer.Option("--lang", callback=language_tag, help="Language code of the speech, such as pt.")
    ],
    reader: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="common-voice, mls, fleurs, kaldi, nemo, ljspeech, huggingface or lhotse; guessed if left out.",
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Read only this split; a source without splits becomes it.")
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Re-encode all audio to 16 kHz FLAC beside the manifest.")
    ] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out and list them in a file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a manifest of Common Voice, MLS, FLEURS, Kaldi, NeMo, LJSpeech, Hugging Face or lhotse data."""
    from vizinho.corpora.convert import convert_corpus

    with counter("reading") as advance:
        made = convert_corpus(
            source, manifest, lang=lang, reader=reader, split=split, copy=copy, skip_bad=skip_bad, progress=advance
        )
    result = made.to_json()
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    splits = ", ".join(f"{name} {count}" for name, count in result["splits"].items())
    typer.echo(
        f"{manifest}: {result['utterances']} utterances, {result['minutes']:.1f} minutes ({splits}), {made.format}"
    )
    for problem in made.problems[:_SHOWN]:
        typer.echo(f"left out: {problem}")
    if len(made.problems) > _SHOWN:
        typer.echo(f"and {len(made.problems) - _SHOWN} more: {manifest.stem}.problems.jsonl")


def _name_left_out(left_out: Sequence[tuple[str, str]]) -> None:
    for utterance_id, reason in left_out[:_SHOWN]:
        typer.echo(f"left out {utterance_id}: {reason}")
    if len(left_out) > _SHOWN:
        typer.echo(f"and {len(left_out) - _SHOWN} more (--json names all)")


@app.command("respell")
def respell(
    corpus: _Manifest,
    to: Annotated[str, typer.Option("--to", callback=language_tag, help="Target language, such as pt.")],
    out: Annotated[Path, typer.Option("--out", help="Manifest to write; the audio stays where it is.")],
    leave_out: Annotated[
        list[Path] | None,
        typer.Option("--leave-out", help="Target manifest whose dev and test texts are kept out; repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a donor's corpus into practice for the target: its sounds, in the target's letters (needs eSpeak NG)."""
    from vizinho.corpora.manifest import held_out_texts, read_manifest, write_manifest
    from vizinho.g2p.respell import respell_corpus
    from vizinho.progress import bar
    from vizinho.text.normalize import get_normalizer

    if out.resolve() == corpus.resolve():
        raise CorpusError("the corpus would be overwritten", where=out, fix="give another --out")
    kept_back = held_out_texts((u for path in leave_out or () for u in read_manifest(path)), get_normalizer(to))
    utterances = read_manifest(corpus)
    with bar("respelling", len(utterances)) as advance:
        made = respell_corpus(utterances, to, kept_back, advance)
    write_manifest(out, made.utterances)
    if as_json:
        found = {"manifest": str(out), "utterances": len(made.utterances)}
        typer.echo(json.dumps(found | {"left_out": made.left_out, "examples": made.examples}, ensure_ascii=False))
        return
    typer.echo(f"{out}: {len(made.utterances)} utterances, {len(made.left_out)} left out")
    for ours, theirs in made.examples:
        typer.echo(f"  {ours}  ->  {theirs}")
    _name_left_out(made.left_out)


@app.command("revoice")
def revoice(
    corpus: _Manifest,
    out: Annotated[Path, typer.Option("--out", help="Folder for the manifest and its audio.")],
    copies: Annotated[int, typer.Option("--copies", help="Voices for each utterance.", min=1)] = 1,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Say the train part again in other voices: pitch, vocal tract and pace changed by Praat (extra "voices")."""
    from vizinho.corpora.manifest import read_manifest, write_manifest
    from vizinho.corpora.revoice import revoice_corpus
    from vizinho.progress import bar

    utterances = read_manifest(corpus)
    with bar("revoicing", sum(u.split == "train" for u in utterances)) as advance:
        made = revoice_corpus(utterances, out, copies=copies, seed=seed, progress=advance)
    manifest = out / f"{corpus.stem}.voices.jsonl"
    write_manifest(manifest, made.utterances)
    minutes = sum(u.duration_seconds for u in made.utterances) / 60
    if as_json:
        found = {"manifest": str(manifest), "utterances": len(made.utterances), "minutes": round(minutes, 2)}
        typer.echo(json.dumps(found | {"left_out": made.left_out}, ensure_ascii=False))
        return
    typer.echo(f"{manifest}: {len(made.utterances)} utterances, {minutes:.1f} minutes, {len(made.left_out)} left out")
    _name_left_out(made.left_out)


@app.command("stats")
def stats(corpus: _Manifest, lang: _Lang = None, as_json: AsJson = False) -> None:
    """Count utterances, minutes, characters and texts by split and speaker."""
    from vizinho.corpora.manifest import fingerprint, read_manifest
    from vizinho.corpora.stats import corpus_stats
    from vizinho.text.normalize import get_normalizer

    utterances = read_manifest(corpus)
    normalizer = get_normalizer(lang or _only_lang(utterances, corpus))
    rows = [row.to_json() for row in corpus_stats(utterances, normalizer)]
    name = fingerprint(utterances)
    if as_json:
        made = {"corpus": str(corpus), "fingerprint": name, "normalizer": normalizer.name, "rows": rows}
        typer.echo(json.dumps(made, ensure_ascii=False))
        return
    typer.echo(f"{'split':<8}{'utterances':>11}{'minutes':>9}{'characters':>12}{'texts':>8}{'letters/s':>11}  speaker")
    for row in rows:
        speaker = row["speaker"] or f"all {row['speakers']}"
        typer.echo(
            f"{row['split'] or 'all':<8}{row['utterances']:>11}{row['minutes']:>9.2f}{row['characters']:>12}"
            f"{row['distinct_texts']:>8}{row['letters_per_second']:>11.1f}  {speaker}"
        )
    typer.echo(f"fingerprint {name}, {normalizer.name}")


@contextmanager
def counter(description: str) -> Iterator[Advance]:
    """Progress of work whose end is not known, since it reads as it goes."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=None)

        def advance(amount: float, _note: str = "") -> None:
            progress.update(task, advance=amount)

        yield advance


def _only_lang(utterances: list[Utterance], corpus: Path) -> str:
    langs = sorted({u.lang for u in utterances})
    if len(langs) > 1:
        raise CorpusError(
            f"several languages: {', '.join(langs)}", where=corpus, fix="make a manifest for each, or give --lang"
        )
    return langs[0]


def _model_limits(model: str) -> tuple[set[str], float]:
    """Characters that the model's tokens are made of, and seconds per output frame."""
    from vizinho.model.checkpoint import load_checkpoint
    from vizinho.store.store import Store

    checkpoint = load_checkpoint(Store().resolve(model))
    letters = checkpoint.inventory.letters
    # Pieces of several letters need fewer frames than letters, so their count says nothing: keep the default then.
    whole = any(len(token.strip("▁")) > 1 for token in letters)
    return set("".join(letters)) - {"▁"}, 0.04 if whole else checkpoint.front.frame_seconds


def _show_check(made: dict[str, Any], report: CheckReport) -> None:
    typer.echo(
        f"{made['utterances']} utterances: {made['clean']} clean ({made['clean_minutes']:.1f} min), "
        f"{made['quarantined']} set aside ({made['quarantined_minutes']:.1f} min)"
    )
    for title, severity in (("set aside", "quarantine"), ("warning", "warning")):
        for kind, count in report.counts(severity).items():
            typer.echo(f"\n{title}: {kind}, {count} utterance{'s' if count != 1 else ''}")
            shown = [f for f in report.findings if f.kind == kind and f.severity == severity]
            for finding in shown[:_SHOWN]:
                typer.echo(f"  {finding.id}: {finding.detail}")
            if len(shown) > _SHOWN:
                typer.echo(f"  and {len(shown) - _SHOWN} more (--json names all)")
    typer.echo(f"\n{made['clean_manifest']}\n{made['quarantine_file']}")
