"""A ready job trained: weights chosen on dev, how far they moved, and what looks wrong."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from vizinho.evaluation.collapse import Course, Finding, diagnose
from vizinho.job.start import ReadyJob
from vizinho.model.adapters import Adapter, attach, merge, take
from vizinho.model.checkpoint import save_checkpoint, weights
from vizinho.model.phonemes import save_head, with_head
from vizinho.progress import Advance, Log, silent
from vizinho.recognition.recognizer import Recognizer
from vizinho.training.loop import fit
from vizinho.training.mixing import mix_with_start
from vizinho.training.selection import FitResult
from vizinho.training.skipped import read_set_aside
from vizinho.training.speech_task import DevSet, SpeechTask, dev_rates
from vizinho.training.torchrun import is_main_process
from vizinho.transfer.movement import Movement, movement


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A trained network, how it went, how far its weights moved from the plan's start, and what looks wrong."""

    ready: ReadyJob
    result: FitResult
    movement: Movement
    findings: tuple[Finding, ...] = ()
    """Signs of collapse on dev; none without a dev set."""
    adapter: Adapter | None = None
    """What was learnt beside the donor, where the options ask for an adapter; the network has it merged."""
    set_aside: tuple[tuple[str, str], ...] = ()
    """(Utterance id, reason) of all that was not trained on, found before training or on the way."""


def run(ready: ReadyJob, folder: Path, *, progress: Advance = silent, log: Log = lambda _line: None) -> FinishedJob:
    """Train a ready job; `folder` keeps the checkpoints, and a run found there goes on.

    Under torchrun all processes do this together; only the main one looks for signs of collapse.
    """
    model, options = ready.checkpoint.model, ready.job.options
    handle = attach(model, options.adapter, options.seed) if options.adapter is not None else None
    references = {u.id: ready.data.normalizer(u.text) for u in ready.data.dev}
    front = ready.checkpoint.front
    for utterance in ready.data.dev:
        if not front.can_hear(utterance.duration_seconds):
            log(f"left {utterance.id} out of dev: {utterance.duration_seconds:.1f} s are too long for this network")
            del references[utterance.id]
    dev = DevSet([u for u in ready.data.dev if references.get(u.id)], {i: t for i, t in references.items() if t})
    phonemes = ready.phonemes
    with nullcontext() if phonemes is None else with_head(model, phonemes.head):
        task = SpeechTask(ready.checkpoint, ready.prepared.examples, dev if dev.utterances else None, phonemes)
        result = fit(task, options, folder, progress=progress, log=log)
    adapter = None
    if handle is not None:
        adapter = take(handle)
        merge(handle)
    if options.start_shares and ready.plan is not None and dev.utterances:
        result = mix_with_start(
            model, ready.start, options.start_shares, result, lambda: dev_rates(ready.checkpoint, dev)[0], log
        )
    moved = movement(ready.start, weights(model))
    findings = _findings(ready, result, dev) if is_main_process() else ()
    set_aside = (*ready.prepared.set_aside, *read_set_aside(folder))
    return FinishedJob(ready, result, moved, findings, adapter, set_aside)


def save(folder: Path, ready: ReadyJob) -> None:
    """Write the recogniser of a job as it stands, and what it learnt beside the letters, into a model folder."""
    save_checkpoint(folder, ready.checkpoint)
    if ready.phonemes is not None:
        save_head(folder, ready.phonemes.head)


def _findings(ready: ReadyJob, result: FitResult, dev: DevSet) -> tuple[Finding, ...]:
    if not dev.utterances:
        return ()
    heard = Recognizer.of(ready.checkpoint).transcribe_corpus(dev.utterances)
    course = Course(
        [p.train_loss for p in result.curve if p.train_loss is not None],
        result.skipped_batches,
        ready.prepared.letters,
    )
    return tuple(diagnose(course, dev.references, {id_: t.text for id_, t in heard.items()}))
