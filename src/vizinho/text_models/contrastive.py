"""Sentence vectors that agree across languages: an encoder tuned on sentence pairs against the rest of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from vizinho.corpora.batches import BatchPlan
from vizinho.errors import SpecError, TextError
from vizinho.progress import Advance, Log, silent
from vizinho.text_models.encoder_loop import EncoderPoint, EncoderTraining, run_steps
from vizinho.vectors.pieces import encode
from vizinho.vectors.transformer import pool

LEAST_PAIRS = 2

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ContrastiveOptions:
    """How an encoder is tuned on pairs of sentences that translate each other."""

    batch_pieces: int = 4096
    """Pieces of a batch, both sides together: more pairs are more negatives."""
    temperature: float = 0.05
    training: EncoderTraining = field(
        default_factory=lambda: EncoderTraining(steps=400, learning_rate=3e-4, evaluate_every=50, checkpoint_every=50)
    )

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise SpecError(f"temperature is {self.temperature}", fix="use a number above 0")


def train_contrastive(
    model: Any,
    tokenizer: Any,
    pairs: Pairs,
    dev_pairs: Pairs,
    options: ContrastiveOptions,
    run: Path,
    *,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> tuple[EncoderPoint, ...]:
    """Tune `model` (an encoder without head) in place; the weights best on dev stay in it.

    Mean-pooled unit vectors; each sentence must find its translation among those of the batch, both ways (multiple
    negatives ranking, Henderson et al. 2017, arXiv 1705.00652, with the temperature of Gao et al. 2021). Dev is the
    share of dev sentences whose nearest is not their translation, the mean of both ways. Goes on from the newest state
    in `run`. Raises TextError for fewer than two pairs, and as `run_steps`.
    """
    if len(pairs) < LEAST_PAIRS:
        raise TextError(f"{len(pairs)} sentence pairs", fix=f"give at least {LEAST_PAIRS}: one is the other's negative")
    sides = [encode(tokenizer, [pair[side] for pair in pairs]) for side in (0, 1)]
    lengths = [2 * max(len(a), len(b)) for a, b in zip(*sides, strict=True)]
    batches = BatchPlan(lengths, options.batch_pieces, options.training.seed)

    def loss_at(step: int) -> torch.Tensor:
        chosen = batches(step)[1]
        first, second = (vectors_of(model, tokenizer, [side[i] for i in chosen]) for side in sides)
        return ranking_loss(first, second, options.temperature)

    dev_sides = [encode(tokenizer, [pair[side] for pair in dev_pairs]) for side in (0, 1)]

    def dev() -> float:
        first, second = (_all_vectors(model, tokenizer, side) for side in dev_sides)
        return missed(first, second)

    return run_steps(
        model,
        loss_at,
        options.training,
        run,
        dev=dev if dev_pairs else None,
        keep_best=bool(dev_pairs),
        progress=progress,
        log=log,
    )


def ranking_loss(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean cross-entropy of finding each row's partner among the other side's rows (B, D), both ways."""
    scores = first @ second.T / temperature
    right = torch.arange(len(scores))
    entropy = torch.nn.functional.cross_entropy
    return (entropy(scores, right) + entropy(scores.T, right)) / 2


def missed(first: torch.Tensor, second: torch.Tensor) -> float:
    """Share of rows whose nearest row of the other side is not their partner, the mean of both ways."""
    scores, right = first @ second.T, torch.arange(len(first))
    found = (scores.argmax(dim=1) == right).float().mean() + (scores.argmax(dim=0) == right).float().mean()
    return 1 - float(found) / 2


def vectors_of(model: Any, tokenizer: Any, ids: Sequence[Sequence[int]]) -> torch.Tensor:
    """Unit vectors (B, D) of sentences given as piece numbers, with gradients."""
    padded = tokenizer.pad({"input_ids": [list(line) for line in ids]}, return_tensors="pt")
    states = model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).last_hidden_state
    return torch.nn.functional.normalize(pool(states, padded["attention_mask"]), dim=1)


def _all_vectors(model: Any, tokenizer: Any, ids: Sequence[Sequence[int]]) -> torch.Tensor:
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    parts = [vectors_of(model, tokenizer, [ids[i] for i in order[at : at + 64]]) for at in range(0, len(order), 64)]
    back = torch.tensor(order).argsort()
    return torch.cat(parts)[back]
