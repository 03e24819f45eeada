"""Runs the arms of an experiment, one after another or side by side, each resumable, into results.json."""

from __future__ import annotations

import json
import platform
import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import transformers

from vizinho import __version__
from vizinho.corpora.manifest import fingerprint, read_manifest, write_manifest
from vizinho.errors import SpecError
from vizinho.evaluation.score import as_json, score
from vizinho.experiment.arms import Arm, arms_of, job_of
from vizinho.experiment.settled import hold_to_settings
from vizinho.experiment.summary import summarise
from vizinho.experiment.values import SCRATCH, DonorSpec, ExperimentSpec
from vizinho.files import write_json
from vizinho.jobs import FinishedJob, Job, make_ready, read_data, run, sound_similarity
from vizinho.model.checkpoint import save_checkpoint
from vizinho.parallel import run_tasks, unseen
from vizinho.progress import Event
from vizinho.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.registry.store import Store
from vizinho.text.normalize import get_normalizer
from vizinho.training.loop import Log

FORMAT = 1
"""Version of results.json."""


def run_experiment(
    spec: ExperimentSpec, folder: Path, *, processes: int = 1, home: Path | None = None, show: Event = unseen
) -> dict[str, Any]:
    """Train the donors, then every arm, test each arm once, and write results.json (docs/formats.md). Returns it.

    `folder` keeps a finished arm's result, so a second call goes on where the first stopped; every donor and arm
    leaves a log beside its folder. Raises SpecError when a test speaker or text is in train, and when the folder was
    begun with other settings.
    """
    spec = _without_shared_texts(spec, folder) if spec.drop_test_texts else spec
    refuse_leaks(spec)
    hold_to_settings(spec, folder)
    run_tasks([(donor_task, (spec, donor, folder, home)) for donor in spec.donors], processes, show)
    results = run_tasks([(arm_task, (spec, arm, folder, home)) for arm in arms_of(spec)], processes, show)
    by_name = {result["arm"]: result for result in results}
    arms = [by_name[arm.name] for arm in arms_of(spec)]
    made = {
        "format": FORMAT,
        "name": spec.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "target": spec.target,
        "spec": spec.source,
        "environment": _environment(spec),
        "signature": arms[0]["test"]["signature"],
        "donors": [
            json.loads((folder / "donors" / d.name / "training.json").read_text())
            | {"name": d.name, "language": d.language}
            for d in spec.donors
        ],
        "arms": arms,
        **summarise(arms),
    }
    write_json(folder / "results.json", made)
    return made


def _environment(spec: ExperimentSpec) -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "vizinho": __version__,
        "threads": spec.training.threads,
        "cpu": platform.processor() or platform.machine(),
    }


def _without_shared_texts(spec: ExperimentSpec, folder: Path) -> ExperimentSpec:
    """The spec over copies of its manifests from which train and dev utterances with a text of test are taken out."""
    normalize = get_normalizer(spec.target)
    tested = {normalize(u.text) for path in spec.corpora for u in read_manifest(path) if u.split == "test"}
    made = []
    for number, path in enumerate(spec.corpora):
        utterances = read_manifest(path)
        left_out = [u for u in utterances if u.split != "test" and normalize(u.text) in tested]
        made.append(folder / "corpora" / f"{number}-{path.name}")
        write_manifest(made[-1], [u for u in utterances if u not in left_out])
        write_json(
            made[-1].with_suffix(".left-out.json"),
            [{"id": u.id, "text": u.text, "why": "its text is in test"} for u in left_out],
        )
    return replace(spec, corpora=tuple(made))


def refuse_leaks(spec: ExperimentSpec) -> None:
    """Test speakers and texts must not be in train, of the target's corpora or of any donor's. Raises SpecError."""
    target = [u for path in spec.corpora for u in read_manifest(path)]
    test = [u for u in target if u.split == "test"]
    if not test:
        raise SpecError(
            "the corpora have no test split", where=spec.name, fix="mark the test utterances in the manifest"
        )
    normalize = get_normalizer(spec.target)
    train = [u for u in target if u.split == "train"]
    speakers = {u.speaker for u in test} & {u.speaker for u in train}
    if speakers:
        raise SpecError(
            f"speakers of test are in train: {', '.join(sorted(speakers)[:3])}",
            where=spec.name,
            fix="run `vizinho corpus check` and split by speaker",
        )
    texts = {normalize(u.text) for u in test} & {normalize(u.text) for u in train}
    if texts:
        raise SpecError(
            f"{len(texts)} texts of test are in train, such as {min(texts)!r}",
            where=spec.name,
            fix="run `vizinho corpus check` and take them out of train",
        )


def donor_task(spec: ExperimentSpec, donor: DonorSpec, folder: Path, home: Path | None, show: Event) -> None:
    """Train one donor unless its folder is there."""
    target = folder / "donors" / donor.name
    if (target / "config.json").is_file():
        return
    base = Store(home).resolve(donor.base) if donor.base else None
    job = Job(
        donor.language,
        donor.corpora,
        base,
        donor.language,
        minutes=donor.minutes,
        preset=spec.preset,
        options=replace(donor.training, seed=donor.seed),
    )
    label = f"donor {donor.name}"
    finished = run(
        make_ready(job, sound_similarity),
        folder / "runs" / f"donor-{donor.name}",
        log=_file_log(folder / "donors" / f"{donor.name}.log"),
        progress=lambda amount, note: show(label, job.options.steps, amount, note),
    )
    scratch = target.with_name(f".{donor.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    save_checkpoint(scratch, finished.ready.checkpoint)
    write_json(
        scratch / "training.json",
        {
            "minutes": finished.ready.prepared.minutes,
            "curve": [asdict(p) for p in finished.result.curve],
            "steps": finished.result.steps,
            "dev_cer": finished.result.chosen_dev_cer,
            "set_aside": finished.ready.prepared.set_aside,
        },
    )
    scratch.replace(target)
    shutil.rmtree(folder / "runs" / f"donor-{donor.name}", ignore_errors=True)


def arm_task(spec: ExperimentSpec, arm: Arm, folder: Path, home: Path | None, show: Event) -> dict[str, Any]:
    """Train and test one arm unless its result is there."""
    place = folder / "arms" / arm.name.replace("/", "-")
    done = place / "arm.json"
    if done.is_file():
        return dict(json.loads(done.read_text()))
    donors = {d.name: d for d in spec.donors}
    donor_folder = donor_language = None
    if arm.start in donors:
        donor_folder, donor_language = folder / "donors" / arm.start, donors[arm.start].language
    elif arm.start != SCRATCH:
        store = Store(home)
        donor_folder, card = store.resolve(arm.start), store.card(arm.start)
        donor_language = card.language if card else None
    job = job_of(spec, arm, donor_folder, donor_language)
    run_folder = folder / "runs" / place.name
    finished = run(
        make_ready(job, sound_similarity),
        run_folder,
        log=_file_log(folder / "arms" / f"{place.name}.log"),
        progress=lambda amount, note: show(arm.name, job.options.steps, amount, note),
    )
    result = _result(spec, arm, finished, donors.get(arm.start), donor_folder)
    save_checkpoint(place / "model", finished.ready.checkpoint)
    write_json(done, result)
    shutil.rmtree(run_folder, ignore_errors=True)
    return result


def _result(
    spec: ExperimentSpec, arm: Arm, finished: FinishedJob, donor: DonorSpec | None, donor_folder: Path | None
) -> dict[str, Any]:
    recognizer = Recognizer(finished.ready.checkpoint)
    test = [u for path in spec.corpora for u in read_manifest(path) if u.split == "test"]
    return {
        "arm": arm.name,
        "start": arm.start,
        "donor": None if donor_folder is None else arm.start,
        "recipe": arm.recipe,
        "minutes": round(finished.ready.prepared.minutes, 2),
        "minutes_asked": arm.minutes,
        "seed": arm.seed,
        "steps": finished.result.steps,
        "audio_seconds_seen": round(finished.result.audio_seconds, 1),
        "chosen": finished.result.chosen,
        "dev_cer": finished.result.chosen_dev_cer,
        "set_aside": finished.ready.prepared.set_aside,
        "curve": [asdict(point) for point in finished.result.curve],
        "test": _scored(recognizer, test, spec.target),
        "movement": None if donor_folder is None else finished.movement.as_json(),
        "retention": _retention(recognizer, donor, donor_folder),
        "plan": finished.ready.plan.counts() if finished.ready.plan else None,
    }


def _scored(recognizer: Recognizer, utterances: list[Utterance], language: str) -> dict[str, Any]:
    normalize = get_normalizer(language)
    heard = recognizer.transcribe_corpus(utterances)
    scores = score(
        {u.id: normalize(u.text) for u in utterances},
        {i: normalize(t.text) for i, t in heard.items()},
        speakers={u.id: u.speaker for u in utterances},
        normalizer=normalize.name,
        data_fingerprint=fingerprint(utterances),
    )
    return dict(as_json(scores, per_utterance=True))


def _retention(recognizer: Recognizer, donor: DonorSpec | None, donor_folder: Path | None) -> dict[str, Any] | None:
    """CER on the donor language's held-out utterances, of the donor and after the transfer."""
    if donor is None or donor_folder is None:
        return None
    held_out = read_data(donor.corpora, donor.language, donor.minutes, donor.seed).dev
    before = _scored(Recognizer.load(donor_folder), list(held_out), donor.language)
    after = _scored(recognizer, list(held_out), donor.language)
    return {"lang": donor.language, "cer": after["cer"], "donor_cer": before["cer"], "utterances": after["utterances"]}


def _file_log(path: Path) -> Log:
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(line: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return write
