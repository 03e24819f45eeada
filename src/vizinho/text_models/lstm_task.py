"""Training an LSTM language model: sampled softmax over words, chosen by perplexity on dev."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from vizinho.corpora.batches import BatchPlan
from vizinho.errors import TextError
from vizinho.progress import Log
from vizinho.text_models.lstm import LanguageModel, predictions
from vizinho.text_models.lstm_scores import perplexity_of, sentence_scores
from vizinho.text_models.words import Batch, Sentence, TokenList, make_batch
from vizinho.training.options import LoopOptions, check_least
from vizinho.training.ranks import Ranks
from vizinho.training.schedule import Rates, plain_rates
from vizinho.training.task import BatchFacts, Scores, Task


@dataclass(frozen=True, slots=True)
class LmOptions(LoopOptions):
    """One training run of a language model."""

    steps: int = 1500
    batch_words: int = 1024
    """Words of a step, padding included."""
    learning_rate: float = 3e-3
    warmup_share: float = 0.05
    samples: int = 1024
    """Words that the right one is told from at a step, drawn by Zipf's law (Jean et al. 2015); 0: all words."""
    evaluate_every: int = 100
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        LoopOptions.__post_init__(self)
        check_least(self, "batch_words", 8)
        check_least(self, "samples", 0)


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


@dataclass(frozen=True, slots=True)
class LmTask(Task[LmOptions]):
    """A language model and its texts."""

    model: LanguageModel
    data: LmData

    def rates(self, model: Any, options: LmOptions, *, by_gradient: bool) -> Rates:
        """One rate. Word rows are not decayed: that of a rare word would shrink between its occurrences."""
        return plain_rates(model, options, never_decayed=("words.",))

    def batches(
        self, numbers: range, options: LmOptions, run: Path, log: Log
    ) -> Iterator[tuple[Batch, torch.Generator]]:
        """Sentences of about `options.batch_words` words, and the generator that the samples are drawn from."""
        data = self.data
        # A sentence's end counts as a word.
        plan = BatchPlan([len(sentence) + 1 for sentence in data.train], options.batch_words, options.seed)
        for number in numbers:
            batch = make_batch([data.train[i] for i in plan(number)[1]], data.words, data.characters)
            yield batch, torch.Generator().manual_seed(options.seed * 1_000_003 + number)

    def facts(self, batch: tuple[Batch, torch.Generator]) -> BatchFacts:
        """Running words."""
        return BatchFacts(batch[0].words, batch[0].words)

    def loss(
        self, network: Any, batch: tuple[Batch, torch.Generator], options: LmOptions, ranks: Ranks
    ) -> torch.Tensor:
        """Mean over the words, and over the directions that the model reads in."""
        words, generator = batch
        directions = [
            word_loss(network, states, rows, options.samples, generator) for states, rows in predictions(network, words)
        ]
        # Both directions predict equally many words, so their means weigh the same.
        return torch.stack(directions).mean()

    def evaluate(self) -> Scores:
        """Perplexity on dev."""
        data = self.data
        return {"perplexity": perplexity_of(sentence_scores(self.model, data.words, data.characters, data.dev))}


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
    # Zipf's law as in TensorFlow's log_uniform_candidate_sampler: P(rank) is proportional to log(1 + 1 / rank).
    ranks = torch.arange(1, count + 1, dtype=torch.float32)
    chances = (ranks + 1).log() - ranks.log()
    chances /= chances.sum()
    drawn = torch.multinomial(chances, samples, replacement=True, generator=generator)
    weight, bias = model.words.weight, model.words.bias
    # Scores of the right word (N,) and of the drawn ones (N, samples), with the correction for how often each is drawn.
    right = (states * F.embedding(rows, weight)).sum(dim=1) + bias[rows]
    others = torch.addmm(bias[drawn] - (chances[drawn] * samples).log(), states, F.embedding(drawn, weight).T)
    # The right word must not compete with itself.
    others = others.masked_fill(rows[:, None] == drawn[None], -torch.inf)
    # The right word is column 0 of every row.
    scores = torch.cat([right[:, None], others], dim=1)
    return F.cross_entropy(scores, torch.zeros(len(rows), dtype=torch.long))
