"""From a finished job to a version in the store: folder, card and model card, written whole or not at all."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError, StoreError
from vizinho.evaluation.collapse import as_json as findings_json
from vizinho.jobs import FinishedJob, ReadyJob
from vizinho.judging import Verdict, card_score, measure, promote
from vizinho.model.adapters import merge_adapter, read_origin, save_adapter
from vizinho.model.checkpoint import save_checkpoint, weights_digest
from vizinho.recognizer import Recognizer
from vizinho.recording import recipe_of, record
from vizinho.registry.card import Card
from vizinho.registry.pins import pinned_utterances, read_pin
from vizinho.registry.store import Store
from vizinho.registry.surroundings import machine, software

ADAPTER = "adapter"
"""Folder of a model that holds what it adds to its donor, where it was trained so."""


def run_folder(store: Store, name: str, ready: ReadyJob) -> Path:
    """Where a run keeps its checkpoints: the same command finds the same folder again."""
    return store.home / "runs" / f"{name}-{ready.identity}"


def drop_run(folder: Path) -> None:
    """Forget a run's checkpoints."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def sole_run(store: Store, folder: Path) -> Iterator[None]:
    """Keep the same command, given twice at once, from writing into one run folder; StoreError for the second."""
    place = store.home / "locks" / f"{folder.name}.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(
                "the same run is going on in another process", where=folder, fix="wait for it, or change the seed"
            ) from error
        yield
        place.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Published:
    """A version as it went into the store. `verdict` is None where nothing was there to compare it with."""

    ref: str
    verdict: Verdict | None


def publish(
    store: Store, name: str, finished: FinishedJob, *, donor: str | None, command: Sequence[str], notes: str = ""
) -> Published:
    """Write the model folder with its card and add it to the store as a new version.

    With a pinned test set, its scores stand in the card, and the version is made current only if its CER there is not
    higher than that of the version in use (`judging.promote`).
    """
    card = card_of(store, name, finished, donor=donor, command=command, notes=notes)
    pinned, scores = pinned_utterances(store, name), None
    held = read_pin(store, name)
    if pinned and held is not None:
        scores = measure(Recognizer(finished.ready.checkpoint), pinned)
        card = replace(card, scores=[*card.scores, card_score(scores, held.split, Path(held.corpus).name)])
    home = store.home / "staging"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=f"{name}-") as place:
        staging = Path(place) / "model"
        save_checkpoint(staging, finished.ready.checkpoint)
        if finished.adapter is not None and card.donor is not None:
            origin = {key: getattr(card, key) for key in _ORIGIN}
            save_adapter(staging / ADAPTER, finished.adapter, finished.ready.checkpoint, origin)
        ref = store.add(name, staging, card, make_current=scores is None)
    verdict = None if scores is None else promote(store, name, int(ref.partition("@")[2]), scores, pinned)
    return Published(ref, verdict)


_ORIGIN = ("language", "donor", "steps", "seed", "normalizer", "created", "recipe", "data", "scores")
"""What an adapter's folder says of itself, so that it can be merged far from the card."""


def publish_merged(store: Store, name: str, donor: Path, adapter: Path, *, command: Sequence[str]) -> str:
    """Merge a donor and an adapter's folder into a new version of `name`; returns NAME@VERSION.

    Raises ModelError when they do not belong together.
    """
    store.check_name(name)
    origin = read_origin(adapter)
    if lacking := [key for key in _ORIGIN if key not in origin]:
        raise ModelError(f"its origin lacks {', '.join(lacking)}", where=adapter, fix="copy the adapter again")
    checkpoint = merge_adapter(donor, adapter)
    staging = store.home / "staging" / f"{name}-merged"
    shutil.rmtree(staging, ignore_errors=True)
    save_checkpoint(staging, checkpoint)
    shutil.copytree(adapter, staging / ADAPTER)
    known = {key: origin[key] for key in _ORIGIN}
    card = Card(
        **known | {"name": name, "tokens": len(checkpoint.inventory.tokens)},
        command=list(command),
        software=software(),
        machine=machine(),
    )
    return store.add(name, staging, card)


def card_of(
    store: Store, name: str, finished: FinishedJob, *, donor: str | None, command: Sequence[str], notes: str = ""
) -> Card:
    """The card of a finished job; the store fills in version and hashes."""
    ready, result = finished.ready, finished.result
    train = [e.utterance for e in ready.prepared.examples]
    scores = []
    if result.chosen_dev_cer is not None:
        wer = next((p.dev_wer for p in result.curve if f"step {p.step}" == result.chosen), None)
        scores.append(
            {
                "split": "dev",
                "cer": result.chosen_dev_cer,
                "wer": wer if wer is not None else result.curve[-1].dev_wer,
                "signature": f"norm:{ready.data.normalizer.name}|data:{ready.data.fingerprint}|{result.chosen}",
            }
        )
    return Card(
        name=name,
        language=ready.job.language,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        tokens=len(ready.checkpoint.inventory.tokens),
        normalizer=ready.data.normalizer.name,
        steps=result.steps,
        seed=ready.job.options.seed,
        donor=_donor(store, donor, ready),
        plan=ready.plan.as_json() if ready.plan else None,
        recipe=recipe_of(ready.job),
        data={
            "fingerprint": ready.data.fingerprint,
            "utterances": len(train),
            "minutes": round(ready.prepared.minutes, 2),
            "speakers": len({u.speaker for u in train}),
            "dev_utterances": len(ready.data.dev),
            "dev_held_out": ready.data.held_out,
            "set_aside": [list(pair) for pair in ready.prepared.set_aside],
        },
        curve=[asdict(point) for point in result.curve],
        scores=scores,
        movement=finished.movement.as_json() if ready.plan else None,
        job=record(ready),
        command=list(command),
        software=software(),
        machine=machine(),
        notes=notes,
    )


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
        "minutes": round(ready.prepared.minutes, 2),
        "audio_seconds_seen": round(result.audio_seconds, 1),
        "chosen": result.chosen,
        "dev_cer": result.chosen_dev_cer,
        "set_aside": len(ready.prepared.set_aside),
        "skipped_batches": result.skipped_batches,
        "movement": finished.movement.as_json() if ready.plan else None,
        "curve": [asdict(p) for p in result.curve],
        "findings": findings_json(finished.findings),
    }
