"""A small masked language model from scratch: joint pieces, a BERT of a few layers, texts of several languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vizinho.corpora.batches import BatchPlan
from vizinho.errors import SpecError, TextError
from vizinho.progress import Advance, Log, silent
from vizinho.text_models.encoder_loop import EncoderPoint, EncoderTraining, run_steps
from vizinho.vectors.pieces import MAX_PIECES, encode

_NOT_SCORED = -100
_DEV_SEED = 99


@dataclass(frozen=True, slots=True)
class MaskedOptions:
    """Size and training of a masked language model; the defaults take a core about eight minutes for 3 M pieces."""

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
    training: EncoderTraining = field(default_factory=EncoderTraining)

    def __post_init__(self) -> None:
        if self.dim % self.heads:
            raise SpecError(f"{self.dim} components for {self.heads} heads", fix="use a multiple of the heads")
        if not 0 < self.mask_share < 1:
            raise SpecError(f"mask_share is {self.mask_share}", fix="use a share between 0 and 1")


def new_model(tokenizer: Any, options: MaskedOptions) -> Any:
    """A BertForMaskedLM with fresh weights, of the seed."""
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(options.training.seed)
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


def train_masked(
    model: Any,
    tokenizer: Any,
    lines: Sequence[str],
    dev_lines: Sequence[str],
    options: MaskedOptions,
    run: Path,
    *,
    progress: Advance = silent,
    log: Log = lambda _line: None,
) -> tuple[EncoderPoint, ...]:
    """Train `model` (BertForMaskedLM) in place on masked lines (Devlin et al. 2019); dev is the loss on `dev_lines`.

    Goes on from the newest state in `run`. Raises TextError without text, and as `run_steps`.
    """
    ids = [i for i in encode(tokenizer, lines) if len(i) > 2]
    if not ids:
        raise TextError("no text to train on", fix="give files with one sentence a line")
    if options.start_from_word2vec and not any(run.glob("step-*")):
        log("piece embeddings from word2vec")
        start_embeddings(model, ids, options)
    batches = BatchPlan([len(i) for i in ids], options.batch_pieces, options.training.seed)
    dev_ids = [i for i in encode(tokenizer, dev_lines) if len(i) > 2]
    dev_batches = [dev_ids[i : i + 64] for i in range(0, len(dev_ids), 64)]

    def loss_at(step: int) -> torch.Tensor:
        rng = np.random.default_rng([options.training.seed, step, 7])
        total, count = masked_loss(model, tokenizer, [ids[i] for i in batches(step)[1]], options.mask_share, rng)
        return total / max(1, count)

    def dev() -> float:
        rng = np.random.default_rng(_DEV_SEED)
        found = [masked_loss(model, tokenizer, batch, options.mask_share, rng) for batch in dev_batches]
        return float(sum(float(total) for total, _ in found)) / max(1, sum(count for _, count in found))

    return run_steps(
        model, loss_at, options.training, run, dev=dev if dev_batches else None, progress=progress, log=log
    )


def masked_loss(
    model: Any, tokenizer: Any, ids: Sequence[Sequence[int]], share: float, rng: np.random.Generator
) -> tuple[torch.Tensor, int]:
    """Sum of the cross-entropies of the hidden pieces and their number, for one batch of piece numbers.

    Eight in ten chosen pieces become the mask, one another piece, one stays (Devlin et al. 2019). Scores over the
    vocabulary are computed for chosen pieces only, which halves the time of a small model.
    """
    inputs, mask, labels = hide(tokenizer, ids, share, rng)
    states = model.bert(input_ids=inputs, attention_mask=mask).last_hidden_state
    chosen = labels != _NOT_SCORED
    scores = model.cls(states[chosen])
    return torch.nn.functional.cross_entropy(scores, labels[chosen], reduction="sum"), int(chosen.sum())


def hide(
    tokenizer: Any, ids: Sequence[Sequence[int]], share: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Inputs, attention mask and labels, each (B, T): labels are -100 but for chosen pieces, one a line or more."""
    longest = max(map(len, ids))
    inputs = np.full((len(ids), longest), tokenizer.pad_token_id, dtype=np.int64)
    for row, line in enumerate(ids):
        inputs[row, : len(line)] = line
    lengths = np.array([len(line) for line in ids])
    columns = np.arange(longest)[None]
    inner = (columns > 0) & (columns < lengths[:, None] - 1)  # neither marks nor padding
    draws = np.where(inner, rng.random(inputs.shape), 2.0)
    chosen = (draws < share) | ((draws == draws.min(axis=1, keepdims=True)) & inner)
    labels = np.where(chosen, inputs, _NOT_SCORED)
    what = rng.random(inputs.shape)
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

    settings = VectorOptions(dim=options.dim, epochs=3, min_count=5, seed=options.training.seed)
    try:
        vectors = train_vectors([[str(i) for i in line[1:-1]] for line in ids], settings)
    except TextError:  # too little text for word2vec: the fresh rows stay
        return
    rows = torch.tensor([int(word) for word in vectors.words])
    values = vectors.matrix - vectors.matrix.mean(axis=0)
    with torch.no_grad():
        weight = model.get_input_embeddings().weight
        weight[rows] = torch.from_numpy(values * (float(weight[rows].std()) / float(values.std())))
