"""The dev scores of a run, and which weights it ends with: the best ones or an average."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from vizinho.progress import Log
from vizinho.training.checkpoints import RunState
from vizinho.training.health import Health
from vizinho.training.options import LoopOptions
from vizinho.training.task import Task

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation during training. Step 0 is before any update."""

    step: int
    train_loss: float | None
    """Mean since the point before."""
    dev: Mapping[str, float | None]
    """Scores by name, as in `task.Scores`."""
    amount: float
    """What the run has learnt from so far, in the task's unit."""

    @property
    def score(self) -> float | None:
        """The score that weights are chosen by."""
        return next(iter(self.dev.values()), None)

    def as_json(self) -> dict[str, Any]:
        """Keys step, train_loss, and dev_NAME for every score."""
        scores = {f"dev_{name.lower()}": value for name, value in self.dev.items()}
        return {"step": self.step, "train_loss": self.train_loss, **scores}


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a finished run did; the model has the chosen weights."""

    curve: tuple[Point, ...]
    steps: int
    amount: float
    """What it learnt from, in the task's unit: seconds of audio for a recogniser, words for a language model."""
    chosen: str
    """"step N", or "average of N" evaluated weights, whichever was better on dev; "last" without a dev set."""
    dev_score: float | None
    """Of the chosen weights: the CER of a recogniser."""
    best_step: int
    skipped_batches: int
    trained: Weights = field(default_factory=dict)
    """The best weights after step 0 where those of step 0 were chosen, for mixtures with them; else none."""

    @property
    def best(self) -> Point:
        """The point of the best single weights; the last one without a dev set."""
        return next((p for p in self.curve if p.step == self.best_step), self.curve[-1])


@dataclass(slots=True)
class RunProgress:
    """The values of a run that change; all of it goes into every checkpoint."""

    step: int = 0
    step_batches: int = 1
    """Batches of a step, of all processes together."""
    amount: float = 0.0
    health: Health = field(default_factory=Health)
    losses: list[float] = field(default_factory=list)
    """Since the last point of the curve."""
    curve: list[Point] = field(default_factory=list)
    best_score: float | None = None
    best_step: int = 0
    stale: int = 0
    """Evaluations since the best one."""
    averaged: int = 0
    trained_score: float | None = None
    best: Weights = field(default_factory=dict)
    trained: Weights = field(default_factory=dict)
    """The best weights after step 0, as long as those of step 0 are better."""
    sums: Weights = field(default_factory=dict)

    def saved(self, model: Weights, optimizer: Mapping[str, Any]) -> RunState:
        """As a checkpoint holds it, with the state of model and optimiser."""
        weights = {name: getattr(self, name) for name in ("best", "trained", "sums") if getattr(self, name)}
        values = {name: getattr(self, name) for name in _PLAIN}
        values |= {"health": asdict(self.health), "curve": [asdict(point) for point in self.curve]}
        return RunState(self.step, model, weights, optimizer, values)

    @classmethod
    def resumed(cls, state: RunState) -> RunProgress:
        """From a checkpoint."""
        values = {name: state.values[name] for name in _PLAIN if name in state.values}
        values |= {"health": Health(**state.values["health"]), "curve": [Point(**p) for p in state.values["curve"]]}
        values |= {name: dict(group) for name, group in state.extra.items()}
        return cls(step=state.step, **values)


_PLAIN = ("step_batches", "amount", "losses", "best_score", "best_step", "stale", "averaged", "trained_score")
"""Fields of RunProgress that are JSON values."""


def evaluate(task: Task[Any], state: RunProgress, log: Log) -> None:
    """Append a point to the curve and keep a copy of the weights when they are the best on dev so far."""
    loss = sum(state.losses) / len(state.losses) if state.losses else None
    state.losses.clear()
    point = Point(state.step, loss, _scores(task), state.amount)
    state.curve.append(point)
    if point.score is not None:
        better = state.best_score is None or point.score < state.best_score
        state.stale = 0 if better else state.stale + 1
        if better or point.score == state.best_score:  # of equals the later, which has seen more
            state.best_score, state.best_step, state.best = point.score, state.step, _copy(task.model)
            state.trained, state.trained_score = {}, None
        elif not state.best_step and (state.trained_score is None or point.score < state.trained_score):
            state.trained, state.trained_score = _copy(task.model), point.score
    scores = "".join(f", dev {name} {show(value)}" for name, value in point.dev.items())
    log(f"step {state.step}: loss {show(loss)}{scores}")


def average(model: Any, state: RunProgress, options: LoopOptions) -> None:
    """Add the weights to those that are averaged, in the last share of the run."""
    if not options.average_share or state.step < options.steps * (1 - options.average_share):
        return
    current = _copy(model)
    if not state.sums:
        state.sums = current
    else:
        for name, tensor in current.items():
            state.sums[name] = state.sums[name] + tensor if tensor.is_floating_point() else tensor
    state.averaged += 1


def choose(task: Task[Any], state: RunProgress, log: Log) -> FitResult:
    """Set the model to the average of the last weights or to the best single ones, whichever is better on dev."""
    model, best = task.model, state.best_score
    chosen, score = ("last", None) if best is None else (f"step {state.best_step}", best)
    if state.averaged > 1:
        # Counters of batches are whole numbers: the last ones are taken.
        model.load_state_dict({n: t / state.averaged if t.is_floating_point() else t for n, t in state.sums.items()})
        average_score = next(iter(_scores(task).values()), None)
        # Of equals the average, which depends less on where the last steps led.
        if average_score is None or best is None or average_score <= best:
            chosen, score = f"average of {state.averaged}", average_score
    if chosen.startswith("step") and state.best:
        model.load_state_dict(state.best)
    log(f"chosen on dev: {chosen}, {next(iter(state.curve[-1].dev), 'score')} {show(score)}")
    best_step = state.step if best is None else state.best_step
    # An average that was chosen is trained itself.
    trained = state.trained if chosen == "step 0" else {}
    skipped = state.health.skipped
    return FitResult(tuple(state.curve), state.step, state.amount, chosen, score, best_step, skipped, trained)


def show(value: float | None) -> str:
    """A score or a loss for people."""
    return "-" if value is None else f"{value:.3f}"


def _scores(task: Task[Any]) -> dict[str, float | None]:
    task.model.eval()
    with torch.no_grad():
        return dict(task.evaluate())


def _copy(model: Any) -> Weights:
    """A copy in the CPU's memory, which is larger than the accelerator's."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.state_dict().items()}
