"""The training loop: CTC on batches by duration, evaluated on dev, checkpointed to resume exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from vizinho.corpora.batches import Batch, BatchData, BatchPlan, Example, deaths_named, stream
from vizinho.errors import ModelError
from vizinho.evaluation.rates import error_rates
from vizinho.model.checkpoint import Checkpoint
from vizinho.model.ctc import ctc_loss
from vizinho.model.fast import Chunks, can_stream, fast_forward, set_chunks
from vizinho.progress import Advance, silent
from vizinho.recognizer import Recognizer
from vizinho.records import Utterance
from vizinho.training.health import Health, Statistics, bad_batch, bad_update
from vizinho.training.interrupt import InterruptedRunError, interruptible
from vizinho.training.options import Chunking, StreamingOptions, TrainingOptions
from vizinho.training.resume import RunState, restore, save_state
from vizinho.training.schedule import LayerRates

Weights = dict[str, torch.Tensor]
Log = Callable[[str], None]


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
    broken: tuple[tuple[str, str], ...] = ()
    """(utterance id, reason) of recordings that could no longer be read during the run and were left out."""


@dataclass(slots=True)
class _Progress:
    """The values of a run that change; all of it goes into every checkpoint."""

    step: int = 0
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


def train(
    checkpoint: Checkpoint,
    examples: Sequence[Example],
    dev: DevSet | None,
    options: TrainingOptions,
    run: Path,
    *,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> TrainingResult:
    """Train `checkpoint.model` in place and leave the weights chosen on dev in it.

    `run` holds the checkpoints; when it already has some, the run goes on from the newest. Raises InterruptedRunError
    after SIGINT (state saved), ModelError when the loss stays not a number, CorpusError when too many recordings can no
    longer be read (`health`).
    """
    torch.set_num_threads(options.threads)
    mark_streaming(checkpoint, options.streaming)
    accelerator = Accelerator(mixed_precision=options.precision, cpu=not torch.cuda.is_available())
    model = checkpoint.model
    rates = LayerRates(model, options)
    optimizer: Any = torch.optim.AdamW(rates.groups, betas=(0.9, 0.98), fused=True)
    wrapped, optimizer = accelerator.prepare(model, optimizer)
    state = _resume(run, model, optimizer, log)
    if state is None:
        torch.manual_seed(options.seed)
        state = _Progress()
        _evaluate(checkpoint, dev, state, log)
    progress(state.step, "")
    plan = BatchPlan([e.utterance.duration_seconds for e in examples], options.batch_seconds, options.seed)
    chunking = Chunking(options.streaming, options.seed)
    data = BatchData(examples, plan, checkpoint.front, options.augment, options.seed, chunking)
    batches = stream(data, state.step, options.steps, options.workers)
    statistics = Statistics(model)
    writer = _tensorboard(run, state.step)
    wrapped.train()
    with interruptible() as interrupted, deaths_named(), fast_forward(model, chunked=options.streaming.share > 0):
        for batch in batches:
            rate = rates.apply(state.step, optimizer)
            state.health.note_broken(batch.broken, len(examples), state.step, log)
            loss = _step(accelerator, wrapped, optimizer, batch, checkpoint, options, state, statistics, log)
            rates.pull(optimizer)
            state.step += 1
            progress(1, f"loss {loss:.3f}  dev CER {_latest(state)}")
            writer.add_scalar("train/loss", loss, state.step)
            writer.add_scalar("train/rate", rate, state.step)
            if state.step % options.evaluate_every == 0 or state.step == options.steps:
                _evaluate(checkpoint, dev, state, log)
                _average(model, state, options)
                _write_dev(writer, state)
                wrapped.train()
            stopped = bool(options.patience) and state.stale >= options.patience
            if interrupted() or state.step % options.checkpoint_every == 0 or state.step == options.steps or stopped:
                _save(run, model, optimizer, state)
            if interrupted():
                raise InterruptedRunError(
                    f"stopped at step {state.step} of {options.steps}; the state is saved",
                    fix="run the same command again to go on, or with --fresh to start over",
                )
            if stopped:
                log(f"stopped early: no better dev CER in {state.stale} evaluations")
                break
    writer.close()
    return _choose(checkpoint, dev, state, log)


def mark_streaming(checkpoint: Checkpoint, options: StreamingOptions) -> None:
    """Note in the model's configuration how it streams, or that it does not. Raises ModelError where it cannot."""
    if options.share and not can_stream(checkpoint.model):
        raise ModelError(
            f"networks of type {checkpoint.model.config.model_type!r} cannot be trained for streams",
            where="streaming",
            fix="use a FastConformer (vizinho train), or leave [streaming] out",
        )
    set_chunks(checkpoint.model, Chunks(options.usual_frames, options.left_chunks) if options.share else None)


def _step(
    accelerator: Accelerator,
    model: Any,
    optimizer: Any,
    batch: Batch,
    checkpoint: Checkpoint,
    options: TrainingOptions,
    state: _Progress,
    statistics: Statistics,
    log: Log,
) -> float:
    """One update; returns the loss. What is not finite is skipped, counted and named, and leaves no trace."""
    state.audio_seconds += batch.audio_seconds
    if cause := bad_batch(batch, accelerator):
        state.health.skip(state.step, cause, batch.ids or [id_ for id_, _ in batch.broken], log)
        return math.nan
    statistics.remember()
    device = accelerator.device
    mask = checkpoint.front.attention_mask(batch.mask.to(device))
    with accelerator.autocast():
        streamed = {"chunks": Chunks(*batch.chunk)} if batch.chunk else {}
        logits = model(batch.features.to(device), attention_mask=mask, **streamed).logits
    loss = ctc_loss(
        logits,
        batch.frames,
        batch.labels.to(device),
        batch.label_lengths.to(device),
        blank=checkpoint.tokenizer.pad_token_id,
    )
    value = float(loss.detach())
    # The gradients' norm, which every process of a run shares, decides: all of them skip or none does.
    accelerator.backward(loss)
    norm = float(accelerator.clip_grad_norm_(model.parameters(), options.clip_norm))
    if cause := bad_update(value, norm):
        optimizer.zero_grad(set_to_none=True)
        statistics.put_back()
        state.health.skip(state.step, cause, batch.ids, log)
        return value
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    state.health.usable()
    state.losses.append(value)
    return value


def _evaluate(checkpoint: Checkpoint, dev: DevSet | None, state: _Progress, log: Log) -> None:
    """Append a point to the curve and keep the weights when they are the best on dev so far."""
    loss = sum(state.losses) / len(state.losses) if state.losses else None
    state.losses.clear()
    cer = wer = None
    if dev is not None:
        cer, wer = _dev_rates(checkpoint, dev)
        state.stale = 0 if cer < state.best_cer else state.stale + 1
        if cer <= state.best_cer:  # of equals the later, which has seen more
            state.best_cer, state.best_step = cer, state.step
            state.best = _copy(checkpoint.model)
    state.curve.append(Point(state.step, loss, cer, wer))
    log(f"step {state.step}: loss {_show(loss)}, dev CER {_show(cer)}, dev WER {_show(wer)}")


def _dev_rates(checkpoint: Checkpoint, dev: DevSet) -> tuple[float, float]:
    checkpoint.model.eval()
    transcripts = Recognizer(checkpoint).transcribe_corpus(dev.utterances)
    return error_rates(dev.references, {id_: t.text for id_, t in transcripts.items()})


def _average(model: Any, state: _Progress, options: TrainingOptions) -> None:
    if state.step < options.steps * (1 - options.average_share):
        return
    current = _copy(model)
    if not state.sums:
        state.sums = current
    else:
        for name, tensor in current.items():
            state.sums[name] = state.sums[name] + tensor if tensor.is_floating_point() else tensor
    state.averaged += 1


def _choose(checkpoint: Checkpoint, dev: DevSet | None, state: _Progress, log: Log) -> TrainingResult:
    """Set the model to the average of the last weights or to the best single ones, whichever is better on dev."""
    chosen, cer = "last", None
    if dev is not None:
        chosen, cer = f"step {state.best_step}", state.best_cer
    if state.averaged > 1:
        mean = {n: t / state.averaged if t.is_floating_point() else t for n, t in state.sums.items()}
        checkpoint.model.load_state_dict(mean)
        average_cer = _dev_rates(checkpoint, dev)[0] if dev is not None else None
        if average_cer is None or average_cer <= state.best_cer:
            chosen, cer = f"average of {state.averaged}", average_cer
    if chosen.startswith("step") and state.best:
        checkpoint.model.load_state_dict(state.best)
    checkpoint.model.eval()
    log(f"chosen on dev: {chosen}, CER {_show(cer)}")
    health = state.health
    return TrainingResult(
        tuple(state.curve),
        state.step,
        state.audio_seconds,
        chosen,
        cer,
        health.skipped,
        tuple(health.broken.items()),
    )


def _save(run: Path, model: Any, optimizer: Any, state: _Progress) -> None:
    values = {
        "audio_seconds": state.audio_seconds,
        "health": asdict(state.health),
        "losses": state.losses,
        "curve": [[p.step, p.train_loss, p.dev_cer, p.dev_wer] for p in state.curve],
        "best_cer": state.best_cer if math.isfinite(state.best_cer) else None,
        "best_step": state.best_step,
        "stale": state.stale,
        "averaged": state.averaged,
    }
    groups = {name: group for name, group in (("best", state.best), ("sums", state.sums)) if group}
    save_state(
        run, RunState(state.step, model.state_dict(), groups, optimizer.state_dict(), torch.get_rng_state(), values)
    )


def _resume(run: Path, model: Any, optimizer: Any, log: Log) -> _Progress | None:
    saved = restore(run, model, optimizer, log)
    if saved is None:
        return None
    values = dict(saved.values)
    values["health"] = Health(values.pop("skipped")) if "skipped" in values else Health(**values["health"])
    values["curve"] = [Point(*point) for point in values["curve"]]
    values["best_cer"] = math.inf if values["best_cer"] is None else values["best_cer"]
    return _Progress(
        step=saved.step, best=dict(saved.extra.get("best", {})), sums=dict(saved.extra.get("sums", {})), **values
    )


def _copy(model: Any) -> Weights:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _tensorboard(run: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / "tensorboard"), purge_step=step)


def _write_dev(writer: Any, state: _Progress) -> None:
    point = state.curve[-1]
    if point.dev_cer is not None:
        writer.add_scalar("dev/cer", point.dev_cer, point.step)
        writer.add_scalar("dev/wer", point.dev_wer, point.step)


def _latest(state: _Progress) -> str:
    return _show(state.curve[-1].dev_cer if state.curve else None)


def _show(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
