"""`vizinho train` and `vizinho transfer`: options in, one call of the API, the new version out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from vizinho.cli.emit import emit, show_plan
from vizinho.cli.options import (
    AsJson,
    Corpora,
    DryRun,
    Fresh,
    Name,
    OptionalCorpora,
    Orthographies,
    Quiet,
    Rows,
    ShowPlan,
    check_donor,
    check_manifests,
    language_shares,
    language_tag,
    row_overrides,
)
from vizinho.errors import SpecError

if TYPE_CHECKING:
    from vizinho.job.run import Outcome, Reporting

_LIST_WORDS = 50_000  # most frequent words of a word list that get a spelling: each is read aloud in two languages
Beside = Annotated[
    list[Path] | None,
    Option("--beside", help="Manifest of practice speech: its train part is added whole; repeatable."),
]
Repeat = Annotated[int | None, Option("--repeat", help="Repeat --corpus this many times per epoch (default 1).")]
Steps = Annotated[
    int | None,
    Option("--steps", help="Optimiser steps (default: 3600 for train; 13 epochs, 400 to 20000, for transfer).", min=1),
]
Minutes = Annotated[float | None, Option("--minutes", help="Use at most these minutes of --corpus.", min=0)]
Seed = Annotated[int | None, Option("--seed", help="Seed of all randomness (default 1).", min=0)]
Threads = Annotated[int | None, Option("--threads", help="Torch threads (default 1).", min=1)]
Recipe = Annotated[Path | None, Option("--recipe", help="TOML file of training options (docs/recipes.md).")]
Pieces = Annotated[int, Option("--pieces", help="Number of BPE pieces, where they are learnt.", min=1)]


def train(
    corpus: Corpora,
    language: Annotated[str, Option("--lang", callback=language_tag, help="Language of the corpus, such as es.")],
    beside: Beside = None,
    repeat: Repeat = None,
    name: Name = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    preset: Annotated[str, Option("--preset", help="Size: tiny, small, base or large.")] = "tiny",
    tokens: Annotated[str, Option("--tokens", help="characters, written (with capitals and marks), bpe.")] = (
        "characters"
    ),
    pieces: Pieces = 256,
    threads: Threads = None,
    recipe: Recipe = None,
    orthography: Orthographies = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a recogniser from scratch."""
    check_manifests([*corpus, *(beside or ())])
    from vizinho.job.run import train as train_recogniser

    train_recogniser(
        lang=language,
        corpus=corpus,
        beside=beside or (),
        repeat=repeat,
        name=name,
        minutes=minutes,
        preset=preset,
        tokens=tokens,
        pieces=pieces,
        recipe=recipe,
        steps=steps,
        seed=seed,
        threads=threads,
        orthography=orthography,
        fresh=fresh,
        reporting=_reporting(quiet, as_json),
    )


def transfer(
    donor: Annotated[
        str,
        Argument(
            help="Start from: NAME, NAME@VERSION, a folder, a .nemo file or a hub id; es@1+it@1 mixes two of one size."
        ),
    ],
    to: Annotated[str, Option("--to", callback=language_tag, help="Target language, such as pt.")],
    corpus: OptionalCorpora = None,
    texts: Annotated[
        list[str] | None,
        Option(
            "--text",
            help="In place of speech: text files of the target, or wordfreq:pt. The donor's network gets a lexicon of "
            "their words, spelt as the donor hears them (extra speak); nothing is trained. Repeatable.",
        ),
    ] = None,
    donor_language: Annotated[
        str | None,
        Option("--from", callback=language_tag, help="The donor's language, where its card does not say it."),
    ] = None,
    adapter: Annotated[
        str | None, Option("--adapter", help="Language adapter to start from, such as spa (MMS donors).")
    ] = None,
    practice: Annotated[
        float | None,
        Option(
            "--practice",
            help="Add this many minutes of synthetic speech, and as many of the donor's own recordings respelt in the "
            "target's letters (extra speak). Sets --repeat and warps channels. The case study uses 90 "
            "(docs/recipe.md).",
            min=0,
        ),
    ] = None,
    beside: Beside = None,
    repeat: Repeat = None,
    name: Name = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    preset: Annotated[str | None, Option("--preset", help="Must be the donor's size.")] = None,
    threads: Threads = None,
    recipe: Recipe = None,
    orthography: Orthographies = None,
    new_rows: Annotated[
        str, Option("--new-rows", help="Start the rows of new tokens from: features, neighbours or fresh.")
    ] = "features",
    row: Rows = None,
    tokens: Annotated[
        str,
        Option(
            "--tokens",
            help="auto keeps the donor's pieces where they can write the target's letters and the training texts. "
            "Otherwise it makes tokens of single letters; where the donor's frames are too long for letters, it adds "
            "the letters that its pieces lack. Or: donor, extended, bpe, characters, written (letters with "
            "capitals and marks).",
        ),
    ] = "auto",
    pieces: Pieces = 256,
    head: Annotated[
        str,
        Option(
            "--head",
            help="auto keeps the decoder of Whisper and transducers; ctc takes the encoder, with a new output layer.",
        ),
    ] = "auto",
    language_like: Annotated[
        str | None,
        Option(
            "--language-like",
            help="For a Whisper donor without the target language: start its token from these, such as es,gl:0.5 "
            "(default: the nearest in the family tree).",
        ),
    ] = None,
    untranscribed: Annotated[
        list[Path] | None,
        Option(
            "--untranscribed",
            help="Speech without text (audio files, folders, or one manifest): label it, train on the labels too, and "
            "so on while dev gains. Repeatable.",
        ),
    ] = None,
    rounds: Annotated[int, Option("--rounds", help="Most rounds of labelling and training.", min=1)] = 3,
    dry_run: DryRun = False,
    all_rows: ShowPlan = False,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a recogniser for a language from another language's, or a new version from the old one."""
    if bool(corpus) == bool(texts):
        raise SpecError("give speech or text", where="--corpus, --text", fix="give either --corpus or --text")
    check_manifests([*(corpus or ()), *(beside or ())])
    check_donor(donor)
    from vizinho.job.run import transfer as transfer_recogniser
    from vizinho.plan.tokens import RowOptions

    if texts:
        _transfer_text(donor, to, texts, donor_language, name, quiet=quiet, as_json=as_json)
        return
    reporting = _reporting(quiet, as_json, all_rows=all_rows or dry_run, dry_run=dry_run)
    options: dict[str, Any] = {
        "to": to,
        "corpus": corpus or (),
        "donor_language": donor_language,
        "adapter": adapter,
        "practice_minutes": practice,
        "beside": beside or (),
        "repeat": repeat,
        "name": name,
        "minutes": minutes,
        "preset": preset,
        "recipe": recipe,
        "steps": steps,
        "seed": seed,
        "threads": threads,
        "orthography": orthography,
        "rows": RowOptions(new_rows, row_overrides(row or [])),
        "tokens": tokens,
        "pieces": pieces,
        "head": head,
        "language_like": language_shares(language_like),
        "fresh": fresh,
    }
    if not untranscribed or dry_run:
        transfer_recogniser(donor, **options, dry_run=dry_run, reporting=reporting)
        return
    from vizinho.job.rounds import RoundOptions, report_lines, self_train

    if as_json:  # one object in all: that of the rounds
        reporting = replace(reporting, on_published=lambda _outcome: None)
    limits = RoundOptions(rounds)
    report = self_train(donor, **options, untranscribed=untranscribed, rounds=limits, reporting=reporting)
    emit(report, as_json, report_lines(report))


def _transfer_text(
    donor: str, to: str, texts: list[str], donor_language: str | None, name: str | None, *, quiet: bool, as_json: bool
) -> None:
    from vizinho.decoding.lm.train import source_of
    from vizinho.job.text_only import transfer_text

    result = transfer_text(
        donor,
        to=to,
        texts=[source_of(text, most=_LIST_WORDS) for text in texts],
        donor_language=donor_language,
        name=name,
        command=["vizinho", *sys.argv[1:]],
        quiet=quiet or as_json,
    )
    lost = result.without_spelling
    values = {"model": result.ref, "words": result.words, "without_spelling": list(lost)}
    lines = [f"{result.ref}: {result.words:,} words of {to} in the donor's letters; nothing was trained"]
    lines += [f"{len(lost):,} words have no spelling, such as {', '.join(lost[:5])}"] if lost else []
    emit(values, as_json, lines)


def _reporting(quiet: bool, as_json: bool, *, all_rows: bool = False, dry_run: bool = False) -> Reporting:
    from vizinho.job.run import Reporting

    def on_ready(outcome: Outcome) -> None:
        if outcome.ready.plan is not None and (dry_run or not as_json):
            show_plan(outcome.ready.plan, as_json, donor=outcome.ready.donor, all_rows=all_rows)

    def on_published(outcome: Outcome) -> None:
        values = outcome.as_json()
        emit(values, as_json, [*_lines(values), *_next_step(outcome)])

    return Reporting(quiet, on_ready, on_published)


def _next_step(outcome: Outcome) -> Iterator[str]:
    """What makes words of the text; a transducer writes one text, and there is nothing to choose from."""
    from vizinho.model.networks import is_transducer

    if outcome.ref and not is_transducer(outcome.ready.checkpoint.model):
        name = outcome.ref.rpartition("@")[0]
        yield f"next: `vizinho lm tune {name} --corpus MANIFEST` teaches it words, `vizinho transcribe {name} FILES`"


def _lines(outcome: dict[str, Any]) -> Iterator[str]:
    practice = f" and {outcome['practice_minutes']:.1f} of practice" if outcome["practice_minutes"] else ""
    yield (
        f"{outcome['model']}: {outcome['steps']} steps on {outcome['minutes']:.1f} minutes{practice}; "
        f"{outcome['chosen']}"
    )
    if outcome["dev_cer"] is not None:
        untrained = outcome["untrained_dev_cer"]
        before = "" if untrained is None else f", of the donor untrained {untrained:.3f}"
        yield f"dev CER {outcome['dev_cer']:.3f}{before} (used for choosing; not a test result)"
    if outcome["movement"] is not None:
        yield (
            f"movement: {outcome['movement']['moved_share']:.1%} of the weights moved, "
            f"relative distance of the encoder {outcome['movement']['encoder_distance']:.3f}"
        )
    if outcome["verdict"] is not None:
        yield outcome["verdict"]["says"]
    for finding in outcome["findings"]:
        yield f"looks wrong: {finding['what']}\n  likely because {finding['cause']}\n  -> {finding['fix']}"
    if outcome["skipped_batches"]:
        yield f"{outcome['skipped_batches']} batches gave no usable update and were skipped (named above)"
    if outcome["set_aside"]:
        yield f"{outcome['set_aside']} utterances were skipped (named above)"
