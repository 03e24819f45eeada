"""From a finished job to a version in the store: folder, card and model card, written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from vizinho.errors import InterruptedRunError, ModelError, StoreError
from vizinho.evaluation.collapse import as_json as findings_json
from vizinho.files import scratch_folder, sole_lock, write_text
from vizinho.job.card import machine, recipe_of, record, software
from vizinho.job.fit import FinishedJob, save
from vizinho.job.promote import Verdict, card_score, measure, promote
from vizinho.job.start import ReadyJob
from vizinho.model.checkpoint import save_checkpoint, weights_digest
from vizinho.parallel import is_main_process
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.store.card import Card, read_card
from vizinho.store.pins import read_pin
from vizinho.store.rights import SOURCES, Sources, sources_of
from vizinho.store.store import Store, unwritable
from vizinho.training.skipped import NAMED, write_skipped

ADAPTER = "adapter"
"""Folder of a model that holds what it adds to its donor, where it was trained so."""


def run_folder(store: Store, name: str, ready: ReadyJob) -> Path:
    """Where a run keeps its checkpoints: the same command finds the same folder again."""
    return store.home / "runs" / f"{name}-{ready.identity}"


def drop_run(folder: Path) -> None:
    """Forget a run's checkpoints. The folder loses its name first: half of one would look like a damaged run."""
    # A rename is one step: a kill during the removal leaves nothing that looks like an unfinished run.
    if folder.exists():
        folder.rename(folder.with_name(f".{folder.name}.{os.urandom(4).hex()}.dropped"))
    for gone in folder.parent.glob(".*.dropped"):
        shutil.rmtree(gone, ignore_errors=True)


@contextmanager
def sole_run(store: Store, folder: Path) -> Iterator[None]:
    """Keep the same command, given twice at once, from writing into one run folder.

    Of processes that torchrun started together the main one holds the lock for all. Raises StoreError for the second,
    and where the store cannot be written; InterruptedRunError after Ctrl-C where there is a checkpoint.
    """
    if not is_main_process():
        yield
        return
    with ExitStack() as stack:
        try:
            locked = stack.enter_context(sole_lock(store.home / "locks" / f"{folder.name}.lock"))
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(error, store.home) from error
        if not locked:
            raise StoreError(
                "the same run is going on in another process", where=folder, fix="wait for it, or change the seed"
            )
        try:
            yield
        except KeyboardInterrupt as stop:  # outside the loop, which answers Ctrl-C itself
            if not any(folder.glob("step-*")):
                raise
            fix = "run the same command again: it goes on from there"
            raise InterruptedRunError("stopped; what was trained is saved", where=folder.name, fix=fix) from stop


def unfinished(store: Store, name: str, folder: Path) -> list[Path]:
    """If `folder` is new: other runs of the name that stopped half-way, on other data or with other settings."""
    if any(folder.glob("step-*")):
        return []
    runs = sorted((store.home / "runs").glob(f"{name}-{'[0-9a-f]' * 16}"))
    return [run for run in runs if run != folder and any(run.glob("step-*"))]


@dataclass(frozen=True, slots=True)
class Published:
    """A version as it went into the store. `verdict` is None where nothing was there to compare it with."""

    ref: str
    verdict: Verdict | None


def publish(
    store: Store,
    name: str,
    finished: FinishedJob,
    work: Path,
    *,
    donor: str | None,
    command: Sequence[str],
    pinned: Sequence[Utterance] = (),
    run: str = "",
) -> Published:
    """Write the model folder with its card and add it to the store as a new version: once, however often it is killed.

    `work` is the run's folder, in which the model is put together. Raises StoreError where there is no room.

    `pinned` are the utterances of the name's pinned test set. Their scores go into the card, and the version becomes
    current only if its CER on them is not higher than that of the version in use (`promote`). `run` tells this run from
    every other: a version that has it in its card is this run's. It is random if not given.
    """
    card = card_of(store, name, finished, donor=donor, command=command)
    scores, pin, normalize = None, read_pin(store, name), finished.ready.dataset.normalizer
    run, known = (run, True) if run else _token(work)
    # A run that was killed between `store.add` and the removal of its checkpoints must not become a second version.
    ref = _made_before(store, name, run) if known else None
    # Put together in the run's folder, so that what a kill leaves there goes with the run.
    staging = work / "publishing"
    if ref is None:
        shutil.rmtree(staging, ignore_errors=True)
        with _room(staging):
            save(staging, finished.ready)
    if pinned and pin is not None:  # measured as it will be used: from its folder
        scores = measure(Recognizer.load(staging if ref is None else store.resolve(ref)), pinned, normalize)
        card = replace(card, scores=[*card.scores, card_score(scores, pin.split, Path(pin.corpus).name)])
    if ref is None:
        with _room(staging):
            _save_extras(staging, finished, card)
        # Without a pinned test set there is nothing to judge by: the new version is current at once.
        ref = store.add(name, staging, replace(card, run=run), make_current=scores is None)
    elif scores is None:
        store.set_current(name, int(ref.partition("@")[2]))
    verdict = None if scores is None else promote(store, name, int(ref.partition("@")[2]), scores, pinned, normalize)
    return Published(ref, verdict)


def _save_extras(folder: Path, finished: FinishedJob, card: Card) -> None:
    """Files next to the weights: the list of skipped recordings, and the adapter where one was trained."""
    if len(finished.skipped) > NAMED:
        write_skipped(folder, finished.skipped)
    if finished.adapter is not None and card.donor is not None:
        from vizinho.model.adapters import save_adapter

        origin = {key: getattr(card, key) for key in (*_ORIGIN, "orthography")}
        origin["donor_adapter"] = finished.ready.job.donor_adapter
        save_adapter(folder / ADAPTER, finished.adapter, finished.ready.checkpoint, origin)


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Raises StoreError where the disk has no room for a folder."""
    try:
        yield
    except Exception as error:
        # The libraries written in Rust raise errors of their own for a full disk, "... (os error 28)".
        if isinstance(error, OSError) or "(os error " in str(error):
            raise unwritable(error, folder.parent) from error
        raise


def _token(work: Path) -> tuple[str, bool]:
    """An id that only this run has, and whether it is from before: then the run was killed while it published."""
    place = work / "run.txt"
    try:
        known = place.is_file()
        # Random, not the run's identity: the same command, given again later, makes a version of its own.
        if not known:
            write_text(place, os.urandom(8).hex())
        return place.read_text(encoding="utf-8"), known
    except OSError as error:
        raise unwritable(error, work) from error


def _made_before(store: Store, name: str, run: str) -> str | None:
    """The version this run has already become, if it was killed after that and before its checkpoints were removed."""
    for entry in reversed(store.versions(name)):
        with suppress(ModelError):  # a broken card of another version is not this run's
            card = read_card(entry.folder)
            if card is not None and card.run == run:
                return entry.ref
    return None


_ORIGIN = ("language", "donor", "steps", "seed", "normalizer", "created", "recipe", "data", "scores")
"""What an adapter's folder says of itself, so that it can be merged far from the card."""


def publish_merged(store: Store, name: str, donor: Path, adapter: Path, *, command: Sequence[str]) -> str:
    """Merge a donor and an adapter's folder into a new version of `name`; returns NAME@VERSION.

    Raises ModelError when they do not belong together.
    """
    from vizinho.model.adapters import merge_adapter, read_origin

    store.check_name(name)
    origin = read_origin(adapter)
    if lacking := [key for key in _ORIGIN if key not in origin]:
        raise ModelError(f"its origin lacks {', '.join(lacking)}", where=adapter, fix="copy the adapter again")
    checkpoint = merge_adapter(donor, adapter)
    known = {key: origin[key] for key in _ORIGIN} | {"orthography": origin.get("orthography")}
    if SOURCES not in origin["data"]:  # of an earlier version
        known["data"] = origin["data"] | {SOURCES: sources_of(store, str(donor), donor)}
    card = Card(
        **known | {"name": name, "tokens": len(checkpoint.inventory.tokens)},
        command=list(command),
        software=software(),
        machine=machine(),
    )
    try:
        with scratch_folder(store.home / "staging", name) as place:
            save_checkpoint(place / "model", checkpoint)
            shutil.copytree(adapter, place / "model" / ADAPTER)
            return store.add(name, place / "model", card)
    except (OSError, SafetensorError) as error:
        raise unwritable(error, store.home) from error


def card_of(store: Store, name: str, finished: FinishedJob, *, donor: str | None, command: Sequence[str]) -> Card:
    """The card of a finished job; the store fills in version and hashes."""
    ready, result = finished.ready, finished.result
    scores = []
    if result.dev_score is not None:
        at = result.best if result.chosen.startswith("step") else result.curve[-1]
        scores.append(
            {
                "split": "dev",
                "cer": result.dev_score,
                "wer": at.dev["WER"],
                "signature": f"norm:{ready.dataset.normalizer.name}|data:{ready.dataset.fingerprint}|{result.chosen}",
            }
        )
    # Keys of `data` and `job` are read by later versions: add to them, never rename one.
    practice = ready.practice
    return Card(
        name=name,
        language=ready.job.language,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tokens=len(ready.checkpoint.inventory.tokens),
        **ready.dataset.normalizer.recorded(),
        steps=result.steps,
        seed=ready.job.options.seed,
        donor=_donor(store, donor, ready),
        plan=ready.plan.as_json() if ready.plan else None,
        recipe=recipe_of(ready.job),
        data={
            "fingerprint": ready.dataset.fingerprint,
            **ready.target.as_json(),
            **({"practice": practice.as_json()} if practice.utterances else {}),
            "dev_utterances": len(ready.dev),
            "dev_held_out": ready.dataset.held_out,
            "set_aside": [list(pair) for pair in finished.skipped[:NAMED]],
            "set_aside_count": len(finished.skipped),
            SOURCES: _sources(store, donor, ready),
        },
        curve=[point.as_json() for point in result.curve],
        scores=scores,
        movement=finished.movement.as_json() if ready.plan else None,
        job=record(ready),
        command=list(command),
        software=software(),
        machine=machine(),
    )


def _sources(store: Store, donor: str | None, ready: ReadyJob) -> Sources:
    """What the donor and its donors learnt from, and what this job does."""
    # Copied into each card: a donor may be deleted from the store, what it learnt from must not be forgotten.
    inherited = sources_of(store, donor or str(ready.job.donor), ready.job.donor) if ready.job.donor else Sources()
    for other in ready.job.others:
        inherited = [*inherited, *sources_of(store, other.ref, other.folder)]
    return [*inherited, *(row for s in ready.dataset.sources for row in s.rights(ready.job.language))]


def _donor(store: Store, donor: str | None, ready: ReadyJob) -> dict[str, Any] | None:
    if donor is None or ready.job.donor is None:
        return None
    entry = store.find(donor)
    return {
        "ref": entry.ref if entry else donor,
        "language": ready.job.donor_language or "?",
        "weights_sha256": weights_digest(ready.job.donor),
    }


def summary(published: Published, finished: FinishedJob) -> dict[str, Any]:
    """What a command says about the model it made."""
    ready, result = finished.ready, finished.result
    return {
        "model": published.ref,
        "verdict": None if published.verdict is None else published.verdict.as_json(),
        "language": ready.job.language,
        "steps": result.steps,
        "minutes": round(ready.target.minutes, 2),
        "practice_minutes": round(ready.practice.minutes, 2),
        "audio_seconds_seen": round(result.amount, 1),
        "chosen": result.chosen,
        "dev_cer": result.dev_score,
        "untrained_dev_cer": finished.untrained,
        "set_aside": len(finished.skipped),
        "skipped_batches": result.skipped_batches,
        "movement": finished.movement.as_json() if ready.plan else None,
        "curve": [p.as_json() for p in result.curve],
        "findings": findings_json(finished.findings),
    }
