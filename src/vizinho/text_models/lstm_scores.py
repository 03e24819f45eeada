"""Probabilities of sentences: the perplexity of a text, and scores to rank a recogniser's hypotheses by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from vizinho.errors import TextError
from vizinho.evaluation.significance import bootstrap_sums, percentiles
from vizinho.text_models.lstm import LanguageModel, predictions
from vizinho.text_models.lstm_folder import TrainedModel, load_model
from vizinho.text_models.texts import in_order
from vizinho.text_models.words import UNKNOWN, Sentence, TokenList, make_batch

_EVALUATED_WORDS = 2048
"""Words scored at once; with a list of ten thousand words the scores take 80 MB."""
RESAMPLES = 1000
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Perplexity:
    """How many equally likely words the model chooses from, on average. A sentence's end counts as a word."""

    perplexity: float
    """Every word outside the list counts as the one unknown word."""
    interval: tuple[float, float]
    """Bootstrap over sentences, 95 %."""
    open_perplexity: float
    """Unknown words are spelt out, so that models with different word lists can be compared."""
    words: int
    unknown_share: float


def sentence_scores(
    model: LanguageModel, words: TokenList, characters: TokenList | None, sentences: Sequence[Sentence]
) -> Scores:
    """(S, 2): natural log probability of each sentence with its end, and its number of words with the end.

    For a model that reads both ways it is the mean of the two directions.
    """
    scores = np.zeros((len(sentences), 2))
    model.eval()
    with torch.inference_mode():
        for chosen in in_order(sentences, _EVALUATED_WORDS):
            batch = make_batch([sentences[i] for i in chosen], words, characters)
            # Sentence of each predicted word: predictions are flat over the batch, without padding.
            owner = torch.repeat_interleave(torch.arange(len(chosen)), batch.lengths - 1)
            directions = predictions(model, batch)
            for states, rows in directions:
                chances = -torch.nn.functional.cross_entropy(model.logits(states), rows, reduction="none")
                sums = torch.zeros(len(chosen), dtype=torch.float64).index_add_(0, owner, chances.double())
                scores[chosen, 0] += sums.numpy() / len(directions)
            # Of a sentence's two ends one is predicted.
            scores[chosen, 1] = (batch.lengths - 1).numpy()
    return scores


def perplexity_of(scores: Scores) -> float:
    """exp of the mean negative log probability per word."""
    return math.exp(-scores[:, 0].sum() / scores[:, 1].sum())


def perplexity(trained: TrainedModel, sentences: Sequence[Sentence], seed: int = 1) -> Perplexity:
    """Perplexity of normalised sentences. Raises TextError when there are none."""
    if not sentences:
        raise TextError("no sentences to evaluate on", fix="give one sentence a line")
    scores = sentence_scores(trained.model, trained.words, trained.characters, sentences)
    unknown = [[w for w in s if w not in trained.words] for s in sentences]
    # An unknown word costs the probability of UNKNOWN and of its letters, so a small word list gains nothing.
    spelt = sum(spelling_score(w, trained.letters) for s in unknown for w in s)
    # Resampling sentences, not words: words of a sentence depend on each other.
    sums = bootstrap_sums(scores, np.random.default_rng([seed, 11]), RESAMPLES)
    low, high = percentiles(np.exp(-sums[:, 0] / sums[:, 1]))
    total = scores[:, 1].sum()
    return Perplexity(
        perplexity_of(scores),
        (float(low), float(high)),
        math.exp(-(scores[:, 0].sum() + spelt) / total),
        int(total),
        sum(map(len, unknown)) / max(1, sum(map(len, sentences))),
    )


def letter_shares(sentences: Sequence[Sentence]) -> dict[str, float]:
    """Log shares of the letters and of a word's end (""), each counted once more than it occurs.

    One share, under the name of the unknown token, is for letters that do not occur.
    """
    counts = Counter(c for sentence in sentences for word in sentence for c in word)
    counts[""] = sum(map(len, sentences))
    counts[UNKNOWN] = 0  # add-one smoothing below gives it the share of one letter
    total = sum(counts.values()) + len(counts)
    return {c: math.log((counts[c] + 1) / total) for c in sorted(counts)}


def spelling_score(word: str, shares: Mapping[str, float]) -> float:
    """Log probability of the letters of a word and its end, each by its share: the extra cost of an unknown word."""
    return sum(shares.get(c, shares[UNKNOWN]) for c in word) + shares[""]


class NeuralScorer:
    """Scores hypotheses with a forward or two-way language model.

    A word outside the list has the probability of the unknown word times that of its letters, so that a hypothesis
    gains nothing from a made-up word.
    """

    def __init__(self, trained: TrainedModel) -> None:
        self._trained = trained

    @classmethod
    def load(cls, folder: Path) -> NeuralScorer:
        """From a model folder; ModelError as `load_model`."""
        return cls(load_model(folder))

    @property
    def normalizer(self) -> str:
        """Name of the normaliser whose texts it scores, such as "pt-v1"."""
        return self._trained.normalizer.name

    def score(self, sentences: Sequence[str]) -> list[float]:
        """Natural log probability of each normalised sentence with its end; an empty sentence is an end alone."""
        split = [sentence.split() for sentence in sentences]
        if not split:
            return []
        trained = self._trained
        scores = sentence_scores(trained.model, trained.words, trained.characters, split)[:, 0]
        spelt = [sum(spelling_score(w, trained.letters) for w in s if w not in trained.words) for s in split]
        return [float(score + extra) for score, extra in zip(scores, spelt, strict=True)]
