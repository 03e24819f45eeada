"""`vizinho train` and `vizinho transfer`: options in, one job, a new version in the store out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.cli.emit import describe, emit
from vizinho.cli.options import AsJson, DryRun, Fresh, Quiet, language_tag
from vizinho.errors import SpecError

if TYPE_CHECKING:
    from vizinho.job.job import Job
    from vizinho.training.options import TrainingOptions

Corpora = Annotated[
    list[Path], typer.Option("--corpus", help="Manifest (JSONL); repeat for several.", show_default=False)
]
Beside = Annotated[
    list[Path] | None,
    typer.Option(
        "--beside", help="Manifest whose train part is practice: synthetic or respelt speech; repeat for several."
    ),
]
Repeat = Annotated[
    int | None,
    typer.Option(
        "--repeat",
        help="Times that the speech of --corpus comes in an epoch, varied anew each time; once if not given.",
    ),
]
Name = Annotated[str | None, typer.Option("--name", help="Name in the model store; the language code if not given.")]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        help="Optimiser steps; if not given 3600 for train, 13 passes (400 to 20000 steps) for transfer.",
        min=1,
    ),
]
Minutes = Annotated[
    float | None, typer.Option("--minutes", help="Minutes of target speech to use; all if not given.", min=0)
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random; 1 if not given.", min=0)]
Threads = Annotated[int | None, typer.Option("--threads", help="Torch threads; 1 if not given.", min=1)]
Recipe = Annotated[Path | None, typer.Option("--recipe", help="TOML file with training options (docs/recipes.md).")]


def train(
    corpus: Corpora,
    language: Annotated[str, typer.Option("--lang", callback=language_tag, help="Language of the corpus, such as es.")],
    beside: Beside = None,
    repeat: Repeat = None,
    name: Name = None,
    steps: Steps = None,
    minutes: Minutes = None,
    seed: Seed = None,
    preset: Annotated[str, typer.Option("--preset", help="Size: tiny, small, base or large.")] = "tiny",
    tokens: Annotated[str, typer.Option("--tokens", help="characters or bpe.")] = "characters",
    pieces: Annotated[int, typer.Option("--pieces", help="Number of BPE pieces.", min=1)] = 256,
    threads: Threads = None,
    recipe: Recipe = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a recogniser from scratch."""
    from vizinho.job.job import Job
    from vizinho.training.recipes import default_recipe, read_recipe

    chosen = read_recipe(recipe) if recipe else default_recipe("train")
    options = _over(chosen, steps=steps, seed=seed, threads=threads)
    job = Job(
        language,
        tuple(corpus),
        minutes=minutes,
        beside=tuple(beside or ()),
        repeat=_times(repeat, corpus, beside),
        preset=preset,
        tokens=tokens,
        pieces=pieces,
        options=options,
    )
    _make(job, name or language.lower(), fresh=fresh, quiet=quiet, as_json=as_json)


def transfer(
    donor: Annotated[
        str, typer.Argument(help="Model to start from: a name, name@version, a folder, a .nemo file or a hub id.")
    ],
    corpus: Corpora,
    to: Annotated[str, typer.Option("--to", callback=language_tag, help="Target language, such as pt.")],
    origin: Annotated[
        str | None,
        typer.Option(
            "--from", callback=language_tag, help="The donor's language, where no card says it; for rows by sound."
        ),
    ] = None,
    adapter: Annotated[
        str | None, typer.Option("--adapter", help="Language adapter to start from, such as spa (MMS donors).")
    ] = None,
    practice: Annotated[
        float | None,
        typer.Option(
            "--practice",
            help="Make so many minutes of synthetic speech to train beside, and as many of the donor's own recordings "
            "in the target's letters (extra speak); --repeat and warped channels follow. 90 in the case study "
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
    preset: Annotated[str | None, typer.Option("--preset", help="Must be the donor's size if given.")] = None,
    threads: Threads = None,
    recipe: Recipe = None,
    new_rows: Annotated[
        str, typer.Option("--new-rows", help="How rows of new tokens start: features, neighbours or fresh.")
    ] = "features",
    row: Annotated[
        list[str] | None, typer.Option("--row", help="Start a token from one of the donor's, as ç=s; repeatable.")
    ] = None,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make a recogniser for a language from another's (or a new version from the old one)."""
    from vizinho.corpora.shards.index import index_path
    from vizinho.g2p.espeak import voices_of
    from vizinho.job.data import target_minutes
    from vizinho.job.job import Job
    from vizinho.job.practice import make_practice, target_of
    from vizinho.progress import board, unseen
    from vizinho.store.store import Store
    from vizinho.training.recipes import MUCH_MINUTES, default_recipe, read_recipe
    from vizinho.training.torchrun import is_main_process
    from vizinho.transfer.tokens import RowOptions

    store = Store()
    store.check_name(name or to.lower())
    folder = store.resolve(donor)
    card = store.card(donor)
    if preset is not None:
        _check_preset(folder, preset)
    rows = RowOptions(new_rows, row_overrides(row or []))
    _times(repeat, corpus, beside)  # refused before anything long is made
    of_target = target_minutes(corpus, minutes)
    chosen = read_recipe(recipe) if recipe else default_recipe("transfer", of_target, practice=bool(practice))
    options = _over(chosen, steps=steps, seed=seed, threads=threads)
    said = [f"{options.steps} steps at a rate of {options.learning_rate:g} (--recipe, --steps)"] if not recipe else []
    if practice is not None:
        target = target_of(store, name or to.lower(), to, corpus, minutes, options.seed, beside or [])
        with board() if is_main_process() else nullcontext(unseen) as show:
            made = make_practice(store.home, target, practice, card, show)
        beside = [*(beside or ()), *made.beside]
        repeat = made.times if repeat is None else repeat
        said += [*made.said, f"--repeat {repeat}: so often the target's own recordings come in an epoch"]
    elif not beside and of_target < MUCH_MINUTES and voices_of(to) and not any(map(index_path, corpus)):
        said.append(f"{of_target:.1f} minutes are few: where they are by few people, --practice 90 may help")
    for line in said if not quiet and is_main_process() else ():
        typer.echo(line, err=True)
    job = Job(
        to,
        tuple(corpus),
        folder,
        origin or (card.language if card else None),
        adapter,
        minutes=minutes,
        beside=tuple(beside or ()),
        repeat=_times(repeat, corpus, beside),
        rows=rows,
        options=options,
    )
    _make(job, name or to.lower(), fresh=fresh, quiet=quiet, as_json=as_json, dry_run=dry_run, donor=donor)


def _times(repeat: int | None, corpora: list[Path], beside: list[Path] | None) -> tuple[int, ...]:
    """How often each corpus comes in an epoch, those beside once; nothing to say where all come once."""
    repeat = 1 if repeat is None else repeat
    if repeat < 1:
        raise SpecError(f"--repeat {repeat}", fix="give 1 or more")
    return (*[repeat] * len(corpora), *[1] * len(beside or ())) if repeat > 1 else ()


def _over(options: TrainingOptions, **given: Any) -> TrainingOptions:
    """Options with those of the command line on top."""
    return replace(options, **{key: value for key, value in given.items() if value is not None})


def row_overrides(rows: list[str]) -> dict[str, str]:
    """Target token -> donor token from `--row` options; SpecError for one that is no pair."""
    pairs = [row.partition("=") for row in rows]
    for token, equals, source in pairs:
        if not (token and equals and source):
            raise SpecError(f"--row {token}{equals}{source} is not TOKEN=DONOR_TOKEN", fix="write it as --row ç=s")
    return {token: source for token, _, source in pairs}


def _check_preset(folder: Path, preset: str) -> None:
    """A transfer cannot change the size: refuse with both sizes named."""
    from vizinho.model.presets import PRESETS

    if preset not in PRESETS:
        raise SpecError(f"unknown preset {preset!r}", fix=f"choose one of {', '.join(PRESETS)}")
    config = folder / "config.json"
    encoder = json.loads(config.read_text()).get("encoder_config", {}) if config.is_file() else {}
    found = (encoder.get("hidden_size"), encoder.get("num_hidden_layers"))
    wanted = (PRESETS[preset].hidden, PRESETS[preset].layers)
    if found != wanted:
        raise SpecError(
            f"the donor has width {found[0]} and {found[1]} blocks, preset {preset} has {wanted[0]} and {wanted[1]}",
            where=folder,
            fix="leave --preset out: the target takes the donor's size",
        )


def _make(
    job: Job, name: str, *, fresh: bool, quiet: bool, as_json: bool, dry_run: bool = False, donor: str | None = None
) -> None:
    from vizinho.job.publish import drop_run, publish, run_folder, sole_run, summary, unfinished
    from vizinho.job.run import run
    from vizinho.job.start import make_ready, sound_similarity
    from vizinho.progress import bar, silent
    from vizinho.store.pins import pinned_utterances, refuse_pinned
    from vizinho.store.store import Store
    from vizinho.training.skipped import FILE, NAMED
    from vizinho.training.torchrun import is_first_attempt, is_main_process

    store = Store()
    store.check_name(name)
    ready = make_ready(job, sound_similarity, withheld=pinned_utterances(store, name))
    main = is_main_process()
    if main and ready.plan is not None and (dry_run or not as_json):
        show_plan(ready.plan, as_json and dry_run, donor=ready.donor or {})
    if dry_run:
        return
    set_aside = ready.prepared.set_aside if main else ()
    for utterance_id, reason in set_aside[:NAMED]:
        typer.echo(f"set aside {utterance_id}: {reason}", err=True)
    if len(set_aside) > NAMED:
        typer.echo(f"and {len(set_aside) - NAMED} more; {FILE} of the model will name all", err=True)
    refuse_pinned(store, name, [*ready.data.train, *ready.data.dev])
    folder = run_folder(store, name, ready)

    def log(line: str) -> None:
        if not quiet and main:
            typer.echo(line, err=True)

    with sole_run(store, folder):
        if fresh and main and is_first_attempt():
            drop_run(folder)
        for other in unfinished(store, name, folder):
            log(f"beginning anew: the unfinished run in {other} has other data or settings; remove it if need be")
        with bar(f"training {name}", job.options.steps) if main else nullcontext(silent) as advance:
            finished = run(ready, folder, progress=advance, log=log)
        if not main:
            return
        published = publish(store, name, finished, folder, donor=donor, command=["vizinho", *sys.argv[1:]])
        made = summary(published, finished)
        emit(made | {"plan": ready.plan.as_json() if ready.plan else None}, as_json, _lines(made))
        drop_run(folder)  # last: who was killed before they saw the result gets the same version from the same command


def show_plan(plan: Any, as_json: bool, most: int | None = None, donor: dict[str, Any] | None = None) -> None:
    """Print what the donor is and the transfer plan, all of it or `most` of its rows; JSON is never cut."""
    emit(
        {"donor": donor or {}, "plan": plan.as_json(), "counts": plan.counts()},
        as_json,
        describe(donor) if donor else (),
    )
    if as_json:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("target", "token", "source", "action", "shape", "reason", title="Transfer plan")
    for row in plan.rows[:most]:
        table.add_row(
            row.target or "-",
            row.token or "",
            row.source or "",
            row.action,
            "x".join(map(str, row.shape)) or "1",
            row.reason,
        )
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False)
    console.print(table)
    if most is not None and len(plan.rows) > most:
        console.print(f"... and {len(plan.rows) - most:,} more rows; --dry-run prints all")
    console.print(", ".join(f"{count} {action}" for action, count in plan.counts().items()))


def _lines(made: dict[str, Any]) -> Iterator[str]:
    practice = f" and {made['practice_minutes']:.1f} of practice" if made["practice_minutes"] else ""
    yield f"{made['model']}: {made['steps']} steps on {made['minutes']:.1f} minutes{practice}; {made['chosen']}"
    if made["dev_cer"] is not None:
        yield f"dev CER {made['dev_cer']:.3f} (used for choosing; not a test result)"
    if made["movement"] is not None:
        yield (
            f"movement: {made['movement']['moved_share']:.1%} of the weights moved, "
            f"relative distance of the encoder {made['movement']['encoder_distance']:.3f}"
        )
    if made["verdict"] is not None:
        yield made["verdict"]["says"]
    for finding in made["findings"]:
        yield f"looks wrong: {finding['what']}\n  likely because {finding['cause']}\n  -> {finding['fix']}"
    if made["skipped_batches"]:
        yield f"{made['skipped_batches']} batches gave no usable update and were skipped (named above)"
    if made["set_aside"]:
        yield f"{made['set_aside']} utterances were set aside (named above)"
