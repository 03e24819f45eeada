"""A small training loop for text encoders: steps that are a function of their number, dev scores, exact resumption."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from vizinho.errors import ModelError, SpecError
from vizinho.progress import Advance, Log, silent
from vizinho.training.health import Health, update
from vizinho.training.interrupt import InterruptedRunError, interruptible
from vizinho.training.resume import RunState, restore, save_state
from vizinho.training.schedule import rate_at


@dataclass(frozen=True, slots=True)
class EncoderTraining:
    """One run of an encoder: how long, how fast, and when it is looked at and saved."""

    steps: int = 1000
    learning_rate: float = 1e-3
    """Peak rate."""
    warmup_share: float = 0.1
    final_rate: float = 0.02
    """Rate at the end of the cosine decay, as a share of the peak."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    evaluate_every: int = 250
    """Steps between looks at the dev set."""
    checkpoint_every: int = 250
    threads: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "evaluate_every", "checkpoint_every", "threads"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} is {getattr(self, name)}", fix="use at least 1")


@dataclass(frozen=True, slots=True)
class EncoderPoint:
    """One look during training: mean training loss since the last one and the score on dev (lower is better)."""

    step: int
    train_loss: float | None
    dev: float | None


@dataclass(slots=True)
class _State:
    step: int = 0
    losses: list[float] = field(default_factory=list)
    curve: list[EncoderPoint] = field(default_factory=list)
    best: float = math.inf
    health: Health = field(default_factory=Health)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


def run_steps(
    model: Any,
    loss_at: Callable[[int], torch.Tensor],
    options: EncoderTraining,
    run: Path,
    *,
    dev: Callable[[], float] | None = None,
    keep_best: bool = False,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> tuple[EncoderPoint, ...]:
    """Train `model` in place by the losses of steps 0, 1, ...; returns the curve.

    `loss_at` must draw whatever it draws from the step's number (and torch's generator, which is saved), so that a run
    that was stopped ends with the weights of one left alone. With `keep_best` the weights that were best on dev are
    left in the model. A loss or gradient that is not a number is skipped, counted and logged, and the weights stay as
    they were. Raises InterruptedRunError after SIGINT (state saved under `run`), ModelError when too many are, or when
    the weights are no numbers in the end.
    """
    torch.set_num_threads(options.threads)
    # Vectors (biases, norms) are not decayed, as is usual for transformers.
    groups = [
        {
            "params": [p for p in model.parameters() if p.requires_grad and (p.ndim > 1) == decayed],
            "weight_decay": decay,
        }
        for decayed, decay in ((True, options.weight_decay), (False, 0.0))
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=(0.9, 0.98), fused=True)
    state = _resumed(run, model, optimizer, log)
    if state is None:
        torch.manual_seed(options.seed)
        state = _State()
        _look(model, state, dev, keep_best, log)
    progress(state.step, "")
    model.train()
    with interruptible() as interrupted:
        while state.step < options.steps:
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * rate_at(state.step, options)
            loss = update(model, optimizer, loss_at(state.step), options.clip_norm, state.health, state.step, log)
            state.step += 1
            if loss is not None:
                state.losses.append(loss)
            progress(1, "" if loss is None else f"loss {loss:.3f}")
            last = state.step == options.steps
            if state.step % options.evaluate_every == 0 or last:
                _look(model, state, dev, keep_best, log)
                model.train()
            if interrupted() or last or state.step % options.checkpoint_every == 0:
                _save(run, model, optimizer, state)
            if interrupted():
                raise InterruptedRunError(
                    f"stopped at step {state.step} of {options.steps}; the state is saved",
                    fix="run the same command again to go on",
                )
    if keep_best and state.weights:
        model.load_state_dict(state.weights)
    # The last updates can overflow the weights before enough batches were skipped to say so.
    if not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        raise ModelError("the weights are not numbers", where=f"step {state.step}", fix="lower the learning rate")
    model.eval()
    return tuple(state.curve)


def _look(model: Any, state: _State, dev: Callable[[], float] | None, keep_best: bool, log: Log) -> None:
    loss = sum(state.losses) / len(state.losses) if state.losses else None
    state.losses.clear()
    score = None
    if dev is not None:
        model.eval()
        # Dev must not move the generator that dropout draws from.
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            score = dev()
        if keep_best and score < state.best:
            state.best = score
            state.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    state.curve.append(EncoderPoint(state.step, loss, score))
    log(f"step {state.step}: loss {_shown(loss)}, dev {_shown(score)}")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _save(run: Path, model: Any, optimizer: Any, state: _State) -> None:
    values = {
        "losses": state.losses,
        "curve": [[p.step, p.train_loss, p.dev] for p in state.curve],
        "health": asdict(state.health),
        "best": state.best if math.isfinite(state.best) else None,
    }
    extra = {"best": state.weights} if state.weights else {}
    save_state(
        run, RunState(state.step, model.state_dict(), extra, optimizer.state_dict(), torch.get_rng_state(), values)
    )


def _resumed(run: Path, model: Any, optimizer: Any, log: Log) -> _State | None:
    saved = restore(run, model, optimizer, log)
    if saved is None:
        return None
    return _State(
        saved.step,
        list(saved.values["losses"]),
        [EncoderPoint(*point) for point in saved.values["curve"]],
        math.inf if saved.values["best"] is None else saved.values["best"],
        Health(**saved.values.get("health", {})),  # states of before had none
        dict(saved.extra.get("best", {})),
    )
