"""A model of the store trained again from its card, and compared with the recorded one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from vizinho.errors import CorpusError, ModelError, StoreError
from vizinho.files import scratch_folder
from vizinho.job.card import changed_sources, lacking, recorded_job
from vizinho.job.data import read_dataset
from vizinho.job.fit import fit_job, save
from vizinho.job.promote import card_score, measure
from vizinho.job.publish import card_of, drop_run, run_folder, sole_run
from vizinho.job.start import make_ready, sound_similarity
from vizinho.model.checkpoint import load_checkpoint
from vizinho.model.networks import weights
from vizinho.progress import Advance, Log, silent
from vizinho.recognition.recognizer import Recognizer
from vizinho.rights import EXPORT
from vizinho.store.card import Card
from vizinho.store.folder import write_card
from vizinho.store.lineage import lineage
from vizinho.store.pins import pinned_utterances, read_pin
from vizinho.store.rights import permit
from vizinho.store.store import Store

_SAME = ("tokens", "normalizer", "steps", "plan")
"""What a card says that must come out equal, besides weights, scores and curve."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as recorded."""

    what: str
    recorded: Any
    now: Any


@dataclass(frozen=True, slots=True)
class WeightsDifference:
    """Recorded against new weights, tensor by tensor. `largest` is the largest absolute difference, of `where`."""

    tensors: int
    differing: int
    largest: float
    where: str
    relative_distance: float
    """|new - recorded| / |recorded| over all weights."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What a second training gave. `reproduced`: weights bit-equal, and scores, curve and plan the same."""

    ref: str
    reproduced: bool
    weights: WeightsDifference
    results: Sequence[Difference]
    """Of scores with their signatures, curve, plan, tokens."""
    causes: Sequence[Difference]
    """Of data, libraries and machine: why results may differ. They may also differ without harm."""
    scores: Sequence[Mapping[str, Any]]
    """As the new model has them: on dev, and on the pinned test set where the card has a score on it."""
    unchecked: Sequence[str] = field(default=())
    """What could not be compared, and why."""
    folder: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Order:
    """How to reproduce. `corpora` are where the manifests lie now; with `anyway`, changed ones are trained on too."""

    corpora: tuple[Path, ...] = ()
    anyway: bool = False
    out: Path | None = None
    """Where the new model's folder goes (OUT/NAME@VERSION); None keeps nothing."""
    override: str | None = None
    """Why the new model's folder may leave the store although restrictions refuse it."""


def chain_of(store: Store, ref: str) -> tuple[list[str], list[str]]:
    """Refs of a model and its ancestors that can be trained again, the oldest first; and a line for each that cannot.

    Raises StoreError for an unknown model. The model itself is always among the first: `reproduce` refuses it.
    """
    # The oldest first, so that each is trained again before what was started from it.
    *ancestors, asked = lineage(store, ref)
    reasons = {a.ref: a.note if a.card is None else lacking(a.card) for a in ancestors}
    able = [name for name, reason in reasons.items() if not reason]
    return [*able, asked.ref], [f"{name}: {reason}" for name, reason in reasons.items() if reason]


def reproduce(
    store: Store, ref: str, order: Order, *, progress: Advance = silent, log: Log = lambda _line: None
) -> Reproduction:
    """Train a model of the store again, from the donor the store has, and compare.

    An interrupted run goes on when called again. Raises ModelError and StoreError for a model, card or donor that
    does not allow it, CorpusError for data that is gone or changed, InterruptedRunError after SIGINT.
    """
    entry = store.find(ref)
    if entry is None:
        raise StoreError(f"no model {ref!r}", where=store.models, fix="give NAME@VERSION; see `vizinho models list`")
    ref, folder = entry.ref, store.resolve(entry.ref)
    card = store.card(ref)
    if card is None:
        raise ModelError("it has no card", where=ref, fix="only what vizinho trained can be reproduced")
    target = _free(order.out, ref)
    if target is not None:
        permit(store, ref, folder, EXPORT, order.override, str(target))
    job = recorded_job(store, ref, card, order.corpora)
    # The dataset is read once: it is compared with the card, and then trained on.
    dataset = read_dataset(
        job.corpora, job.language, job.minutes, job.options.seed, job.repeat, job.beside, job.normalizer
    )
    changed = changed_sources(dataset, card)
    if changed and not order.anyway:
        raise CorpusError(
            f"the data is not what {ref} was trained on: {'; '.join(changed)}",
            where=ref,
            fix="bring the data back, or see what the change does with --anyway",
        )
    ready = make_ready(job, sound_similarity, dataset=dataset, pinned=pinned_utterances(store, card.name))
    work = run_folder(store, f"reproduce-{ref}", ready)
    with sole_run(store, work):
        finished = fit_job(ready, work, progress=progress, log=log)
        # The new card is written as the first one was, so that the two can be compared key by key.
        donor = None if card.donor is None else str(card.donor["ref"])
        new = card_of(store, card.name, finished, donor=donor, command=card.command)
        # Scores are those of a model in a folder, as evaluation has them; without --out the folder is temporary.
        with scratch_folder(work.parent, "reproduced") as scratch:
            save(model := target or scratch / "model", ready)
            tests, unchecked = _tests(store, card, model)
        new = replace(new, scores=[*new.scores, *tests], version=card.version)
        if target is not None:
            new = write_card(target, new)
        drop_run(work)
    difference = compare_weights(weights(load_checkpoint(folder).model), weights(ready.checkpoint.model))
    results = _results(card, new)
    return Reproduction(
        ref,
        difference.differing == 0 and not results,
        difference,
        results,
        _causes(card, new, changed),
        new.scores,
        unchecked,
        None if target is None else str(target),
    )


def _free(out: Path | None, ref: str) -> Path | None:
    target = None if out is None else out / ref
    if target is not None and target.exists():
        raise StoreError("the folder exists", where=target, fix="give --out another folder")
    return target


def compare_weights(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> WeightsDifference:
    """Compare tensor by tensor. A tensor that one side lacks, or of another shape, differs by everything it holds."""
    differing, largest, where, change, size = 0, 0.0, "", 0.0, 0.0
    names = sorted(before.keys() | after.keys())
    for name in names:
        old, new = before.get(name), after.get(name)
        if old is not None:
            size += float(old.double().square().sum())
        if old is not None and new is not None and torch.equal(old, new):
            continue
        differing += 1
        # Tensors without a partner of their shape count as wholly different, so that the distance is never too small.
        if old is None or new is None or old.shape != new.shape:
            alone = [t.double() for t in (old, new) if t is not None]
            apart = torch.cat([t.flatten() for t in alone])
        else:
            apart = (new.double() - old.double()).flatten()
        change += float(apart.square().sum())
        most = float(apart.abs().max()) if apart.numel() else 0.0
        if most >= largest:
            largest, where = most, name
    return WeightsDifference(len(names), differing, largest, where, (change / size) ** 0.5 if size else 0.0)


def _tests(store: Store, card: Card, model: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The new model's score on the pinned test set, if the card has one on it; and what could not be measured."""
    recorded = [s for s in card.scores if s["split"] != "dev"]
    if not recorded:
        return [], []
    pin = read_pin(store, card.name)
    if pin is None:
        return [], [f"{len(recorded)} test scores: {card.name} has no pinned test set"]
    try:
        pinned = pinned_utterances(store, card.name)
    except CorpusError as error:
        return [], [f"{len(recorded)} test scores: {error.what}"]
    measured = card_score(
        measure(Recognizer.load(model), pinned, card.text_normalizer()), pin.split, Path(pin.corpus).name
    )
    others = [s for s in recorded if s["signature"] != measured["signature"]]
    lines = [f"{s['split']} score on {s.get('data', '?')} ({s['signature']}): not the pinned test set" for s in others]
    return ([measured] if len(others) < len(recorded) else []), lines


def _results(card: Card, new: Card) -> list[Difference]:
    """Results that should follow from data, options and seed, and differ."""
    differences = [
        Difference(name, _plain(getattr(card, name)), _plain(getattr(new, name)))
        for name in _SAME
        if _plain(getattr(card, name)) != _plain(getattr(new, name))
    ]
    for number, (before, now) in enumerate(zip(card.curve, new.curve, strict=False)):
        if dict(before) != dict(now):
            differences.append(Difference(f"curve from point {number} on", dict(before), dict(now)))
            break
    # Dev scores are compared whatever their signature: it names the data, which may have been brought back changed.
    recorded = {s["signature"] if s["split"] != "dev" else "dev": s for s in card.scores}
    for score in new.scores:
        before = recorded.get(score["signature"] if score["split"] != "dev" else "dev", {})
        differences += [
            Difference(f"{score['split']} {key}", before.get(key), score[key])
            for key in ("cer", "wer", "signature")
            if before.get(key) != score[key]
        ]
    return differences


def _causes(card: Card, new: Card, changed: Sequence[str]) -> list[Difference]:
    """What has changed since the model was trained: corpora, software, machine."""
    differences = [Difference("corpus", "as in the card", line) for line in changed]
    for kind in ("software", "machine"):
        before, now = getattr(card, kind), getattr(new, kind)
        differences += [
            Difference(f"{kind}: {name}", before.get(name), now.get(name))
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
    return differences


def _plain(value: Any) -> Any:
    """Values as JSON has them: a card that was read has lists where a new one has tuples."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
