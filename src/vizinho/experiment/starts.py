"""The arms of an experiment, what each of them starts from, and the jobs that they and their donors are.

Donors, controls and arms are versions of a store of the experiment's own: VIZINHO_HOME=FOLDER/store makes every command
work with them.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from vizinho.corpora.manifest import read_manifest
from vizinho.errors import SpecError
from vizinho.experiment.results import Budget, CurvePoint, DonorResult
from vizinho.experiment.spec import (
    DEFAULT,
    SCRATCH,
    UPDATE,
    ControlSpec,
    DonorSpec,
    ExperimentSpec,
    name_part,
    store_name,
)
from vizinho.files import scratch_folder
from vizinho.job.fit import FinishedJob, fit_job
from vizinho.job.job import Job
from vizinho.job.publish import drop_run, publish, run_folder, sole_run
from vizinho.job.start import ReadyJob, make_ready, sound_similarity
from vizinho.model.checkpoint import load_checkpoint, save_checkpoint, weights_digest
from vizinho.model.networks import weights
from vizinho.parallel import run_tasks
from vizinho.plan.apply import plant
from vizinho.plan.controls import gaussian_encoder, permuted_rows, shuffled_encoder
from vizinho.progress import Event, Log
from vizinho.store.card import Card, read_card
from vizinho.store.rights import SOURCES, sources_of
from vizinho.store.store import Store
from vizinho.training.options import TrainingOptions
from vizinho.training.selection import FitResult

SAME_BUDGET = 0.05
"""Relative difference of minutes up to which two donors of the store count as trained on equal amounts."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One line of the experiment: where it starts, how it is trained, how much target speech, which seed."""

    start: str
    minutes: float | None
    seed: int
    recipe: str = DEFAULT

    @property
    def amount(self) -> str:
        """Minutes of target speech as names have them."""
        return "all" if self.minutes is None else f"{self.minutes:g}min"

    @property
    def name(self) -> str:
        """Unique within the experiment."""
        recipe = "" if self.recipe in (DEFAULT, SCRATCH) else f"{self.recipe}/"
        return f"{self.start}/{recipe}{self.amount}/seed{self.seed}"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where an experiment keeps what it makes, and where it finds what it starts from."""

    folder: Path
    home: Path | None = None
    """Of the user's store, which has the starts that are not trained here; None is the default one."""

    @property
    def store(self) -> Store:
        """Donors, controls and arms as versions, and the checkpoints of interrupted runs."""
        return Store(self.folder / "store")

    def has(self, name: str) -> bool:
        """Whether a model is there."""
        return bool(self.store.versions(name))

    def result(self, arm: Arm) -> Path:
        """Where the result of an arm is; an arm that has one is done."""
        return self.folder / "arms" / f"{store_name(arm.name)}.json"

    def log(self, name: str) -> Log:
        """A log of a model's training, to which a run that goes on appends."""
        path = self.folder / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)

        def write(line: str) -> None:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

        return write


def arms_of(spec: ExperimentSpec) -> list[Arm]:
    """All arms, seed by seed, so that an interrupted experiment has whole comparisons first.

    Controls are trained by the first recipe of the donor that they were made from.
    """
    amounts = spec.minutes or (None,)
    more = [m for m in spec.scratch_minutes if m not in amounts]
    arms = []  # scratch's additional amounts come last of each seed
    for seed in spec.seeds:
        for minutes in amounts:
            arms += [Arm(start, minutes, seed, recipe) for start in spec.starts for recipe in spec.recipes_for(start)]
            arms += [Arm(c.name, minutes, seed, spec.recipes_for(c.of)[0]) for c in spec.controls if c.kind != UPDATE]
        arms += [Arm(SCRATCH, minutes, seed, recipe) for minutes in more for recipe in spec.recipes_for(SCRATCH)]
    return arms


def updates_of(spec: ExperimentSpec) -> list[Arm]:
    """Same-language updates: as many steps and minutes as the arms have, of the donor's own language."""
    return [
        Arm(control.name, minutes, seed, spec.recipes_for(control.of)[0])
        for seed in spec.seeds
        for minutes in spec.minutes or (None,)
        for control in spec.controls
        if control.kind == UPDATE
    ]


def job_of(spec: ExperimentSpec, arm: Arm, start: Start) -> Job:
    """The job of an arm; whatever a recipe can say beyond training options comes in here."""
    recipe = spec.recipe(arm.recipe)
    return Job(
        spec.target,
        spec.corpora,
        start.folder,
        start.language,
        minutes=arm.minutes,
        beside=recipe.beside,
        repeat=recipe.repeat,
        preset=spec.preset,
        tokens="auto",
        rows=recipe.rows,
        head=recipe.head,
        language_like=tuple(recipe.language_like.items()),
        normalizer=spec.normalizer(spec.target),
        options=_options_of(spec, arm),
    )


def update_of(spec: ExperimentSpec, arm: Arm, start: Start) -> Job:
    """The job of a same-language update: the donor goes on with its own language, as long as the arms do."""
    control = spec.control(arm.start)
    donor = None if control is None else spec.donor(control.of)
    assert control is not None and donor is not None, "the spec was checked for it"
    # Arms without a limit use all target speech there is, so an update uses at most as much.
    train = [] if arm.minutes else [u for path in spec.corpora for u in read_manifest(path) if u.split == "train"]
    return Job(
        donor.language,
        control.corpora or donor.corpora,
        start.folder,
        donor.language,
        minutes=arm.minutes or sum(u.duration_seconds for u in train) / 60,
        normalizer=spec.normalizer(donor.language),
        tokens="auto",
        rows=spec.recipe(arm.recipe).rows,
        options=_options_of(spec, arm),
    )


def _options_of(spec: ExperimentSpec, arm: Arm) -> TrainingOptions:
    recipe = spec.recipe(arm.recipe)
    return replace(recipe.scratch if arm.start == SCRATCH else recipe.training, seed=arm.seed)


@dataclass(frozen=True, slots=True)
class Start:
    """Where an arm or a donor starts: a model and its language, or nothing of either."""

    ref: str | None = None  # NAME@VERSION, in the experiment's store or in the user's
    folder: Path | None = None
    language: str | None = None


def check_stored(spec: ExperimentSpec, home: Path | None) -> None:
    """Raises StoreError for a start, or base of a donor, that nothing gives: before anything is trained for hours."""
    known = {SCRATCH, "", *spec.folders, *(d.name for d in spec.donors), *(c.name for c in spec.controls)}
    for name in dict.fromkeys((*spec.starts, *(d.base for d in spec.donors))):
        if name not in known:
            Store(home).resolve(name)


def start_of(spec: ExperimentSpec, arm: Arm, space: Workspace) -> Start:
    """The start of an arm; raises StoreError for names that neither the file nor the store has."""
    if arm.start == SCRATCH:
        return Start()
    control = spec.control(arm.start)
    if control is None:
        return _start(spec, arm.start, space)
    origin = _start(spec, control.of, space)
    if control.kind == UPDATE:
        return origin
    return replace(_stored(space.store, _control_name(control, arm.seed)), language=origin.language)


def _start(spec: ExperimentSpec, name: str, space: Workspace) -> Start:
    donor = spec.donor(name)
    if donor is None and name in spec.folders:
        return Start(str(spec.folders[name]), spec.folders[name])
    return _stored(Store(space.home), name) if donor is None else _stored(space.store, _donor_name(donor))


def _stored(store: Store, name: str) -> Start:
    folder, entry = store.resolve(name), store.find(name)
    card = read_card(folder)
    return Start(name if entry is None else entry.ref, folder, card.language if card else None)


def _donor_name(donor: DonorSpec) -> str:
    # No arm has a low line in its name.
    return f"donor_{name_part(donor.name)}"


def _control_name(control: ControlSpec, seed: int) -> str:
    return f"control_{name_part(control.name)}_seed{seed}"


def prepare_starts(
    spec: ExperimentSpec, space: Workspace, processes: int, show: Event, donors_from: Path | None = None
) -> None:
    """Train the donors that are not there yet, those that others start from first, then make the controls.

    A donor that the experiment in the folder `donors_from` trained in the very same way is taken over from there.
    """
    if donors_from is not None and not (donors_from / "store" / "models").is_dir():
        raise SpecError("no donors of an experiment are here", where=donors_from, fix="give the --out of one that ran")
    waiting = list(spec.donors)
    while waiting:
        names = {d.name for d in waiting}
        now = [d for d in waiting if d.base not in names]  # the spec has no circles: some are always ready
        run_tasks([(donor_task, (spec, donor, space, donors_from)) for donor in now], processes, show)
        waiting = [d for d in waiting if d not in now]
    for control in spec.controls:
        for seed in spec.seeds if control.kind != UPDATE else ():
            _make_control(spec, control, seed, space)


def missing_donors(spec: ExperimentSpec, space: Workspace) -> list[DonorSpec]:
    """Donors that are still to be trained."""
    return [donor for donor in spec.donors if not space.has(_donor_name(donor))]


def donor_task(spec: ExperimentSpec, donor: DonorSpec, space: Workspace, donors_from: Path | None, show: Event) -> None:
    """Train one donor unless it is there, or in the experiment `donors_from`."""
    name, label = _donor_name(donor), f"donor {donor.name}"
    if space.has(name):
        return
    base = _start(spec, donor.base, space) if donor.base else Start()
    job = Job(
        donor.language,
        donor.corpora,
        base.folder,
        base.language,
        minutes=donor.minutes,
        preset=spec.preset,
        normalizer=spec.normalizer(donor.language),
        tokens="auto",
        rows=spec.rows,
        head=donor.head,
        options=replace(donor.training, seed=donor.seed),
    )
    ready = make_ready(job, sound_similarity)
    if donors_from is not None and _take_over(Store(donors_from / "store"), ready.identity, space.store, name):
        show(label, job.options.steps, job.options.steps, "taken over")
        return
    work = run_folder(space.store, name, ready)
    with sole_run(space.store, work):
        finished = fit_here(ready, name, label, space, show)
        keep(finished, name, base, space)
        drop_run(work)


def fit_here(ready: ReadyJob, name: str, label: str, space: Workspace, show: Event) -> FinishedJob:
    """Train a job, or go on with it; its checkpoints stay until it is kept and its run dropped."""
    steps = ready.job.options.steps
    finished = fit_job(
        ready,
        run_folder(space.store, name, ready),
        log=space.log(name),
        progress=lambda amount, note: show(label, steps, amount, note),
    )
    show(label, steps, steps - finished.result.steps, "")  # what stopping early saved
    return finished


def keep(finished: FinishedJob, name: str, start: Start, space: Workspace) -> str:
    """Publish a finished job into the experiment's store, once however often it is killed; returns NAME@VERSION."""
    work = run_folder(space.store, name, finished.ready)
    command = ("vizinho", "experiment", name)
    return publish(space.store, name, finished, work, donor=start.ref, command=command, run=finished.ready.identity).ref


def _take_over(store: Store, identity: str, into: Store, name: str) -> bool:
    """Copy the donor whose run had this identity (data, options, start), under whatever name it is there."""
    for entry in store.entries():
        card = read_card(entry.folder)
        if card is not None and card.run == identity and not entry.bundled:
            with scratch_folder(into.home / "staging", name) as place:
                shutil.copytree(entry.folder, place / "model")
                into.add(name, place / "model", card)
            return True
    return False


def _make_control(spec: ExperimentSpec, control: ControlSpec, seed: int, space: Workspace) -> None:
    name, origin = _control_name(control, seed), _start(spec, control.of, space)
    if space.has(name):
        return
    assert origin.folder is not None, "a control is of a donor"
    checkpoint = load_checkpoint(origin.folder)
    before = weights(checkpoint.model)
    after = {  # all of them keep names and shapes: what a control takes away is in the values alone
        "permuted-rows": lambda: permuted_rows(before, checkpoint.inventory, seed),
        "shuffled-encoder": lambda: shuffled_encoder(before, seed),
        "gaussian-encoder": lambda: gaussian_encoder(before, seed),
    }[control.kind]()
    plant(checkpoint.model, after)
    language = origin.language or "?"
    card = Card(
        name=name,
        language=language,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tokens=len(checkpoint.inventory.tokens),
        **spec.normalizer(language).recorded(),
        steps=0,
        seed=seed,
        donor={"ref": origin.ref, "language": language, "weights_sha256": weights_digest(origin.folder)},
        data={SOURCES: sources_of(space.store, str(origin.ref), origin.folder)},
        notes=f"A control ({control.kind}): not trained, made from {origin.ref}.",
    )
    with scratch_folder(space.store.home / "staging", name) as place:
        save_checkpoint(place / "model", checkpoint)
        space.store.add(name, place / "model", card)


def curve_of(result: FitResult) -> tuple[CurvePoint, ...]:
    """The evaluations of a run, as results have them."""
    return tuple(CurvePoint(**point.as_json()) for point in result.curve)


def donor_results(spec: ExperimentSpec, space: Workspace) -> tuple[DonorResult, ...]:
    """How the training of each donor went, from their cards."""
    results = []
    for donor in spec.donors:
        card = space.store.card(_donor_name(donor))
        assert card is not None, "donors are published with a card"
        results.append(
            DonorResult(
                name=donor.name,
                language=donor.language,
                minutes=card.data["minutes"],
                curve=tuple(CurvePoint(**point) for point in card.curve),
                steps=card.steps,
                dev_cer=next((s["cer"] for s in card.scores if s["split"] == "dev"), None),
                set_aside=tuple((id_, reason) for id_, reason in card.data["set_aside"]),
                identity=card.run,
            )
        )
    return tuple(results)


def budgets_of(spec: ExperimentSpec, home: Path | None) -> list[Budget]:
    """What each start that has a donor cost before the arms, and whether it is matched with the first of its kind.

    Donors trained here are matched unless the file says otherwise, donors of the store when their cards tell of equal
    steps and about equal minutes.
    """
    budgets = [_budget(spec, start, home) for start in spec.starts if start != SCRATCH]
    stored = [b for b in budgets if not b.trained_here]
    if len(budgets) > 1:
        budgets = [b if b.trained_here else replace(b, matched=_alike(b, stored, budgets)) for b in budgets]
    return budgets


def _budget(spec: ExperimentSpec, start: str, home: Path | None) -> Budget:
    donor = spec.donor(start)
    if donor is None:
        card = read_card(spec.folders[start]) if start in spec.folders else Store(home).card(start)
        minutes, steps = (card.data.get("minutes"), card.steps) if card else (None, None)
        language = card.language if card else None
        return Budget(start=start, language=language, trained_here=False, minutes=minutes, steps=steps, matched=True)
    return Budget(
        start=start,
        language=donor.language,
        trained_here=True,
        minutes=donor.minutes,
        steps=donor.training.steps,
        base=donor.base or None,
        matched=donor.matched,
    )


def _alike(budget: Budget, stored: Sequence[Budget], budgets: Sequence[Budget]) -> bool:
    """A donor of the store beside ones trained here has a budget of its own, whatever its card says."""
    first = stored[0]
    if len(stored) < len(budgets) or budget.minutes is None or first.minutes is None:
        return False
    return budget.steps == first.steps and abs(budget.minutes / first.minutes - 1) <= SAME_BUDGET
