"""What the arms start from: donors trained here, stages of synthetic speech, controls made from donors."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vizinho.experiment.arms import Arm
from vizinho.experiment.logs import file_log
from vizinho.experiment.results import Budget, CurvePoint, DonorResult, read_value, write_value
from vizinho.experiment.spec import SCRATCH, UPDATE, ControlSpec, DonorSpec, ExperimentSpec
from vizinho.job.job import Job
from vizinho.job.run import run, save
from vizinho.job.start import make_ready, sound_similarity
from vizinho.model.checkpoint import load_checkpoint, save_checkpoint, weights
from vizinho.parallel import run_tasks
from vizinho.progress import Event
from vizinho.store.store import Store
from vizinho.training.selection import FitResult
from vizinho.transfer.apply import plant
from vizinho.transfer.controls import gaussian_encoder, permuted_rows, shuffled_encoder

SAME_BUDGET = 0.05
"""Relative difference of minutes up to which two donors of the store count as trained on equal amounts."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where an arm starts: a model folder and its language, or nothing of either."""

    folder: Path | None = None
    language: str | None = None


def prepare_starts(
    spec: ExperimentSpec, folder: Path, home: Path | None, processes: int, show: Event, elsewhere: Path | None = None
) -> None:
    """Train the donors that are not there yet, those that others start from first, then make the controls.

    A donor that the experiment in the folder `elsewhere` trained in the very same way is taken over from there.
    """
    waiting, done = list(spec.donors), set[str]()
    while waiting:
        names = {d.name for d in waiting}
        now = [d for d in waiting if d.base not in names]
        run_tasks([(donor_task, (spec, donor, folder, home, elsewhere)) for donor in now], processes, show)
        done |= {d.name for d in now}
        waiting = [d for d in waiting if d.name not in done]
    for control in spec.controls:
        for seed in spec.seeds if control.kind != UPDATE else ():
            _make_control(spec, control, seed, folder, home)


def start_of(spec: ExperimentSpec, arm: Arm, folder: Path, home: Path | None) -> Start:
    """The start of an arm; raises StoreError for names that neither the file nor the store has."""
    if arm.start == SCRATCH:
        return Start()
    control = spec.control(arm.start)
    if control is not None:
        origin = _origin(spec, control.of, folder, home)
        return origin if control.kind == UPDATE else Start(_control_folder(folder, control, arm.seed), origin.language)
    return _origin(spec, arm.start, folder, home)


def _origin(spec: ExperimentSpec, name: str, folder: Path, home: Path | None) -> Start:
    donor = spec.donor(name)
    if donor is not None:
        return Start(folder / "donors" / name, donor.language)
    store = Store(home)
    card = store.card(name)
    return Start(store.resolve(name), card.language if card else None)


def donor_task(
    spec: ExperimentSpec, donor: DonorSpec, folder: Path, home: Path | None, elsewhere: Path | None, show: Event
) -> None:
    """Train one donor unless its folder is there, or stands in the experiment `elsewhere`."""
    target = folder / "donors" / donor.name
    if (target / "config.json").is_file():
        return
    base = _origin(spec, donor.base, folder, home) if donor.base else Start()
    job = Job(
        donor.language,
        donor.corpora,
        base.folder,
        base.language,
        minutes=donor.minutes,
        preset=spec.preset,
        rows=spec.rows,
        options=replace(donor.training, seed=donor.seed),
    )
    label = f"donor {donor.name}"
    ready = make_ready(job, sound_similarity)
    if elsewhere is not None and _take_over(elsewhere / "donors", ready.identity, target):
        show(label, job.options.steps, job.options.steps, "taken over")
        return
    finished = run(
        ready,
        folder / "runs" / f"donor-{donor.name}",
        log=file_log(folder / "donors" / f"{donor.name}.log"),
        progress=lambda amount, note: show(label, job.options.steps, amount, note),
    )
    show(label, job.options.steps, job.options.steps - finished.result.steps, "")
    scratch = target.with_name(f".{donor.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    save(scratch, ready)
    result = DonorResult(
        name=donor.name,
        language=donor.language,
        minutes=ready.target.minutes,
        curve=curve_of(finished.result),
        steps=finished.result.steps,
        dev_cer=finished.result.dev_score,
        set_aside=tuple(ready.prepared.set_aside),
        identity=ready.identity,
    )
    write_value(scratch / "training.json", result)
    scratch.replace(target)
    shutil.rmtree(folder / "runs" / f"donor-{donor.name}", ignore_errors=True)


def curve_of(result: FitResult) -> tuple[CurvePoint, ...]:
    """The evaluations of a run, as results have them."""
    return tuple(CurvePoint(p.step, p.train_loss, p.dev["CER"], p.dev["WER"]) for p in result.curve)


def donor_results(spec: ExperimentSpec, folder: Path) -> tuple[DonorResult, ...]:
    """How the training of each donor went."""
    return tuple(
        replace(read_value(DonorResult, folder / "donors" / d.name / "training.json"), name=d.name, language=d.language)
        for d in spec.donors
    )


def _take_over(donors: Path, identity: str, target: Path) -> bool:
    """Copy the donor of this identity (data, options, start), under whatever name it stands there."""
    for path in sorted(donors.glob("*/training.json")):
        if read_value(DonorResult, path).identity == identity:
            scratch = target.with_name(f".{target.name}")
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.copytree(path.parent, scratch)
            scratch.replace(target)
            return True
    return False


def _control_folder(folder: Path, control: ControlSpec, seed: int) -> Path:
    return folder / "donors" / f"{control.name}-seed{seed}"


def _make_control(spec: ExperimentSpec, control: ControlSpec, seed: int, folder: Path, home: Path | None) -> None:
    target = _control_folder(folder, control, seed)
    if (target / "config.json").is_file():
        return
    origin = _origin(spec, control.of, folder, home)
    assert origin.folder is not None
    checkpoint = load_checkpoint(origin.folder)
    given = weights(checkpoint.model)
    made = {
        "permuted-rows": lambda: permuted_rows(given, checkpoint.inventory, seed),
        "shuffled-encoder": lambda: shuffled_encoder(given, seed),
        "gaussian-encoder": lambda: gaussian_encoder(given, seed),
    }[control.kind]()
    plant(checkpoint.model, made)
    scratch = target.with_name(f".{target.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    save_checkpoint(scratch, checkpoint)
    scratch.replace(target)


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
        card = Store(home).card(start)
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
