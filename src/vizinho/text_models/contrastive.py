"""Sentence vectors that agree across languages: an encoder tuned on sentence pairs against the rest of the batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vizinho.corpora.batches import BatchPlan
from vizinho.errors import SpecError, TextError
from vizinho.progress import Log
from vizinho.training.options import LoopOptions
from vizinho.training.ranks import Ranks
from vizinho.training.task import BatchFacts, Scores, Task
from vizinho.vectors.pieces import encode
from vizinho.vectors.transformer import pool

LEAST_PAIRS = 2

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ContrastiveOptions(LoopOptions):
    """How an encoder is tuned on pairs of sentences that translate each other."""

    steps: int = 400
    learning_rate: float = 3e-4
    evaluate_every: int = 50
    checkpoint_every: int = 50
    batch_pieces: int = 4096
    """Pieces of a batch, both sides together: more pairs are more negatives."""
    temperature: float = 0.05

    def __post_init__(self) -> None:
        LoopOptions.__post_init__(self)
        if self.temperature <= 0:
            raise SpecError(f"temperature is {self.temperature}", fix="use a number above 0")


class ContrastiveTask(Task[ContrastiveOptions]):
    """An encoder without head that learns to give sentences and their translations like vectors.

    Mean-pooled unit vectors; each sentence must find its translation among those of the batch, both ways (multiple
    negatives ranking, Henderson et al. 2017, arXiv 1705.00652, with the temperature of Gao et al. 2021). Dev is the
    share of dev sentences whose nearest is not their translation, the mean of both ways.
    """

    def __init__(self, model: Any, tokenizer: Any, pairs: Pairs, dev_pairs: Pairs) -> None:
        """Raises TextError for fewer than two pairs."""
        if len(pairs) < LEAST_PAIRS:
            raise TextError(
                f"{len(pairs)} sentence pairs", fix=f"give at least {LEAST_PAIRS}: one is the other's negative"
            )
        self.model, self._tokenizer = model, tokenizer
        self._sides = _sides(tokenizer, pairs)
        self._dev_sides = _sides(tokenizer, dev_pairs)

    def batches(self, numbers: range, options: ContrastiveOptions, run: Path, log: Log) -> Iterator[list[int]]:
        """Numbers of pairs that have about `options.batch_pieces` pieces."""
        # Both sides are padded to their longest sentence; the longer side decides.
        lengths = [2 * max(len(a), len(b)) for a, b in zip(*self._sides, strict=True)]
        plan = BatchPlan(lengths, options.batch_pieces, options.seed)
        for number in numbers:
            yield plan(number)[1]

    def facts(self, batch: list[int]) -> BatchFacts:
        """Pairs."""
        return BatchFacts(len(batch), len(batch))

    def loss(self, network: Any, batch: list[int], options: ContrastiveOptions, ranks: Ranks) -> torch.Tensor:
        """Mean over the pairs, both ways."""
        first, second = (vectors_of(network, self._tokenizer, [side[i] for i in batch]) for side in self._sides)
        return ranking_loss(first, second, options.temperature)

    def evaluate(self) -> Scores:
        """Share of dev sentences that miss their translation."""
        if not self._dev_sides[0]:
            return {"missed": None}
        first, second = (_all_vectors(self.model, self._tokenizer, side) for side in self._dev_sides)
        return {"missed": missed(first, second)}


def _sides(tokenizer: Any, pairs: Pairs) -> list[list[list[int]]]:
    """Piece numbers of the first sentences of the pairs, and of the second ones."""
    return [encode(tokenizer, [pair[side] for pair in pairs]) for side in (0, 1)]


def ranking_loss(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Mean cross-entropy of finding each row's partner among the other side's rows (B, D), both ways."""
    # (B, B): row i against all partners; its own is on the diagonal, the others of the batch are the negatives.
    scores = first @ second.T / temperature
    right = torch.arange(len(scores))
    entropy = torch.nn.functional.cross_entropy
    return (entropy(scores, right) + entropy(scores.T, right)) / 2


def missed(first: torch.Tensor, second: torch.Tensor) -> float:
    """Share of rows whose nearest row of the other side is not their partner, the mean of both ways."""
    # Unit vectors: dot products are cosines, and the partner of row i is row i.
    scores, right = first @ second.T, torch.arange(len(first))
    hits = (scores.argmax(dim=1) == right).float().mean() + (scores.argmax(dim=0) == right).float().mean()
    return 1 - float(hits) / 2


def vectors_of(model: Any, tokenizer: Any, ids: Sequence[Sequence[int]]) -> torch.Tensor:
    """Unit vectors (B, D) of sentences given as piece numbers, with gradients."""
    padded = tokenizer.pad({"input_ids": [list(line) for line in ids]}, return_tensors="pt")
    states = model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"]).last_hidden_state
    return torch.nn.functional.normalize(pool(states, padded["attention_mask"]), dim=1)


def _all_vectors(model: Any, tokenizer: Any, ids: Sequence[Sequence[int]]) -> torch.Tensor:
    # By length, so that little is padding; the order is restored at the end.
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    parts = [vectors_of(model, tokenizer, [ids[i] for i in order[at : at + 64]]) for at in range(0, len(order), 64)]
    back = torch.tensor(order).argsort()
    return torch.cat(parts)[back]
