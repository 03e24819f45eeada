"""Runs the arms of an experiment, one after another or side by side, each resumable, into results.json."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
import transformers

from vizinho.experiment.arms import Arm, arm_folder, arms_of, job_of, update_of, updates_of
from vizinho.experiment.guard import (
    hold_to_settings,
    refuse_foreign_tokens,
    refuse_leaks,
    utterances_of_test,
    without_test_texts,
)
from vizinho.experiment.logs import file_log
from vizinho.experiment.results import ArmResult, Budget, Results, TrainedArm, read_value, write_value
from vizinho.experiment.spec import ExperimentSpec
from vizinho.experiment.starts import Start, budgets_of, curve_of, donor_results, prepare_starts, start_of
from vizinho.experiment.summary import summarise
from vizinho.experiment.test_arm import home_of, interpolation, retention, scored
from vizinho.experiment.worst import worst_utterances
from vizinho.job.job import Job
from vizinho.job.run import FinishedJob, run
from vizinho.job.start import make_ready, sound_similarity
from vizinho.model.checkpoint import save_checkpoint
from vizinho.parallel import Task, run_tasks
from vizinho.progress import Event, unseen
from vizinho.recognition.recognizer import Recognizer
from vizinho.version import __version__

WHOLE = "whole experiment"
"""Name of the bar over everything."""


def run_experiment(
    spec: ExperimentSpec,
    folder: Path,
    *,
    processes: int = 1,
    home: Path | None = None,
    donors_from: Path | None = None,
    show: Event = unseen,
) -> Results:
    """Train the donors, then every arm, test each arm once, and write results.json (docs/formats.md).

    `folder` keeps a finished arm's result, so a second call goes on where the first stopped; every donor and arm
    leaves a log beside its folder. Donors that the experiment in `donors_from` trained in the very same way (data,
    options, start) are not trained again. Raises SpecError when a test speaker, text or recording is in what is trained
    or chosen on, and when the folder was begun with other settings.
    """
    spec = without_test_texts(spec, folder) if spec.drop_test_texts else spec
    leaks = refuse_leaks(spec)
    hold_to_settings(spec, folder)
    shown = _over_everything(spec, folder, show)
    prepare_starts(spec, folder, home, processes, shown, donors_from)
    planned, planned_updates = arms_of(spec), updates_of(spec)
    tasks: list[Task] = [(arm_task, (spec, arm, folder, home)) for arm in planned]
    tasks += [(update_task, (spec, arm, folder, home)) for arm in planned_updates]
    done = run_tasks(tasks, processes, shown)
    budgets = budgets_of(spec, home)
    arms, updates = _marked(done[: len(planned)], budgets), done[len(planned) :]
    summary = summarise(arms, updates)
    results = Results(
        name=spec.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        target=spec.target,
        spec=spec.source,
        environment=_environment(spec),
        signature=arms[0].test.signature,
        leaks=leaks,
        donors=donor_results(spec, folder),
        budgets=tuple(budgets),
        arms=tuple(arms),
        updates=tuple(updates),
        pooled=summary.pooled,
        comparisons=summary.comparisons,
        questions=summary.questions,
        reading=summary.reading,
        worst=tuple(worst_utterances(spec, arms, folder)),
    )
    write_value(folder / "results.json", results)
    return results


def _marked(arms: Sequence[ArmResult], budgets: Sequence[Budget]) -> list[ArmResult]:
    """Whether an arm's start had the same budget as the other donors; starts without a donor have none to differ in."""
    matched = {budget.start: budget.matched for budget in budgets}
    return [replace(arm, matched=matched.get(arm.origin, True)) for arm in arms]


def _environment(spec: ExperimentSpec) -> dict[str, str | int]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "vizinho": __version__,
        "threads": spec.training.threads,
        "cpu": platform.processor() or platform.machine(),
    }


def _over_everything(spec: ExperimentSpec, folder: Path, show: Event) -> Event:
    """`show` with one more bar: the steps of all donors and arms that are not done yet."""
    donors = [d for d in spec.donors if not (folder / "donors" / d.name / "config.json").is_file()]
    arms = [a for a in (*arms_of(spec), *updates_of(spec)) if not (arm_folder(folder, a.name) / "arm.json").is_file()]
    total = sum(d.training.steps for d in donors) + len(arms) * spec.training.steps

    def shown(name: str, of: float, amount: float, note: str = "") -> None:
        show(name, of, amount, note)
        show(WHOLE, total, amount, "")

    if total:
        show(WHOLE, total, 0, "")
    return shown


def arm_task(spec: ExperimentSpec, arm: Arm, folder: Path, home: Path | None, show: Event) -> ArmResult:
    """Train and test one arm unless its result is there."""
    place = arm_folder(folder, arm.name)
    if (place / "arm.json").is_file():
        return read_value(ArmResult, place / "arm.json")
    start = start_of(spec, arm, folder, home)
    job = job_of(spec, arm, start.folder, start.language)
    finished = _run(arm, job, folder, show)
    result = _tested(spec, _trained(spec, arm, job, finished), finished, start)
    _keep(place, result, finished, folder)
    return result


def update_task(spec: ExperimentSpec, arm: Arm, folder: Path, home: Path | None, show: Event) -> TrainedArm:
    """Train one same-language update unless its result is there."""
    place = arm_folder(folder, arm.name)
    if (place / "arm.json").is_file():
        return read_value(TrainedArm, place / "arm.json")
    job = update_of(spec, arm, start_of(spec, arm, folder, home).folder)
    finished = _run(arm, job, folder, show)
    result = _trained(spec, arm, job, finished)
    _keep(place, result, finished, folder)
    return result


def _run(arm: Arm, job: Job, folder: Path, show: Event) -> FinishedJob:
    place = arm_folder(folder, arm.name)
    ready = make_ready(job, sound_similarity)
    refuse_foreign_tokens(ready)
    finished = run(
        ready,
        folder / "runs" / place.name,
        log=file_log(folder / "arms" / f"{place.name}.log"),
        progress=lambda amount, note: show(arm.name, job.options.steps, amount, note),
    )
    show(arm.name, job.options.steps, job.options.steps - finished.result.steps, "")
    return finished


def _keep(place: Path, result: TrainedArm, finished: FinishedJob, folder: Path) -> None:
    """The result is written after the model: an arm with a result is done."""
    save_checkpoint(place / "model", finished.ready.checkpoint)
    write_value(place / "arm.json", result, exclude={"matched"})
    shutil.rmtree(folder / "runs" / place.name, ignore_errors=True)


def _trained(spec: ExperimentSpec, arm: Arm, job: Job, finished: FinishedJob) -> TrainedArm:
    """What training an arm yields, before any test."""
    ready, result = finished.ready, finished.result
    return TrainedArm(
        arm=arm.name,
        start=arm.start,
        kind=spec.kind(arm.start),
        origin=spec.origin(arm.start),
        donor=None if job.donor is None else arm.start,
        language=job.language,
        recipe=arm.recipe,
        source=spec.recipe(arm.recipe).source,
        minutes=round(ready.target.minutes, 2),
        practice_minutes=round(ready.practice.minutes, 2),
        minutes_asked=arm.minutes,
        seed=arm.seed,
        steps=result.steps,
        audio_seconds_seen=round(result.amount, 1),
        chosen=result.chosen,
        dev_cer=result.dev_score,
        set_aside=tuple(ready.prepared.set_aside),
        curve=curve_of(result),
        movement=None if ready.plan is None else finished.movement,
        plan=ready.plan.counts() if ready.plan else None,
        findings=finished.findings,
    )


def _tested(spec: ExperimentSpec, trained: TrainedArm, finished: FinishedJob, start: Start) -> ArmResult:
    recognizer = Recognizer.of(finished.ready.checkpoint)
    home = home_of(spec, trained.start)
    return ArmResult(
        **{field.name: getattr(trained, field.name) for field in fields(trained)},
        test=scored(recognizer, utterances_of_test(spec), spec.target),
        retention=retention(recognizer, home, start),
        interpolation=interpolation(spec, finished, home),
    )
