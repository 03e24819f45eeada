"""The training loop of every network: steps by number, evaluated on dev, checkpointed to resume exactly."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from vizinho.errors import InterruptedRunError, ModelError
from vizinho.progress import Advance, Log, silent
from vizinho.training.checkpoints import restore, save_state
from vizinho.training.health import bad_update
from vizinho.training.norms import RunningStatistics
from vizinho.training.options import LoopOptions
from vizinho.training.ranks import WholeModel, WholeOptimizer
from vizinho.training.selection import FitResult, RunProgress, average, choose, evaluate, show
from vizinho.training.task import Task

Options = TypeVar("Options", bound=LoopOptions)

ANOTHER_PROCESS = "a batch of another process cannot be used"


def fit(
    task: Task[Options], options: Options, run: Path, *, progress: Advance = silent, log: Log = lambda _line: None
) -> FitResult:
    """Train `task.model` in place and leave the weights chosen on dev in it.

    `run` is the folder of the checkpoints; where it has some, the run goes on from the newest. Under torchrun every
    process calls this with the same arguments and gets the same result; the main one evaluates, writes and logs.
    A loss or gradient that is not a number is skipped, counted and logged, and the weights stay as they were.

    Raises InterruptedRunError after SIGINT or SIGTERM (state saved), ModelError when too many batches are skipped or
    the weights end as no numbers, and what the task raises.
    """
    learner = _Learner(task, options)
    ranks = learner.ranks
    if not ranks.main:
        progress, log = silent, lambda _line: None
    log(f"training on {ranks.where}")
    state = _resume(run, learner, log)
    if state is None:
        # The point of step 0 shows what the start was worth before any update.
        state = RunProgress(step_batches=ranks.step_batches)
        if ranks.main:
            evaluate(task, state, log)
    progress(state.step, "")
    batches = task.batches(ranks.batch_numbers(state.step, options.steps), options, run, log)
    writer = _tensorboard(run, state.step) if ranks.main else None
    learner.network.train()
    with interruptible() as interrupted, task.computing(learner.model, options, learner.statistics.still):
        while state.step < options.steps:
            # The rate depends on the step alone, so a resumed run has the rates of an uninterrupted one.
            rate = learner.rates.apply(state.step, learner.optimizer)
            loss = _step(learner, list(islice(batches, options.accumulate)), state, log)
            learner.rates.pull(learner.optimizer)
            state.step += 1
            progress(1, _note(loss, state))
            if writer is not None:
                writer.add_scalar("train/loss", loss, state.step)
                writer.add_scalar("train/rate", rate, state.step)
            last = state.step == options.steps
            if state.step % options.evaluate_every == 0 or last:
                learner.collect()
                if ranks.main:
                    evaluate(task, state, log)
                    average(task.model, state, options)
                    _write_dev(writer, state)
                learner.network.train()
            # Only the main process knows the dev scores; the others must leave the loop in the same step.
            stopped = bool(options.patience) and ranks.from_main(state.stale >= options.patience)
            halted = ranks.any(interrupted())
            # After the last step too: a run that is killed while weights are chosen is not trained again.
            if halted or stopped or last or state.step % options.checkpoint_every == 0:
                _save(run, learner, state)
            if halted:
                raise InterruptedRunError(
                    f"stopped at step {state.step} of {options.steps}; the state is saved",
                    fix="run the same command again to go on, or with --fresh to start over",
                )
            if stopped:
                log(f"stopped early: no better dev score in {state.stale} evaluations")
                break
    if writer is not None:
        writer.close()
    task.finish(ranks, log)
    # The last updates can overflow the weights before enough batches were skipped to end the run.
    if ranks.any(ranks.main and not _finite(task.model)):
        raise ModelError("the weights are not numbers", where=f"step {state.step}", fix="lower the learning rate")
    # Every process returns the chosen weights, so that what follows (mixing, movement) is equal in all of them.
    result = ranks.from_main(choose(task, state, log) if ranks.main else None)
    ranks.share(task.model)
    task.model.eval()
    assert result is not None
    return result


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGINT or SIGTERM into a flag that the loop reads between steps; a second one stops at once.

    SIGTERM is what torchrun, SLURM and cloud machines send before they kill.
    """
    pressed: list[bool] = []

    def handler(_signal: int, _frame: Any) -> None:
        pressed.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    try:
        before = {kind: signal.signal(kind, handler) for kind in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # only the main thread may set handlers, and only it gets Ctrl-C
        yield lambda: False
        return
    try:
        yield lambda: bool(pressed)
    finally:
        for kind, previous in before.items():
            signal.signal(kind, previous)


class _Learner(Generic[Options]):
    """The network at work, in this process and with the others."""

    def __init__(self, task: Task[Options], options: Options) -> None:
        self.task, self.options = task, options
        self.ranks = task.begin(options)
        self.model = self.ranks.place(task.model)
        """The module whose parameters learn: the task's, or this process's part of it."""
        # Before the wrapper, which counts on the gradients of the parameters that could learn when it was made.
        self.rates = task.rates(self.model, options, by_gradient=self.ranks.sharded)
        # beta2 is .98 as in the transformer's own recipe (Vaswani et al. 2017, arXiv 1706.03762), not AdamW's .999.
        self.optimizer = torch.optim.AdamW(self.rates.groups, lr=0.0, betas=(0.9, 0.98), fused=True)
        self.network = self.ranks.wrap(self.model, every_gradient=self.rates.every_gradient)
        """What the forward pass is called on: the model, or what wraps it for several processes."""
        self.statistics = RunningStatistics(self.model)

    def collect(self) -> None:
        """After a step: bring the main process's `task.model` up to what all processes have learnt."""
        self.ranks.gather(self.model, self.task.model)

    def whole(self) -> tuple[Any, Any]:
        """Model and optimiser as one process would have them, to be saved and restored."""
        if not self.ranks.sharded:
            return self.model, self.optimizer
        return WholeModel(self.model), WholeOptimizer(self.model, self.optimizer)


def _step(learner: _Learner[Any], batches: Sequence[Any], state: RunProgress, log: Log) -> float:
    """One update; returns the loss, NaN where the batch cannot be used. What is not finite is skipped and counted.

    The loss is the mean over the items of all batches of the step, in whichever process they are.
    """
    ranks = learner.ranks
    facts = [learner.task.facts(batch) for batch in batches]
    ids = [name for f in facts for name in f.ids]
    fault = next((f.fault for f in facts if f.fault), "")
    # All processes must come to the same decision: one alone would leave the others waiting for its gradients.
    items, amount, faulty = ranks.total(sum(f.items for f in facts), sum(f.amount for f in facts), bool(fault))
    state.amount += amount
    if faulty:
        state.health.skip(state.step, fault or ANOTHER_PROCESS, ranks.gather_names(ids if fault else []), log)
        return math.nan
    # From here on a bad loss or gradient must leave no trace: weights, optimiser and running statistics stay.
    learner.statistics.begin(len(batches))
    loss = ranks.total(_backward(learner, batches, [f.items for f in facts], state.step, items))[0]
    learner.rates.hold_back(learner.optimizer)  # before the norm, which must not count frozen layers
    norm = ranks.clip(learner.model.parameters(), learner.options.clip_norm)
    if fault := bad_update(loss, norm):
        learner.optimizer.zero_grad(set_to_none=True)
        state.health.skip(state.step, fault, ranks.gather_names(ids), log)
        return loss
    learner.optimizer.step()
    learner.statistics.move()
    ranks.average(learner.statistics.moving())
    learner.optimizer.zero_grad(set_to_none=True)
    state.health.usable()
    state.losses.append(loss)
    return loss


def _backward(
    learner: _Learner[Any], batches: Sequence[Any], items: Sequence[int], step: int, step_items: float
) -> float:
    """Compute the gradients of this process's batches of a step; returns their part of the step's loss."""
    ranks, mean = learner.ranks, 0.0
    numbers = ranks.batch_numbers(step, step + 1)
    for index, (number, batch, count) in enumerate(zip(numbers, batches, items, strict=True)):
        # What a batch draws (dropout) follows its number, not what ran before it or in which process.
        seed = int(np.random.SeedSequence([learner.options.seed, number]).generate_state(1)[0])
        torch.manual_seed(seed)
        np.random.seed(seed)  # the layer drop and the masks of transformers' networks are drawn from it
        with ranks.computing(learner.network, last=index == len(batches) - 1):
            loss = learner.task.loss(learner.network, batch, learner.options, ranks)
            # Gradients are averaged over the processes, so each part of the sum is multiplied by their number.
            ranks.backward(loss * (count * ranks.world / step_items))
        learner.statistics.note()
        mean += float(loss.detach()) * (count / step_items)
    return mean


def _save(run: Path, learner: _Learner[Any], state: RunProgress) -> None:
    """Write a checkpoint; every process takes part, the main one writes."""
    learner.collect()
    optimizer = learner.whole()[1].state_dict()
    if learner.ranks.main:
        save_state(run, state.saved(learner.task.model.state_dict(), optimizer))
    learner.ranks.wait()


def _resume(run: Path, learner: _Learner[Any], log: Log) -> RunProgress | None:
    """Go on from the newest checkpoint, in every process from the same one. Raises ModelError where they differ."""
    ranks = learner.ranks
    saved = restore(run, *learner.whole(), log)
    step = saved.step if saved else -1
    if ranks.any(ranks.from_main(step) != step):
        raise ModelError(
            "the processes see different checkpoints", where=run, fix="give all machines the same VIZINHO_HOME"
        )
    if saved is None:
        return None
    ranks.gather(learner.model, learner.task.model)
    state = RunProgress.resumed(saved)
    if state.step_batches != ranks.step_batches:
        log(f"a step had {state.step_batches} batches and has {ranks.step_batches} now: the data come in another order")
        state.step_batches = ranks.step_batches
    return state


def _finite(model: Any) -> bool:
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


def _note(loss: float, state: RunProgress) -> str:
    """What stands beside the progress bar."""
    name, score = next(iter(state.curve[-1].dev.items()), ("", None)) if state.curve else ("", None)
    return f"loss {loss:.3f}" if score is None else f"loss {loss:.3f}  dev {name} {show(score)}"


def _tensorboard(run: Path, step: int) -> Any:
    """A writer of curves for TensorBoard; None where the extra "tensorboard" is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ModuleNotFoundError:
        return None
    return SummaryWriter(str(run / "tensorboard"), purge_step=step)


def _write_dev(writer: Any, state: RunProgress) -> None:
    for name, value in state.curve[-1].dev.items():
        if writer is not None and value is not None:
            writer.add_scalar(f"dev/{name.lower()}", value, state.curve[-1].step)
