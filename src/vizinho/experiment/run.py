"""Runs the arms of an experiment, one after another or side by side, each resumable, into results.json."""

from __future__ import annotations

import platform
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch
import transformers

from vizinho.experiment.guard import (
    hold_to_settings,
    refuse_foreign_tokens,
    refuse_leaks,
    utterances_of_test,
    without_test_texts,
)
from vizinho.experiment.read_spec import read_spec
from vizinho.experiment.results import ArmResult, Results, TrainedArm, as_json, fields_of, read_value, write_value
from vizinho.experiment.spec import UNTRAINED, UPDATE, ExperimentSpec, store_name
from vizinho.experiment.starts import (
    Arm,
    Start,
    Workspace,
    arms_of,
    budgets_of,
    check_stored,
    curve_of,
    donor_results,
    fit_here,
    job_of,
    keep,
    missing_donors,
    prepare_starts,
    start_of,
    update_of,
    updates_of,
)
from vizinho.experiment.summary import summarise
from vizinho.experiment.test_arm import home_of, interpolation, retention, scored, worst_utterances
from vizinho.job.fit import FinishedJob
from vizinho.job.publish import drop_run, run_folder, sole_run
from vizinho.job.start import ReadyJob, make_ready, sound_similarity
from vizinho.model.networks import weights
from vizinho.parallel import Task, run_tasks
from vizinho.plan.movement import movement
from vizinho.progress import Event, unseen
from vizinho.recognition.recognizer import Recognizer
from vizinho.training.selection import FitResult, Point
from vizinho.version import __version__

WHOLE = "whole experiment"
"""Name of the bar over everything."""


def run_experiment(
    spec: ExperimentSpec | Path | str,
    folder: Path | str,
    *,
    processes: int = 1,
    home: Path | None = None,
    donors_from: Path | None = None,
    show: Event = unseen,
) -> Results:
    """Train the donors, then every arm, test each arm once, and write results.json (docs/formats.md).

    `spec` may be the path of its file. `folder` keeps the results of arms, their models, those of donors (`store`) and
    logs, so a second call goes on where the first stopped. Donors that the experiment in `donors_from` trained in the
    same way (data, options, start) are not trained again. Raises SpecError when a test speaker, text or recording is in
    what is trained or chosen on, and when the folder was begun with other settings.
    """
    folder = Path(folder)
    spec = spec if isinstance(spec, ExperimentSpec) else read_spec(Path(spec))
    spec = without_test_texts(spec, folder) if spec.drop_test_texts else spec
    check_stored(spec, home)
    leaks = refuse_leaks(spec)
    hold_to_settings(spec, folder)
    space = Workspace(folder, home)
    shown = _over_everything(spec, space, show)
    prepare_starts(spec, space, processes, shown, donors_from)
    tasks: list[Task] = [(arm_task, (spec, arm, space)) for arm in (*arms_of(spec), *updates_of(spec))]
    # One pool for both: near the end a free core takes an update while others are still at arms.
    done: list[TrainedArm] = run_tasks(tasks, processes, shown)
    budgets = budgets_of(spec, home)
    matched = {budget.start: budget.matched for budget in budgets}  # starts without a donor have no budget to differ in
    arms = [replace(arm, matched=matched.get(arm.origin, True)) for arm in done if isinstance(arm, ArmResult)]
    updates = [arm for arm in done if not isinstance(arm, ArmResult)]
    summary = summarise(arms, updates)
    results = Results(
        name=spec.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        target=spec.target,
        spec=spec.source,
        environment=_environment(spec),
        signature=arms[0].test.signature,
        leaks=leaks,
        donors=donor_results(spec, space),
        budgets=tuple(budgets),
        arms=tuple(arms),
        updates=tuple(updates),
        **fields_of(summary),
        worst=tuple(worst_utterances(spec, arms, folder)),
    )
    write_value(folder / "results.json", results)
    return results


def _environment(spec: ExperimentSpec) -> dict[str, str | int]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "vizinho": __version__,
        "threads": spec.training.threads,
        "cpu": platform.processor() or platform.machine(),
    }


def _over_everything(spec: ExperimentSpec, space: Workspace, show: Event) -> Event:
    """`show` with one more bar: the steps of all donors and arms that are not done yet."""
    arms = [arm for arm in (*arms_of(spec), *updates_of(spec)) if not space.result(arm).is_file()]
    trained = [arm for arm in arms if arm.recipe != UNTRAINED]
    total = sum(d.training.steps for d in missing_donors(spec, space)) + len(trained) * spec.training.steps

    def shown(name: str, of: float, amount: float, note: str = "") -> None:
        show(name, of, amount, note)
        show(WHOLE, total, amount, "")

    if total:
        show(WHOLE, total, 0, "")
    return shown


def arm_task(spec: ExperimentSpec, arm: Arm, space: Workspace, show: Event) -> TrainedArm:
    """Train an arm and test it, unless its result is there; a same-language update is not tested."""
    kind = TrainedArm if spec.kind(arm.start) == UPDATE else ArmResult
    if space.result(arm).is_file():
        return read_value(kind, space.result(arm))
    name, start = store_name(arm.name), start_of(spec, arm, space)
    ready = make_ready((job_of if kind is ArmResult else update_of)(spec, arm, start), sound_similarity)
    refuse_foreign_tokens(ready)
    work = run_folder(space.store, name, ready)
    with sole_run(space.store, work):
        finished = _untrained(ready) if arm.recipe == UNTRAINED else fit_here(ready, name, arm.name, space, show)
        trained = _trained(spec, arm, finished)
        ref = keep(finished, name, start, space)
        # The version is tested as it is served, not the network in memory: same engine, same cutting.
        served = Recognizer.load(space.store.resolve(ref))
        result = trained if kind is TrainedArm else _tested(spec, trained, finished, served, start)
        if isinstance(result, ArmResult):
            space.store.add_score(ref, {"split": "test"} | as_json(result.test, include={"cer", "wer", "signature"}))
        # An arm with a result is done. Whether it is matched depends on donors that may be added.
        write_value(space.result(arm), result, exclude={"matched"})
        drop_run(work)
    return result


def _untrained(ready: ReadyJob) -> FinishedJob:
    """A job that ends where it starts; what it scores on dev is in its curve, as that of step 0."""
    dev = ready.dev
    scores = scored(Recognizer.of(ready.checkpoint), dev, ready.dataset.normalizer) if dev else None
    rates = {"CER": scores.cer if scores else None, "WER": scores.wer if scores else None}
    curve = (Point(0, None, rates, 0.0),)
    result = FitResult(curve, 0, 0.0, "step 0", rates["CER"], best_step=0, skipped_batches=0)
    return FinishedJob(ready, result, movement(ready.start, weights(ready.checkpoint.model)))


def _trained(spec: ExperimentSpec, arm: Arm, finished: FinishedJob) -> TrainedArm:
    """What training an arm yields, before any test."""
    ready, result, job = finished.ready, finished.result, finished.ready.job
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
        set_aside=tuple(ready.prepared.skipped),
        curve=curve_of(result),
        movement=finished.movement if ready.plan is not None and result.steps else None,
        plan=ready.plan.counts() if ready.plan else None,
        findings=finished.findings,
    )


def _tested(
    spec: ExperimentSpec, trained: TrainedArm, finished: FinishedJob, recognizer: Recognizer, start: Start
) -> ArmResult:
    home, moved = home_of(spec, trained.start), trained.steps > 0
    return ArmResult(
        **fields_of(trained),
        test=scored(recognizer, utterances_of_test(spec), spec.normalizer(spec.target)),
        retention=retention(spec, recognizer, home, start) if moved else None,
        interpolation=interpolation(spec, finished, home) if moved else None,
    )
