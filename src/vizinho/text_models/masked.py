"""A small masked language model from scratch: joint pieces, a BERT of a few layers, texts of several languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vizinho.corpora.batches import BatchPlan
from vizinho.errors import SpecError, TextError
from vizinho.progress import Log
from vizinho.training.options import LoopOptions
from vizinho.training.ranks import Ranks
from vizinho.training.task import BatchFacts, Scores, Task
from vizinho.vectors.pieces import MAX_PIECES, encode

Hidden = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Inputs, attention mask and labels, each (B, T); labels are -100 except at hidden pieces, one a line or more."""
_NOT_SCORED = -100
_DEV_SEED = 99


@dataclass(frozen=True, slots=True)
class MaskedOptions(LoopOptions):
    """Size and training of a masked language model; the defaults take a core about eight minutes for 3 M pieces."""

    steps: int = 1000
    evaluate_every: int = 250
    checkpoint_every: int = 250
    dim: int = 192
    """Components of a vector (D)."""
    layers: int = 2
    heads: int = 4
    vocabulary: int = 8000
    """Pieces, shared by all the languages."""
    batch_pieces: int = 2048
    mask_share: float = 0.3
    """Pieces hidden; small models learn faster from more than BERT's 0.15 (Wettig et al. 2023, arXiv 2202.08005)."""
    start_from_word2vec: bool = True
    """Piece embeddings start from word2vec over the same pieces, which takes a minute."""

    def __post_init__(self) -> None:
        LoopOptions.__post_init__(self)
        if self.dim % self.heads:
            raise SpecError(f"{self.dim} components for {self.heads} heads", fix="use a multiple of the heads")
        if not 0 < self.mask_share < 1:
            raise SpecError(f"mask_share is {self.mask_share}", fix="use a share between 0 and 1")


def new_model(tokenizer: Any, options: MaskedOptions) -> Any:
    """A BertForMaskedLM with fresh weights, of the seed."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(options.seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.dim,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.dim,
        max_position_embeddings=MAX_PIECES,
        type_vocab_size=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    return BertForMaskedLM(config)


class MaskedTask(Task[MaskedOptions]):
    """A BertForMaskedLM that learns to fill in hidden pieces (Devlin et al. 2019); dev is the loss on `dev_lines`."""

    def __init__(
        self, model: Any, tokenizer: Any, lines: Sequence[str], dev_lines: Sequence[str], mask_share: float
    ) -> None:
        """Raises TextError without text."""
        self.model, self._tokenizer, self._mask_share = model, tokenizer, mask_share
        # Two pieces are the marks at both ends: nothing is between them.
        self.ids = [line for line in encode(tokenizer, lines) if len(line) > 2]
        """Piece numbers of the lines to train on."""
        self._dev = [line for line in encode(tokenizer, dev_lines) if len(line) > 2]
        if not self.ids:
            raise TextError("no text to train on", fix="give files with one sentence a line")

    def batches(self, numbers: range, options: MaskedOptions, run: Path, log: Log) -> Iterator[Hidden]:
        """Lines of about `options.batch_pieces` pieces, some of them hidden."""
        plan = BatchPlan([len(line) for line in self.ids], options.batch_pieces, options.seed)
        for number in numbers:
            rng = np.random.default_rng([options.seed, number, 7])  # 7: apart from the draws of the plan
            yield hide(self._tokenizer, [self.ids[i] for i in plan(number)[1]], self._mask_share, rng)

    def facts(self, batch: Hidden) -> BatchFacts:
        """Hidden pieces, and all pieces."""
        _, mask, labels = batch
        return BatchFacts(int((labels != _NOT_SCORED).sum()), int(mask.sum()))

    def loss(self, network: Any, batch: Hidden, options: MaskedOptions, ranks: Ranks) -> torch.Tensor:
        """Mean over the hidden pieces."""
        total, count = masked_loss(network, batch)
        return total / max(1, count)

    def evaluate(self) -> Scores:
        """Mean loss over the hidden pieces of dev, which are always the same."""
        if not self._dev:
            return {"loss": None}
        rng = np.random.default_rng(_DEV_SEED)
        parts = [self._dev[i : i + 64] for i in range(0, len(self._dev), 64)]
        losses = [masked_loss(self.model, hide(self._tokenizer, part, self._mask_share, rng)) for part in parts]
        return {"loss": float(sum(float(total) for total, _ in losses)) / max(1, sum(count for _, count in losses))}


def masked_loss(model: Any, batch: Hidden) -> tuple[torch.Tensor, int]:
    """Sum of the cross-entropies of the hidden pieces of a batch, and their number.

    Scores over the vocabulary are computed for hidden pieces only, which halves the time of a small model.
    """
    inputs, mask, labels = batch
    states = model.bert(input_ids=inputs, attention_mask=mask).last_hidden_state
    hidden = labels != _NOT_SCORED
    scores = model.cls(states[hidden])
    return torch.nn.functional.cross_entropy(scores, labels[hidden], reduction="sum"), int(hidden.sum())


def hide(tokenizer: Any, ids: Sequence[Sequence[int]], share: float, rng: np.random.Generator) -> Hidden:
    """Hide pieces of lines of piece numbers: of ten chosen ones eight become the mask, one another piece, one stays."""
    longest = max(map(len, ids))
    inputs = np.full((len(ids), longest), tokenizer.pad_token_id, dtype=np.int64)
    for row, line in enumerate(ids):
        inputs[row, : len(line)] = line
    lengths = np.array([len(line) for line in ids])
    columns = np.arange(longest)[None]  # (1, T), compared with lengths (B, 1)
    inner = (columns > 0) & (columns < lengths[:, None] - 1)  # neither marks nor padding
    # Places that may not be hidden get 2.0, above every share; the smallest draw of a line is hidden in any case.
    draws = np.where(inner, rng.random(inputs.shape), 2.0)
    chosen = (draws < share) | ((draws == draws.min(axis=1, keepdims=True)) & inner)
    labels = np.where(chosen, inputs, _NOT_SCORED)
    # Of the chosen pieces .8 become the mask and .1 another piece; the rest stays, and is predicted all the same.
    what = rng.random(inputs.shape)
    # Special tokens come first in the vocabulary.
    others = rng.integers(len(tokenizer.all_special_ids), len(tokenizer), inputs.shape)
    inputs = np.where(chosen & (what < 0.8), tokenizer.mask_token_id, inputs)
    inputs = np.where(chosen & (what >= 0.8) & (what < 0.9), others, inputs)
    mask = (columns < lengths[:, None]).astype(np.int64)
    return torch.from_numpy(inputs), torch.from_numpy(mask), torch.from_numpy(labels)


def start_embeddings(model: Any, ids: Sequence[Sequence[int]], options: MaskedOptions) -> None:
    """Set the piece embeddings to word2vec of the same pieces, at the spread that fresh ones have.

    The one-minute model hands what it knows about pieces to the larger one; rare pieces keep their fresh rows.
    """
    from vizinho.vectors.static import VectorOptions, train_vectors

    settings = VectorOptions(dim=options.dim, epochs=3, min_count=5, seed=options.seed)
    try:
        vectors = train_vectors([[str(i) for i in line[1:-1]] for line in ids], settings)
    except TextError:  # too little text for word2vec: the fresh rows stay
        return
    # The words of these vectors are piece numbers; pieces that occur less than five times have none.
    rows = torch.tensor([int(word) for word in vectors.words])
    # Centred and scaled: word2vec's vectors share a large mean, and BERT's layers expect a small spread.
    values = vectors.matrix - vectors.matrix.mean(axis=0)
    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        weight[rows] = torch.from_numpy(values * (float(weight[rows].std()) / float(values.std())))
