"""`vizinho corpus check`: what is wrong with a corpus, how it is spelt and what it holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from vizinho.cli.emit import emit, shortened, warn
from vizinho.cli.options import (
    AsJson,
    Manifest,
    OnRay,
    Orthographies,
    Processes,
    language_tag,
    normalizer_for,
    processes_for,
)
from vizinho.corpora.manifest import fingerprint, read_manifest
from vizinho.errors import CorpusError
from vizinho.store.store import Store

if TYPE_CHECKING:
    from vizinho.corpora.check import CheckReport
    from vizinho.records import Utterance
    from vizinho.text.evidence import SpellingReport
    from vizinho.text.normalize import Normalizer


def check(
    corpus: Manifest,
    out: Annotated[Path | None, Option("--out", help="Folder for the two files; the manifest's by default.")] = None,
    lang: Annotated[
        str | None,
        Option(
            "--lang",
            callback=language_tag,
            help="Language; the manifest's by default. With it, a corpus in another format can be checked as it is.",
        ),
    ] = None,
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
    NAME.orthography.toml holds it for editing; an existing one stays. Of a corpus in another format the files go to the
    current folder.
    """
    from vizinho.corpora.check import check_corpus, write_check
    from vizinho.progress import bar, board
    from vizinho.text.evidence import spelling_report
    from vizinho.text.orthography import write_orthography

    name, place = corpus.stem, corpus.parent
    if lang:
        from vizinho.job.data import as_manifest

        manifest = as_manifest(corpus, lang, Store().home, lambda line: warn([line]), board)
        if manifest != corpus:
            name, place, corpus = corpus.resolve().stem, Path(), manifest
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
            processes=processes_for(processes, on_ray, len(utterances)),
            on_ray=on_ray,
        )
    clean, quarantine = write_check(report, place if out is None else out, name)
    spelling = spelling_report((u.text for u in utterances), normalizer)
    toml = clean.with_name(f"{name}.orthography.toml")
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
