"""The whole job, top to bottom: corpora -> dataset -> practice -> start -> training -> a new version in the store."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vizinho.errors import SpecError, TextError
from vizinho.job.data import Corpus, Dataset, as_manifest, make_dataset, open_corpus, target_minutes
from vizinho.job.fit import FinishedJob, fit_job
from vizinho.job.job import HEADS, Job, MixedDonor
from vizinho.job.publish import Published, drop_run, publish, run_folder, sole_run, summary, unfinished
from vizinho.job.start import ReadyJob, make_ready, sound_similarity
from vizinho.model.presets import check_preset, donor_kind
from vizinho.parallel import is_first_attempt, is_main_process
from vizinho.plan.tokens import RowOptions
from vizinho.progress import Event, board, unseen
from vizinho.records import Utterance
from vizinho.store.card import Card
from vizinho.store.pins import pinned_utterances, refuse_pinned
from vizinho.store.store import Store
from vizinho.text.language import same_language
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text.orthography import read_orthography
from vizinho.training.options import TrainingOptions
from vizinho.training.recipes import default_recipe, read_recipe
from vizinho.training.skipped import FILE, NAMED

Paths = Path | str | Sequence[Path | str]
"""One path or several."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job. Only `ready` is there after a dry run, and in torchrun's processes except the main one."""

    ready: ReadyJob
    finished: FinishedJob | None = None
    published: Published | None = None

    @property
    def ref(self) -> str | None:
        """NAME@VERSION of the new version."""
        return None if self.published is None else self.published.ref

    def as_json(self) -> dict[str, Any]:
        """Scores, movement and findings of the version, and the plan, as JSON values; of a dry run the plan alone."""
        plan = {"plan": None if self.ready.plan is None else self.ready.plan.as_json()}
        return (
            plan if self.finished is None or self.published is None else summary(self.published, self.finished) | plan
        )


@dataclass(frozen=True, slots=True)
class Reporting:
    """Whom a job tells what it does."""

    quiet: bool = False
    """No progress bars and no lines on standard error."""
    on_ready: Callable[[Outcome], None] = lambda _outcome: None
    """Called before training, with the plan."""
    on_published: Callable[[Outcome], None] = lambda _outcome: None
    """Called with the new version before the run's checkpoints are removed: whoever is killed before they saw the
    result gets the same version from the same command."""

    @property
    def speaks(self) -> bool:
        """Whether this process reports to the user; under torchrun only the main one does."""
        return not self.quiet and is_main_process()

    def board(self) -> AbstractContextManager[Event]:
        """Progress bars, seen or not."""
        return board() if self.speaks else nullcontext(unseen)

    def log(self, line: str) -> None:
        """Print a line on standard error."""
        if self.speaks:
            print(line, file=sys.stderr, flush=True)


def train(
    *,
    lang: str,
    corpus: Paths,
    beside: Paths = (),
    repeat: int | None = None,
    name: str | None = None,
    minutes: float | None = None,
    preset: str = "tiny",
    tokens: str = "characters",
    pieces: int = 256,
    recipe: Path | TrainingOptions | None = None,
    steps: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    orthography: Path | None = None,
    fresh: bool = False,
    store: Store | None = None,
    reporting: Reporting = Reporting(),
) -> Outcome:
    """Train a recogniser of `lang` from scratch and publish it as the next version of `name`.

    Args:
        lang: Language of the corpus.
        corpus: Manifests, sharded corpora, or corpora in other formats (docs/corpora.md), which are read once.
        beside: Practice corpora, whose train part is used whole.
        repeat: How many times an epoch has `corpus`; 1 if not given.
        name: Name in the store; `lang` if not given.
        minutes: Limit of speech from `corpus`.
        preset: Size of the network: tiny, small, base or large.
        tokens: "characters", "written" (with capitals and marks) or "bpe".
        pieces: Number of BPE pieces.
        recipe: Training options or a TOML file of them; the default for training from scratch if not given.
        steps: Optimiser steps, instead of the recipe's.
        seed: Seed of everything random, instead of the recipe's.
        threads: Torch threads, instead of the recipe's.
        orthography: A TOML file of how the language is spelt; as Unicode's CLDR has it if not given.
        fresh: Throw away an interrupted run of the same job instead of continuing it.
        store: Where models live; the user's store if not given.
        reporting: Whom to tell what.

    Raises VizinhoError (of the kind that fits) for input that cannot be used; nothing is published then.
    """
    name = name or lang.lower()
    store = store or Store()
    store.check_name(name)
    corpora, practice = (_open(paths, lang, store, reporting) for paths in (corpus, beside))
    options = _options(recipe or default_recipe("train"), steps, seed, threads)
    job = Job(
        lang,
        tuple(c.place for c in corpora),
        minutes=minutes,
        beside=tuple(c.place for c in practice),
        repeat=_repeats(repeat, corpora, practice),
        preset=preset,
        tokens=tokens,
        pieces=pieces,
        options=options,
        normalizer=_normalizer(lang, orthography),
    )
    dataset = make_dataset(
        corpora, lang, minutes, options.seed, repeat=job.repeat, practice=practice, normalizer=job.normalizer
    )
    return make(job, name, dataset, pinned_utterances(store, name), store=store, fresh=fresh, reporting=reporting)


def transfer(
    donor: str | Path,
    *,
    to: str,
    corpus: Paths,
    donor_language: str | None = None,
    adapter: str | None = None,
    practice_minutes: float | None = None,
    beside: Paths = (),
    repeat: int | None = None,
    name: str | None = None,
    minutes: float | None = None,
    preset: str | None = None,
    recipe: Path | TrainingOptions | None = None,
    steps: int | None = None,
    seed: int | None = None,
    threads: int | None = None,
    orthography: Path | None = None,
    rows: RowOptions = RowOptions(),
    tokens: str = "auto",
    pieces: int = 256,
    head: str = "auto",
    language_like: Sequence[tuple[str, float]] = (),
    dry_run: bool = False,
    fresh: bool = False,
    store: Store | None = None,
    reporting: Reporting = Reporting(),
) -> Outcome:
    """Make a recogniser of `to` from another language's, or a new version from the old one.

    Args:
        donor: A name, NAME@VERSION, a folder, a .nemo archive or a hub id; several of one kind and size with "+"
            between them ("es@1+it@1") are mixed by shares that are chosen on dev.
        to: The target language.
        corpus: Manifests, sharded corpora, or corpora in other formats (docs/corpora.md), of the target.
        donor_language: The donor's language where its card does not say it.
        adapter: Language of the adapter to start from, for donors that have several (MMS).
        practice_minutes: Minutes of synthetic speech to make and add, and at most as many of the donor's own
            recordings respelt in the target's letters; `repeat` and warped channels follow from it.
        beside: Practice corpora of your own, whose train part is used whole.
        repeat: How many times an epoch has `corpus`; 1 if not given and nothing is practised.
        name: Name in the store; `to` if not given.
        minutes: Limit of target speech.
        preset: Must be the donor's size if given.
        recipe: Training options or a TOML file of them; if not given, a default by the minutes of target speech.
        steps, seed, threads: Instead of the recipe's.
        orthography: A TOML file of how the target is spelt; if not given that of a donor in the same language, or as
            Unicode's CLDR has it.
        rows: How the rows of tokens that the donor lacks start.
        tokens: "auto" keeps the donor's pieces where they write every letter of the target and every word of the
            training texts; otherwise the target gets tokens of one letter, or, where the donor's frames are too long
            for those, the letters that the pieces lack are added. "donor", "extended", "bpe" and "characters" ask for
            one of them; "written" is letters with capitals and marks. Whisper keeps its own.
        pieces: Number of BPE pieces, where they are learnt.
        head: "ctc" takes the encoder of a donor with a decoder (Whisper, a transducer) and gives it a new output layer;
            "auto" keeps the decoder.
        language_like: For a donor with a decoder that lacks the target: languages and shares from which the target's
            language token starts; those next to it in the family tree if not given.
        dry_run: Stop after the plan.
        fresh: Throw away an interrupted run of the same job instead of continuing it.
        store: Where models live; the user's store if not given.
        reporting: Whom to tell what.

    Raises VizinhoError (of the kind that fits) for input that cannot be used; nothing is published then.
    """
    name = name or to.lower()
    store = store or Store()
    store.check_name(name)
    donor, *more = _several(str(donor))
    folder, card = store.resolve(donor), store.card(donor)
    others = tuple(_mixed_donor(store, other) for other in more)
    if head not in HEADS:
        raise SpecError(f"unknown head {head!r}", where="--head", fix=f"use {' or '.join(HEADS)}")
    if preset is not None:
        check_preset(folder, preset)
    kind = donor_kind(folder, head)
    if kind == "whisper" and tokens not in ("auto", "donor"):
        raise SpecError("Whisper writes in its own tokens", where="--tokens", fix="leave it out, or use --head ctc")
    corpora, practice = (_open(paths, to, store, reporting) for paths in (corpus, beside))
    repeats = _repeats(repeat, corpora, practice)  # checked before anything long is made
    target_speech = target_minutes(corpora, minutes)
    recipe_given = recipe is not None
    if recipe is None:
        recipe = default_recipe("transfer", target_speech, practice=bool(practice_minutes), donor=kind)
    options = _options(recipe, steps, seed, threads)
    if not recipe_given:
        of_encoder = (
            f", the encoder at {encoder_rate:g} of it" if (encoder_rate := options.layers.encoder_rate) != 1 else ""
        )
        reporting.log(f"{options.steps} steps at a rate of {options.learning_rate:g}{of_encoder} (--recipe, --steps)")
    pinned = pinned_utterances(store, name)
    from vizinho.job.practice import Target, make_practice, may_help  # training from scratch has none

    if practice_minutes is not None:
        # Texts that decide or test must not be practised: dev (held out of train if need be) and the pinned test set.
        dev = () if any(c.shards for c in corpora) else make_dataset(corpora, to, minutes, options.seed).dev
        target = Target(to, tuple(corpora), target_speech, (*dev, *pinned), sum(c.train_minutes for c in practice))
        with reporting.board() as show:
            made_practice = make_practice(store.home, target, practice_minutes, card, show)
        practice = [*practice, *made_practice.corpora]
        repeat = made_practice.repeat if repeat is None else repeat
        repeats = _repeats(repeat, corpora, practice)
        for remark in made_practice.remarks:
            reporting.log(remark)
        reporting.log(f"an epoch has the target's own recordings {repeat} times (--repeat)")
    elif not practice and kind != "whisper" and may_help(to, corpora, target_speech):  # measured without a decoder only
        reporting.log(f"{target_speech:.1f} minutes are little: if few people speak in them, try --practice 90")
    job = Job(
        to,
        tuple(c.place for c in corpora),
        folder,
        donor_language or (card.language if card else None),
        adapter,
        minutes=minutes,
        beside=tuple(c.place for c in practice),
        repeat=repeats,
        tokens=tokens,
        pieces=pieces,
        rows=rows,
        head=head,
        language_like=tuple(language_like),
        options=options,
        normalizer=_normalizer(to, orthography, card),
        others=others,
    )
    dataset = make_dataset(
        corpora, to, minutes, options.seed, repeat=repeats, practice=practice, normalizer=job.normalizer
    )
    return make(job, name, dataset, pinned, donor=donor, dry_run=dry_run, store=store, fresh=fresh, reporting=reporting)


def _several(donor: str) -> list[str]:
    """Donors of "es@1+it@1", in their order; a folder may have a plus in its name."""
    return [donor] if Path(donor).exists() else donor.split("+")


def _mixed_donor(store: Store, name: str) -> MixedDonor:
    entry, card = store.find(name), store.card(name)
    return MixedDonor(entry.ref if entry else name, store.resolve(name), card.language if card else None)


def make(
    job: Job,
    name: str,
    dataset: Dataset,
    pinned: Sequence[Utterance],
    *,
    donor: str | None = None,
    dry_run: bool = False,
    fresh: bool = False,
    store: Store,
    reporting: Reporting,
) -> Outcome:
    """Train a job on its dataset and publish the version; `donor` is the donor as the user named it."""
    ready = make_ready(job, sound_similarity, dataset=dataset, pinned=pinned)
    if is_main_process():
        reporting.on_ready(Outcome(ready))
    if dry_run:
        return Outcome(ready)
    _log_skipped(ready, reporting)
    _log_dropped(dataset, reporting)
    # Compared by the content of recordings: a pinned one may not return under another id or text.
    refuse_pinned(name, pinned, [*dataset.train, *dataset.dev])
    # The folder's name is the hash of data, options and start, so the same command finds its own checkpoints.
    folder = run_folder(store, name, ready)
    with sole_run(store, folder):
        if fresh and is_main_process() and is_first_attempt():
            drop_run(folder)
        for other in unfinished(store, name, folder):
            reporting.log(f"the unfinished run in {other} has other data or settings: remove it if you do not need it")
        with reporting.board() as show:
            progress = partial(show, f"training {name}", job.options.steps)
            progress(0, "")
            finished = fit_job(ready, folder, progress=progress, log=reporting.log)
        if not is_main_process():  # torchrun's other processes trained along; one publishes
            return Outcome(ready)
        command = ["vizinho", *sys.argv[1:]]
        published = publish(store, name, finished, folder, donor=donor, command=command, pinned=pinned)
        outcome = Outcome(ready, finished, published)
        reporting.on_published(outcome)
        drop_run(folder)
    return outcome


def _open(paths: Paths, language: str, store: Store, reporting: Reporting) -> list[Corpus]:
    several = [paths] if isinstance(paths, str | Path) else paths
    return [open_corpus(as_manifest(Path(p), language, store.home, reporting.log, reporting.board)) for p in several]


def _normalizer(language: str, orthography: Path | None, donor: Card | None = None) -> Normalizer | None:
    """Of an edited orthography, or of a donor's in the same language; None for the language's own."""
    if orthography is not None:
        return get_normalizer(language, read_orthography(orthography))
    if donor is None or donor.orthography is None or not same_language(donor.language, language):
        return None
    return donor.text_normalizer()


def _options(
    recipe: Path | TrainingOptions, steps: int | None, seed: int | None, threads: int | None
) -> TrainingOptions:
    options = recipe if isinstance(recipe, TrainingOptions) else read_recipe(Path(recipe))
    overrides: dict[str, Any] = {"steps": steps, "seed": seed, "threads": threads}
    return replace(options, **{key: value for key, value in overrides.items() if value is not None})


def _repeats(repeat: int | None, corpora: Sequence[Corpus], practice: Sequence[Corpus]) -> tuple[int, ...]:
    """Repeats of each corpus, 1 for practice; empty where nothing is repeated, as cards of earlier versions have it."""
    if repeat is not None and repeat < 1:
        raise SpecError(f"--repeat {repeat}", fix="give 1 or more")
    return () if repeat in (None, 1) else (*[repeat or 1] * len(corpora), *[1] * len(practice))


def _log_dropped(dataset: Dataset, reporting: Reporting) -> None:
    """Name what the normaliser drops of the texts although it may be heard; of shards `corpus check` knew it before."""
    dropped: Counter[str] = Counter()
    having = []
    for utterance in {u.id.partition("~")[0]: u for u in (*dataset.train, *dataset.dev)}.values():
        with suppress(TextError):
            if lost := dataset.normalizer.read(utterance.text).lost:
                dropped.update(lost)
                having.append(utterance.id)
    if dropped:
        counts = ", ".join(f"{sign} {count}" for sign, count in dropped.most_common(NAMED))
        where = f"{len(having)} utterances, such as {having[0]}"
        reporting.log(f"dropped from the texts, though it may be heard: {counts}; in {where} (`vizinho corpus check`)")


def _log_skipped(ready: ReadyJob, reporting: Reporting) -> None:
    skipped = ready.prepared.skipped
    for utterance_id, reason in skipped[:NAMED]:
        reporting.log(f"skip {utterance_id}: {reason}")
    if len(skipped) > NAMED:
        reporting.log(f"and {len(skipped) - NAMED} more; {FILE} of the model names all")
