"""Runs the arms of an experiment, one after another or side by side, each resumable, into results.json."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers

from vizinho.corpora.manifest import read_manifest
from vizinho.evaluation.collapse import as_json as findings_json
from vizinho.experiment.arms import Arm, arm_folder, arms_of, job_of, update_of, updates_of
from vizinho.experiment.leaks import refuse_foreign_tokens, refuse_leaks, without_test_texts
from vizinho.experiment.logs import file_log
from vizinho.experiment.same_settings import hold_to_settings
from vizinho.experiment.spec import FORMAT, ExperimentSpec
from vizinho.experiment.starts import Start, budgets_of, prepare_starts, start_of
from vizinho.experiment.summary import summarise
from vizinho.experiment.test_arm import home_of, interpolation, retention, scored
from vizinho.experiment.worst import worst_utterances
from vizinho.files import write_json
from vizinho.job.job import Job
from vizinho.job.run import FinishedJob, run
from vizinho.job.start import make_ready, sound_similarity
from vizinho.model.checkpoint import save_checkpoint
from vizinho.parallel import run_tasks
from vizinho.progress import Event, unseen
from vizinho.recognition.whole import Recognizer
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
) -> dict[str, Any]:
    """Train the donors, then every arm, test each arm once, and write results.json (docs/formats.md). Returns it.

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
    planned = [*arms_of(spec), *updates_of(spec)]
    made = run_tasks([(arm_task, (spec, arm, folder, home)) for arm in planned], processes, shown)
    results = dict(zip([arm.name for arm in planned], made, strict=True))
    arms = [results[arm.name] for arm in arms_of(spec)]
    budgets = budgets_of(spec, folder, home)
    _mark(arms, budgets)
    written = {
        "format": FORMAT,
        "name": spec.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": spec.target,
        "spec": spec.source,
        "environment": _environment(spec),
        "signature": arms[0]["test"]["signature"],
        "leaks": leaks,
        "donors": [
            json.loads((folder / "donors" / d.name / "training.json").read_text())
            | {"name": d.name, "language": d.language}
            for d in spec.donors
        ],
        "budgets": budgets,
        "arms": arms,
        "updates": [results[arm.name] for arm in updates_of(spec)],
    }
    written |= summarise(arms, written["updates"])
    written["worst"] = worst_utterances(spec, arms, folder)
    write_json(folder / "results.json", written)
    return written


def _mark(arms: Sequence[dict[str, Any]], budgets: Sequence[dict[str, Any]]) -> None:
    """Whether an arm's start had the same budget as the other donors; starts without a donor have none to differ in."""
    matched = {entry["start"]: entry["matched"] for entry in budgets}
    for arm in arms:
        arm["matched"] = matched.get(arm["origin"], True)


def _environment(spec: ExperimentSpec) -> dict[str, Any]:
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


def arm_task(spec: ExperimentSpec, arm: Arm, folder: Path, home: Path | None, show: Event) -> dict[str, Any]:
    """Train and test one arm unless its result is there."""
    place = arm_folder(folder, arm.name)
    done = place / "arm.json"
    if done.is_file():
        return dict(json.loads(done.read_text()))
    start = start_of(spec, arm, folder, home)
    is_update = arm in updates_of(spec)
    job = update_of(spec, arm, start.folder) if is_update else job_of(spec, arm, start.folder, start.language)
    run_folder = folder / "runs" / place.name
    ready = make_ready(job, sound_similarity)
    refuse_foreign_tokens(ready)
    finished = run(
        ready,
        run_folder,
        log=file_log(folder / "arms" / f"{place.name}.log"),
        progress=lambda amount, note: show(arm.name, job.options.steps, amount, note),
    )
    show(arm.name, job.options.steps, job.options.steps - finished.result.steps, "")
    result = _trained(spec, arm, job, finished)
    if not is_update:
        result |= _tested(spec, arm, finished, start)
    save_checkpoint(place / "model", finished.ready.checkpoint)
    write_json(done, result)
    shutil.rmtree(run_folder, ignore_errors=True)
    return result


def _trained(spec: ExperimentSpec, arm: Arm, job: Job, finished: FinishedJob) -> dict[str, Any]:
    """What training an arm yields, before any test."""
    ready, result = finished.ready, finished.result
    return {
        "arm": arm.name,
        "start": arm.start,
        "kind": spec.kind(arm.start),
        "origin": spec.origin(arm.start),
        "donor": None if job.donor is None else arm.start,
        "language": job.language,
        "recipe": arm.recipe,
        "source": spec.recipe(arm.recipe).source,
        "minutes": round(ready.target.minutes, 2),
        "practice_minutes": round(ready.practice.minutes, 2),
        "minutes_asked": arm.minutes,
        "seed": arm.seed,
        "steps": result.steps,
        "audio_seconds_seen": round(result.audio_seconds, 1),
        "chosen": result.chosen,
        "dev_cer": result.chosen_dev_cer,
        "set_aside": ready.prepared.set_aside,
        "curve": [asdict(point) for point in result.curve],
        "movement": None if ready.plan is None else finished.movement.as_json(),
        "plan": ready.plan.counts() if ready.plan else None,
        "findings": findings_json(finished.findings),
    }


def _tested(spec: ExperimentSpec, arm: Arm, finished: FinishedJob, start: Start) -> dict[str, Any]:
    recognizer = Recognizer(finished.ready.checkpoint)
    test = [u for path in spec.corpora for u in read_manifest(path) if u.split == "test"]
    home = home_of(spec, arm.start)
    return {
        "test": scored(recognizer, test, spec.target),
        "retention": retention(recognizer, home, start),
        "interpolation": interpolation(spec, finished, home),
    }
