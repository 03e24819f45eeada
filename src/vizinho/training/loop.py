"""The training loop: CTC on batches by duration, evaluated on dev, checkpointed to resume exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vizinho.corpora.batches import Batch, BatchData, Gather, Listed, deaths_named, stream
from vizinho.corpora.shards.gather import ShardedExamples
from vizinho.errors import ModelError
from vizinho.model.checkpoint import Checkpoint
from vizinho.model.ctc import ctc_loss
from vizinho.model.fast import Chunks, can_stream, fast_forward, set_chunks
from vizinho.model.phonemes import phonemes_heard
from vizinho.model.recompute import recomputed_blocks
from vizinho.progress import Advance, Log, silent
from vizinho.training.data import Examples
from vizinho.training.health import ELSEWHERE, Health, bad_batch, bad_update
from vizinho.training.interrupt import InterruptedRunError, interruptible
from vizinho.training.norms import RunningStatistics
from vizinho.training.options import Chunking, StreamingOptions, TrainingOptions
from vizinho.training.phonemes import PhonemeTask
from vizinho.training.ranks import Ranks, WholeModel, WholeOptimizer
from vizinho.training.resume import RunState, restore, save_state
from vizinho.training.schedule import LayerRates
from vizinho.training.selection import DevSet, Point, RunProgress, TrainingResult, average, choose, evaluate, show
from vizinho.training.skipped import SetAside


@dataclass(frozen=True, slots=True)
class _Learner:
    """The network at work, in this process and with the others."""

    ranks: Ranks
    model: Any
    """The module whose parameters learn."""
    network: Any
    """What the forward pass is called on: the same, or wrapped for several processes."""
    rates: LayerRates
    statistics: RunningStatistics
    optimizer: torch.optim.Optimizer
    phonemes: PhonemeTask | None

    def collect(self, checkpoint: Checkpoint) -> None:
        """After a step: bring the main process's `checkpoint.model` up to what all of them have learnt."""
        self.ranks.average(self.statistics.moving())
        self.ranks.gather(self.model, checkpoint.model)


def train(
    checkpoint: Checkpoint,
    examples: Examples,
    dev: DevSet | None,
    options: TrainingOptions,
    run: Path,
    *,
    phonemes: PhonemeTask | None = None,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> TrainingResult:
    """Train `checkpoint.model` in place and leave the weights chosen on dev in it.

    With `phonemes` the network has their head (`with_head`), which learns too.

    `run` holds the checkpoints; when it already has some, the run goes on from the newest. Under torchrun every
    process calls this with the same arguments and gets the same result; the main one evaluates, writes and logs.
    Raises InterruptedRunError after SIGINT or SIGTERM (state saved), ModelError when the loss stays not a number,
    CorpusError when too many recordings can no longer be read (`SetAside`).
    """
    mark_streaming(checkpoint, options.streaming)
    learner = _learner(checkpoint.model, options, phonemes)
    ranks = learner.ranks
    if not ranks.main:
        progress, log = silent, lambda _line: None
    state = _resume(run, learner, checkpoint, log)
    if state is None:
        state = RunProgress(step_batches=ranks.step_batches)
        if ranks.main:
            evaluate(checkpoint, dev, state, log)
    progress(state.step, "")
    batches = _batches(checkpoint, examples, options, ranks.batch_numbers(state.step, options.steps), run, log)
    writer = _tensorboard(run, state.step) if ranks.main else None
    learner.network.train()
    with interruptible() as interrupted, deaths_named(), _forward_pass(learner, options):
        while state.step < options.steps:
            rate = learner.rates.apply(state.step, learner.optimizer)
            loss = _step(learner, list(islice(batches, options.accumulate)), checkpoint, options, state, log)
            learner.rates.pull(learner.optimizer)
            state.step += 1
            progress(1, f"loss {loss:.3f}  dev CER {_latest(state)}")
            if writer is not None:
                writer.add_scalar("train/loss", loss, state.step)
                writer.add_scalar("train/rate", rate, state.step)
            last = state.step == options.steps
            if state.step % options.evaluate_every == 0 or last:
                learner.collect(checkpoint)
                if ranks.main:
                    evaluate(checkpoint, dev, state, log)
                    average(checkpoint.model, state, options)
                    _write_dev(writer, state)
                learner.network.train()
            stopped = bool(options.patience) and ranks.from_main(state.stale >= options.patience)
            halted = ranks.any(interrupted())
            if halted or stopped or last or state.step % options.checkpoint_every == 0:
                _save(run, learner, checkpoint, state)
            if halted:
                raise InterruptedRunError(
                    f"stopped at step {state.step} of {options.steps}; the state is saved",
                    fix="run the same command again to go on, or with --fresh to start over",
                )
            if stopped:
                log(f"stopped early: no better dev CER in {state.stale} evaluations")
                break
    if writer is not None:
        writer.close()
    if phonemes is not None and (left_out := sorted(set(ranks.named(list(phonemes.left_out))))):
        log(phonemes.says(left_out))
    result = ranks.from_main(choose(checkpoint, dev, state, log) if ranks.main else None)
    ranks.share(checkpoint.model)
    checkpoint.model.eval()
    assert result is not None
    return result


def _batches(
    checkpoint: Checkpoint, examples: Examples, options: TrainingOptions, numbers: range, run: Path, log: Log
) -> Iterator[Batch]:
    """The batches of these numbers; what is set aside on the way is named in the run's folder."""
    chunking = Chunking(options.streaming, options.seed)
    data = BatchData(_gather(examples, options, run), checkpoint.front, options.augment, options.seed, chunking)
    named = SetAside(run, log, of=None if isinstance(examples, ShardedExamples) else len(examples))
    return named.watch(stream(data, numbers, options.workers))


def _gather(examples: Examples, options: TrainingOptions, run: Path) -> Gather:
    if isinstance(examples, ShardedExamples):
        return examples.gather(options.batch_seconds, options.seed, run / "places.jsonl")
    return Listed(examples, options.batch_seconds, options.seed)


def mark_streaming(checkpoint: Checkpoint, options: StreamingOptions) -> None:
    """Note in the model's configuration how it streams, or that it does not. Raises ModelError where it cannot."""
    if options.share and not can_stream(checkpoint.model):
        raise ModelError(
            f"networks of type {checkpoint.model.config.model_type!r} cannot be trained for streams",
            where="streaming",
            fix="use a FastConformer (vizinho train), or leave [streaming] out",
        )
    set_chunks(checkpoint.model, Chunks(options.usual_frames, options.left_chunks) if options.share else None)


def _learner(model: Any, options: TrainingOptions, phonemes: PhonemeTask | None) -> _Learner:
    ranks = Ranks(options)
    placed = ranks.place(model)
    # Before the wrapper, which counts on the gradients of the parameters that could learn when it was made.
    rates = LayerRates(placed, options, by_gradient=ranks.sharded)
    optimizer = torch.optim.AdamW(rates.groups, betas=(0.9, 0.98), fused=True)
    always_whole = can_stream(model) and rates.always_all and not model.encoder.layerdrop
    network = ranks.wrap(placed, always_whole=always_whole)
    return _Learner(ranks, placed, network, rates, RunningStatistics(placed), optimizer, phonemes)


@contextmanager
def _forward_pass(learner: _Learner, options: TrainingOptions) -> Iterator[None]:
    """Within the context the network is computed as the options say."""
    with ExitStack() as stack:
        if options.activation_checkpointing:
            stack.enter_context(recomputed_blocks(learner.model, learner.statistics.still))
        # The fast forward pass reads the blocks' weights itself; parts of weights are gathered when a block is called.
        if not learner.ranks.sharded:
            everywhere = options.streaming.share > 0 or learner.phonemes is not None
            stack.enter_context(fast_forward(learner.model, everywhere=everywhere))
        if learner.phonemes is not None:
            stack.enter_context(phonemes_heard(learner.model))
        yield


def _step(
    learner: _Learner,
    batches: Sequence[Batch],
    checkpoint: Checkpoint,
    options: TrainingOptions,
    state: RunProgress,
    log: Log,
) -> float:
    """One update; returns the loss. A loss that is not finite is skipped, counted and named.

    The loss is the mean over the utterances of all batches of the step, in whichever process they are.
    """
    ranks = learner.ranks
    cause = next(filter(None, map(bad_batch, batches)), "")
    ids = [i for b in batches for i in (b.ids or [name for name, _ in b.broken])]
    # All processes must come to the same decision: one alone would leave the others waiting for its gradients.
    utterances, seconds, bad = ranks.total(
        sum(len(b.ids) for b in batches), sum(b.audio_seconds for b in batches), bool(cause)
    )
    state.audio_seconds += seconds
    if bad:
        state.health.skip(state.step, cause or ELSEWHERE, ranks.named(ids if cause else []), log)
        return math.nan
    learner.statistics.remember()
    mean = ranks.total(_backward(learner, batches, checkpoint, options, state.step, utterances))[0]
    learner.rates.hold_back(learner.optimizer)
    norm = ranks.clip(learner.model.parameters(), options.clip_norm)
    if cause := bad_update(mean, norm):
        learner.optimizer.zero_grad(set_to_none=True)
        learner.statistics.put_back()
        state.health.skip(state.step, cause, ranks.named(ids), log)
        return mean
    learner.optimizer.step()
    learner.optimizer.zero_grad(set_to_none=True)
    state.health.usable()
    state.losses.append(mean)
    return mean


def _backward(
    learner: _Learner,
    batches: Sequence[Batch],
    checkpoint: Checkpoint,
    options: TrainingOptions,
    step: int,
    utterances: float,
) -> float:
    """Gradients of this process's batches of a step; returns their part of the loss."""
    ranks, mean = learner.ranks, 0.0
    for index, (number, batch) in enumerate(zip(ranks.batch_numbers(step, step + 1), batches, strict=True)):
        learner.statistics.weigh(index, len(batches))
        # What a batch draws (dropout) follows its number, not what ran before it or in which process.
        torch.manual_seed(int(np.random.SeedSequence([options.seed, number]).generate_state(1)[0]))
        with ranks.computing(learner.network, last=index == len(batches) - 1):
            loss = _loss(learner, batch, checkpoint)
            # Gradients are averaged over the processes.
            ranks.backward(loss * (len(batch.ids) * ranks.world / utterances))
        mean += float(loss.detach()) * (len(batch.ids) / utterances)
    return mean


def _loss(learner: _Learner, batch: Batch, checkpoint: Checkpoint) -> torch.Tensor:
    device = learner.ranks.device
    mask = checkpoint.front.attention_mask(batch.mask.to(device))
    with learner.ranks.autocast():
        streamed = {"chunks": Chunks(*batch.chunk)} if batch.chunk else {}
        outputs = learner.network(batch.features.to(device), attention_mask=mask, **streamed)
    letters = ctc_loss(
        outputs.logits,
        batch.frames,
        batch.labels.to(device),
        batch.label_lengths.to(device),
        blank=checkpoint.tokenizer.pad_token_id,
    )
    return letters if learner.phonemes is None else learner.phonemes.mixed(letters, outputs.phonemes, batch)


def _save(run: Path, learner: _Learner, checkpoint: Checkpoint, state: RunProgress) -> None:
    """Write a checkpoint; every process takes part, the main one writes."""
    ranks = learner.ranks
    learner.collect(checkpoint)
    optimizer = _whole(learner)[1].state_dict()
    if ranks.main:
        _write(run, checkpoint, optimizer, state)
    ranks.wait()


def _write(run: Path, checkpoint: Checkpoint, optimizer: dict[str, Any], state: RunProgress) -> None:
    values = {
        "step_batches": state.step_batches,
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
        run, RunState(state.step, checkpoint.model.state_dict(), groups, optimizer, torch.get_rng_state(), values)
    )


def _resume(run: Path, learner: _Learner, checkpoint: Checkpoint, log: Log) -> RunProgress | None:
    """Go on from the newest checkpoint, in every process from the same one. Raises ModelError where they differ."""
    ranks = learner.ranks
    saved = restore(run, *_whole(learner), log)
    step = saved.step if saved else -1
    if ranks.any(ranks.from_main(step) != step):
        raise ModelError(
            "the processes see different checkpoints", where=run, fix="give all machines the same VIZINHO_HOME"
        )
    if saved is None:
        return None
    ranks.gather(learner.model, checkpoint.model)
    values = dict(saved.values)
    values["health"] = Health(values.pop("skipped")) if "skipped" in values else Health(**values["health"])
    values["curve"] = [Point(*point) for point in values["curve"]]
    values["best_cer"] = math.inf if values["best_cer"] is None else values["best_cer"]
    state = RunProgress(
        step=saved.step, best=dict(saved.extra.get("best", {})), sums=dict(saved.extra.get("sums", {})), **values
    )
    if state.step_batches != ranks.step_batches:
        log(f"a step had {state.step_batches} batches and has {ranks.step_batches} now: the data come in another order")
        state.step_batches = ranks.step_batches
    return state


def _whole(learner: _Learner) -> tuple[Any, Any]:
    """Model and optimiser as one process would have them, to be saved and restored."""
    if not learner.ranks.sharded:
        return learner.model, learner.optimizer
    return WholeModel(learner.model), WholeOptimizer(learner.model, learner.optimizer)


def _tensorboard(run: Path, step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / "tensorboard"), purge_step=step)


def _write_dev(writer: Any, state: RunProgress) -> None:
    point = state.curve[-1]
    if point.dev_cer is not None:
        writer.add_scalar("dev/cer", point.dev_cer, point.step)
        writer.add_scalar("dev/wer", point.dev_wer, point.step)


def _latest(state: RunProgress) -> str:
    return show(state.curve[-1].dev_cer if state.curve else None)
