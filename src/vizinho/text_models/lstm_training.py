"""Trains language models: sampled softmax, chosen on dev, checkpointed to resume exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from vizinho.errors import SpecError, TextError
from vizinho.progress import Advance, Log, silent
from vizinho.text_models.lstm import LanguageModel, Weights, predictions
from vizinho.text_models.lstm_scores import perplexity_of, sentence_scores
from vizinho.text_models.texts import batches
from vizinho.text_models.words import Batch, Sentence, TokenList
from vizinho.training.health import Health, update
from vizinho.training.interrupt import InterruptedRunError, interruptible
from vizinho.training.resume import RunState, restore, save_state
from vizinho.training.schedule import rate_at


@dataclass(frozen=True, slots=True)
class LmOptions:
    """One training run."""

    steps: int = 1500
    """Optimiser steps."""
    batch_words: int = 1024
    """Words of a step, padding included."""
    learning_rate: float = 3e-3
    warmup_share: float = 0.05
    final_rate: float = 0.02
    """Rate at the end of the cosine decay, as a share of the peak."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    samples: int = 1024
    """Words that the right one is told from at a step, drawn by Zipf's law (Jean et al. 2015); 0: all words."""
    evaluate_every: int = 100
    """Steps between evaluations on dev, and between checkpoints."""
    threads: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("batch_words", 8), ("samples", 0), ("evaluate_every", 1), ("threads", 1)):
            if getattr(self, name) < least:
                raise SpecError(f"{name} is {getattr(self, name)}", fix=f"use at least {least}")


@dataclass(frozen=True, slots=True)
class LmPoint:
    """One evaluation during training; step 0 is before any update."""

    step: int
    train_loss: float | None
    dev_perplexity: float
    words: int
    """Running words seen so far."""


@dataclass(frozen=True, slots=True)
class LmResult:
    """What a finished run did; the model has the weights that were best on dev."""

    curve: tuple[LmPoint, ...]
    best_step: int
    best_perplexity: float


@dataclass(slots=True)
class _Run:
    """The values of a run that change; all of it goes into every checkpoint."""

    step: int = 0
    words: int = 0
    losses: list[float] = field(default_factory=list)
    curve: list[LmPoint] = field(default_factory=list)
    best_step: int = 0
    health: Health = field(default_factory=Health)
    best: Weights = field(default_factory=dict)

    @property
    def best_perplexity(self) -> float:
        return min((p.dev_perplexity for p in self.curve), default=math.inf)


@dataclass(frozen=True, slots=True)
class LmData:
    """What a model is trained and chosen on: normalised sentences, and the tokens they are read with."""

    train: Sequence[Sentence]
    dev: Sequence[Sentence]
    words: TokenList
    characters: TokenList | None

    def __post_init__(self) -> None:
        """Raises TextError when a part is empty."""
        for name in ("train", "dev"):
            if not getattr(self, name):
                raise TextError(f"no sentences in the {name} part", fix="give more text")


def train_model(
    model: LanguageModel,
    data: LmData,
    options: LmOptions,
    run: Path,
    *,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> LmResult:
    """Train in place and leave the weights that were best on dev.

    `run` holds the checkpoints; where it has some, the run goes on from the newest. Raises InterruptedRunError after
    Ctrl-C (state saved). A loss or gradient that is not a number is skipped, counted and logged, and the weights stay
    as they were; ModelError when too many are.
    """
    torch.set_num_threads(options.threads)
    optimizer = torch.optim.AdamW(_groups(model, options), lr=options.learning_rate, betas=(0.9, 0.98), fused=True)
    state = _resume(run, model, optimizer, log)
    if state is None:
        torch.manual_seed(options.seed)
        state = _Run()
        _evaluate(model, data, state, log)
    progress(state.step, "")
    stream = batches(
        data.train,
        data.words,
        data.characters,
        batch_words=options.batch_words,
        seed=options.seed,
        first=state.step,
    )
    with interruptible() as interrupted:
        for batch in islice(stream, options.steps - state.step):
            loss = _step(model, optimizer, batch, options, state, log)
            shown = "skipped" if loss is None else f"loss {loss:.3f}"
            progress(1, f"{shown}  dev perplexity {state.curve[-1].dev_perplexity:.1f}")
            due = state.step % options.evaluate_every == 0 or state.step == options.steps
            if due:
                _evaluate(model, data, state, log)
            if due or interrupted():
                _save(run, model, optimizer, state)
            if interrupted():
                raise InterruptedRunError(
                    f"stopped at step {state.step} of {options.steps}; the state is saved",
                    fix="run the same command again to go on, or with --fresh to start over",
                )
    model.load_state_dict(state.best)
    model.eval()
    return LmResult(tuple(state.curve), state.best_step, state.best_perplexity)


def _groups(model: LanguageModel, options: LmOptions) -> list[dict[str, Any]]:
    """Biases are not decayed, nor are word rows: a rare word's would shrink between its occurrences."""
    decayed = [p for n, p in model.named_parameters() if p.ndim > 1 and not n.startswith("words.")]
    others = [p for n, p in model.named_parameters() if p.ndim == 1 or n.startswith("words.")]
    return [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def _step(
    model: LanguageModel, optimizer: Any, batch: Batch, options: LmOptions, state: _Run, log: Log
) -> float | None:
    """Make one step; returns its loss, None where it was skipped."""
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = options.learning_rate * rate_at(state.step, options)
    generator = torch.Generator().manual_seed(options.seed * 1_000_003 + state.step)
    losses = [word_loss(model, states, rows, options.samples, generator) for states, rows in predictions(model, batch)]
    loss = torch.stack(losses).mean()
    value = update(model, optimizer, loss, options.clip_norm, state.health, state.step, log)
    if value is not None:
        state.words += batch.words
        state.losses.append(value)
    state.step += 1
    return value


def word_loss(
    model: LanguageModel, states: torch.Tensor, rows: torch.Tensor, samples: int, generator: torch.Generator
) -> torch.Tensor:
    """Cross-entropy of the right words `rows` (N,) given `states` (N, D), among all words or among some.

    With `samples`, the right word competes with that many drawn by Zipf's law over the list, which is ordered by
    frequency. A drawn word's share is divided by how often it is expected among them, and one that is the right word
    is left out, so that the sum over the drawn ones is an unbiased estimate of the sum over all others
    (Bengio & Senecal 2003; Jean et al. 2015).
    """
    count = len(model.words.bias)
    if not samples or samples >= count:
        return F.cross_entropy(model.logits(states), rows)
    ranks = torch.arange(1, count + 1, dtype=torch.float32)
    chances = (ranks + 1).log() - ranks.log()
    chances /= chances.sum()
    drawn = torch.multinomial(chances, samples, replacement=True, generator=generator)
    weight, bias = model.words.weight, model.words.bias
    right = (states * F.embedding(rows, weight)).sum(dim=1) + bias[rows]
    others = torch.addmm(bias[drawn] - (chances[drawn] * samples).log(), states, F.embedding(drawn, weight).T)
    others = others.masked_fill(rows[:, None] == drawn[None], -torch.inf)
    scores = torch.cat([right[:, None], others], dim=1)
    return F.cross_entropy(scores, torch.zeros(len(rows), dtype=torch.long))


def _evaluate(model: LanguageModel, data: LmData, state: _Run, log: Log) -> None:
    found = perplexity_of(sentence_scores(model, data.words, data.characters, data.dev))
    loss = sum(state.losses) / len(state.losses) if state.losses else None
    state.losses.clear()
    if found <= state.best_perplexity:
        state.best_step = state.step
        state.best = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    state.curve.append(LmPoint(state.step, loss, found, state.words))
    log(f"step {state.step}: loss {'-' if loss is None else f'{loss:.3f}'}, dev perplexity {found:.1f}")


def _save(run: Path, model: LanguageModel, optimizer: Any, state: _Run) -> None:
    values = {
        "words": state.words,
        "losses": state.losses,
        "curve": [[p.step, p.train_loss, p.dev_perplexity, p.words] for p in state.curve],
        "best_step": state.best_step,
        "health": asdict(state.health),
    }
    groups = {"best": state.best}
    save_state(
        run, RunState(state.step, model.state_dict(), groups, optimizer.state_dict(), torch.get_rng_state(), values)
    )


def _resume(run: Path, model: LanguageModel, optimizer: Any, log: Log) -> _Run | None:
    saved = restore(run, model, optimizer, log)
    if saved is None:
        return None
    health = Health(**saved.values.get("health", {}))  # states of before had none
    values = {**saved.values, "health": health, "curve": [LmPoint(*point) for point in saved.values["curve"]]}
    return _Run(step=saved.step, best=dict(saved.extra["best"]), **values)
