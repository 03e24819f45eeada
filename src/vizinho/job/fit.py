"""A ready job trained: weights chosen on dev, how far they moved, and what looks wrong."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vizinho.corpora.batches import batch_statistics
from vizinho.evaluation.collapse import Course, Finding, diagnose
from vizinho.job.start import ReadyJob, dev_set, task_of
from vizinho.model.checkpoint import save_checkpoint
from vizinho.model.frontends import is_whole_whisper
from vizinho.model.networks import weights
from vizinho.parallel import is_main_process
from vizinho.plan.apply import plant
from vizinho.plan.movement import Movement, movement
from vizinho.progress import Advance, Log, silent
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.training.loop import fit
from vizinho.training.memory import fitted
from vizinho.training.selection import FitResult
from vizinho.training.skipped import read_skipped
from vizinho.training.speech_task import DevSet, dev_rates

if TYPE_CHECKING:
    from vizinho.model.adapters import Adapter


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A trained network, its training curve, how far its weights moved from the start, and what looks wrong."""

    ready: ReadyJob
    result: FitResult
    movement: Movement
    findings: tuple[Finding, ...] = ()
    """Signs of collapse on dev; none without a dev set."""
    adapter: Adapter | None = None
    """The low-rank weights that were trained, where the options ask for an adapter; the network has them merged."""
    skipped: tuple[tuple[str, str], ...] = ()
    """(Utterance id, reason) of all that was skipped, before training or during it."""
    untrained: float | None = None
    """Dev CER of a donor as it is, before any training; None without a donor or a dev set."""


def fit_job(ready: ReadyJob, folder: Path, *, progress: Advance = silent, log: Log = lambda _line: None) -> FinishedJob:
    """Train a ready job. `folder` keeps the checkpoints: an interrupted training continues from the last one.

    Under torchrun all processes call this together; only the main one looks for signs of collapse.
    """
    model, options = ready.checkpoint.model, ready.job.options
    # Adapters are attached before the loop wraps the model, and merged before anything measures its weights.
    handle = None
    if options.adapter is not None:
        from vizinho.model.adapters import attach, merge, take

        handle = attach(model, options.adapter, options.seed)
    dev = _dev_set(ready, log)
    with _phoneme_head(ready):
        learnt, chosen_on = ready.prepared.examples, dev if dev.utterances else None
        task = task_of(model)(ready.checkpoint, learnt, chosen_on, ready.phonemes)
        options = fitted(task, options, folder, log)
        # The card records what was computed, so that the job made again from it computes the same.
        ready = replace(ready, job=replace(ready.job, options=options))
        if isinstance(task.examples, Sequence):
            durations = [example.utterance.duration_seconds for example in task.examples]
            log(batch_statistics(durations, options.batch_seconds, options.seed))
        result = fit(task, options, folder, progress=progress, log=log)
    # Merged, an adapter's model is an ordinary one for dev, movement and whoever loads it.
    adapter = None
    if handle is not None:
        adapter = take(handle)
        merge(handle)
    # Mixing with the start's weights keeps more of the donor's language; dev decides whether it pays.
    if options.start_shares and ready.plan is not None and dev.utterances:
        # What was trained with an adapter has other names than the network that the adapter is merged into.
        result = result if handle is None else replace(result, trained={})
        from vizinho.training.mixing import mix_with_start

        result = mix_with_start(
            model, ready.start, options.start_shares, result, lambda: dev_rates(ready.checkpoint, dev)[0], log
        )
    # The start of a donor with tokens is what the donor is, but for rows that it lacks.
    untrained = result.curve[0].score if ready.donor is not None and ready.donor["tokens"] else None
    if is_whole_whisper(model) and dev.utterances:
        result, untrained = _as_served(ready, dev, result, log)
    moved = movement(ready.start, weights(model))
    findings = _findings(ready, result, dev) if is_main_process() else ()
    skipped = (*ready.prepared.skipped, *read_skipped(folder))
    return FinishedJob(ready, result, moved, findings, adapter, skipped, untrained)


def _as_served(ready: ReadyJob, dev: DevSet, result: FitResult, log: Log) -> tuple[FitResult, float]:
    """The chosen weights of a network with a decoder and the donor's, scored as they are served; the better stay.

    Training scores with pooled silence, which is seven times as fast and mostly as good, but in which a donor may loop
    on recordings that it gets right in its own window. So the last word is spoken in that.
    """
    checkpoint = ready.checkpoint
    trained = {name: tensor.clone() for name, tensor in weights(checkpoint.model).items()}
    cer = dev_rates(checkpoint, dev, pooled=False)[0]
    plant(checkpoint.model, ready.start)
    untrained = dev_rates(checkpoint, dev, pooled=False)[0]
    log(f"in whole windows of 30 s: dev CER {cer:.3f}, of the donor untrained {untrained:.3f}")
    if cer > untrained:
        log("training does not help on dev: the donor stays as it is")
        return replace(result, chosen="the donor untrained", dev_score=untrained, best_step=0), untrained
    plant(checkpoint.model, trained)
    return replace(result, dev_score=cer), untrained


def _phoneme_head(ready: ReadyJob) -> AbstractContextManager[None]:
    """Makes the phone classifier a part of the network, where there is one."""
    if ready.phonemes is None:
        return nullcontext()
    from vizinho.model.phonemes import with_head

    return with_head(ready.checkpoint.model, ready.phonemes.head)


def save(folder: Path, ready: ReadyJob) -> None:
    """Write a job's network as it is now, and its phone classifier if it has one, into a model folder."""
    save_checkpoint(folder, ready.checkpoint)
    if ready.phonemes is not None:
        from vizinho.model.phonemes import save_head

        save_head(folder, ready.phonemes.head)


def _dev_set(ready: ReadyJob, log: Log) -> DevSet:
    """Dev utterances with text that the network can process; what is left out for its length is logged."""
    dev, whole = ready.dev, ready.dataset.dev
    if len(dev) < len(whole):
        minutes, of = (sum(u.duration_seconds for u in utterances) / 60 for utterances in (dev, whole))
        log(f"dev: {minutes:.1f} of its {of:.1f} minutes choose the weights (dev_minutes in --recipe)")
    short_enough: list[Utterance] = []
    for utterance in dev:
        if ready.checkpoint.front.can_hear(utterance.duration_seconds):
            short_enough.append(utterance)
        else:
            log(f"skip {utterance.id} of dev: {utterance.duration_seconds:.1f} s are too long for this network")
    # Only Whisper decodes token by token, so long that the faster precision matters on dev too.
    precision = ready.job.options.precision if is_whole_whisper(ready.checkpoint.model) else "no"
    return dev_set(short_enough, ready.dataset.normalizer, precision)


def _findings(ready: ReadyJob, result: FitResult, dev: DevSet) -> tuple[Finding, ...]:
    if not dev.utterances:
        return ()
    transcripts = Recognizer.of(ready.checkpoint).transcribe_corpus(dev.utterances)
    course = Course(
        [p.train_loss for p in result.curve if p.train_loss is not None],
        result.skipped_batches,
        ready.prepared.letters,
    )
    return tuple(diagnose(course, dev.references, {id_: dev.normalize(t.text) for id_, t in transcripts.items()}))
