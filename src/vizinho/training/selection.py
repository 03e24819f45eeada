"""Looks at dev during a run, and which weights a finished run ends with: the best ones or an average."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from vizinho.evaluation.rates import error_rates
from vizinho.model.checkpoint import Checkpoint
from vizinho.progress import Log
from vizinho.recognition.whole import Recognizer
from vizinho.records import Utterance
from vizinho.training.health import Health
from vizinho.training.options import TrainingOptions

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class DevSet:
    """Utterances to choose on, with their normalised texts by id."""

    utterances: Sequence[Utterance]
    references: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation during training. Step 0 is before any update."""

    step: int
    train_loss: float | None
    dev_cer: float | None
    dev_wer: float | None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a finished run did; the model's weights were set to the chosen ones."""

    curve: tuple[Point, ...]
    steps: int
    audio_seconds: float
    chosen: str
    """"step N", or "average of N" evaluated weights, whichever was better on dev; "last" without a dev set."""
    chosen_dev_cer: float | None
    skipped_batches: int


@dataclass(slots=True)
class RunProgress:
    """The values of a run that change; all of it goes into every checkpoint."""

    step: int = 0
    step_batches: int = 1
    """Batches of a step, of all processes together."""
    audio_seconds: float = 0.0
    health: Health = field(default_factory=Health)
    losses: list[float] = field(default_factory=list)
    curve: list[Point] = field(default_factory=list)
    best_cer: float = math.inf
    best_step: int = 0
    stale: int = 0
    averaged: int = 0
    best: Weights = field(default_factory=dict)
    sums: Weights = field(default_factory=dict)


def evaluate(checkpoint: Checkpoint, dev: DevSet | None, state: RunProgress, log: Log) -> None:
    """Append a point to the curve and keep the weights when they are the best on dev so far."""
    loss = sum(state.losses) / len(state.losses) if state.losses else None
    state.losses.clear()
    cer = wer = None
    if dev is not None:
        cer, wer = dev_rates(checkpoint, dev)
        state.stale = 0 if cer < state.best_cer else state.stale + 1
        if cer <= state.best_cer:  # of equals the later, which has seen more
            state.best_cer, state.best_step = cer, state.step
            state.best = _copy(checkpoint.model)
    state.curve.append(Point(state.step, loss, cer, wer))
    log(f"step {state.step}: loss {show(loss)}, dev CER {show(cer)}, dev WER {show(wer)}")


def average(model: Any, state: RunProgress, options: TrainingOptions) -> None:
    """Add the weights to those that are averaged, in the last share of the run."""
    if state.step < options.steps * (1 - options.average_share):
        return
    current = _copy(model)
    if not state.sums:
        state.sums = current
    else:
        for name, tensor in current.items():
            state.sums[name] = state.sums[name] + tensor if tensor.is_floating_point() else tensor
    state.averaged += 1


def choose(checkpoint: Checkpoint, dev: DevSet | None, state: RunProgress, log: Log) -> TrainingResult:
    """Set the model to the average of the last weights or to the best single ones, whichever is better on dev."""
    chosen, cer = "last", None
    if dev is not None:
        chosen, cer = f"step {state.best_step}", state.best_cer
    if state.averaged > 1:
        mean = {n: t / state.averaged if t.is_floating_point() else t for n, t in state.sums.items()}
        checkpoint.model.load_state_dict(mean)
        average_cer = dev_rates(checkpoint, dev)[0] if dev is not None else None
        if average_cer is None or average_cer <= state.best_cer:
            chosen, cer = f"average of {state.averaged}", average_cer
    if chosen.startswith("step") and state.best:
        checkpoint.model.load_state_dict(state.best)
    checkpoint.model.eval()
    log(f"chosen on dev: {chosen}, CER {show(cer)}")
    return TrainingResult(tuple(state.curve), state.step, state.audio_seconds, chosen, cer, state.health.skipped)


def show(value: float | None) -> str:
    """A rate or a loss for people."""
    return "-" if value is None else f"{value:.3f}"


def dev_rates(checkpoint: Checkpoint, dev: DevSet) -> tuple[float, float]:
    """CER and WER of the network as it stands, which is left in evaluation mode."""
    checkpoint.model.eval()
    transcripts = Recognizer(checkpoint).transcribe_corpus(dev.utterances)
    return error_rates(dev.references, {id_: t.text for id_, t in transcripts.items()})


def _copy(model: Any) -> Weights:
    """A copy in the processor's memory: a device has better use for its own."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
