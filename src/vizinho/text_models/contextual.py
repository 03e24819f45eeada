"""Vectors of words in context: what each layer makes of a word, their weighted sum, and a word's occurrences apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vizinho.errors import ModelError, TextError
from vizinho.text_models.lstm_folder import TrainedModel
from vizinho.text_models.texts import in_order
from vizinho.text_models.words import Sentence, make_batch

Matrix = npt.NDArray[np.float32]
_READ_WORDS = 2048
"""Words read at once."""
_AROUND = 4000
"""Most occurrences of other words that a group's neighbours are searched in."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A word at one place of one sentence."""

    sentence: tuple[str, ...]
    place: int


def layers(trained: TrainedModel, sentences: Sequence[Sentence]) -> list[Matrix]:
    """For each sentence of N words its vectors (layers + 1, N, 2 D); layer 0 has no context.

    The last axis is both directions, one after the other; layer 0, which has no direction, is repeated, as in Peters et
    al. (2018). Raises ModelError for a model that reads one way only.
    """
    if trained.model.back is None:
        raise ModelError("the model reads one way only", fix="train one with `vizinho vectors train --kind contextual`")
    vectors: list[Matrix] = [np.zeros(0, dtype=np.float32)] * len(sentences)
    trained.model.eval()
    with torch.inference_mode():
        for chosen in in_order(sentences, _READ_WORDS):
            batch = make_batch([sentences[i] for i in chosen], trained.words, trained.characters)
            alone = trained.model.encode(batch)
            ahead, back = trained.model(batch)
            # Layer 0 is paired with itself, the others with their layer of the other direction.
            pairs = zip([alone, *ahead], [alone, *back], strict=True)
            stacked = torch.stack([torch.cat(pair, dim=2) for pair in pairs], dim=1)
            for row, index in enumerate(chosen):
                inside = int(batch.lengths[row]) - 1  # place 0 is START, this one END
                vectors[index] = stacked[row, :, 1:inside].numpy().astype(np.float32)
    return vectors


def weighted_sum(vectors: Matrix, weights: Sequence[float] | None = None) -> Matrix:
    """(layers + 1, ..., D) to (..., D): each layer's vectors at unit length, then their mean by `weights`.

    Equal weights by default; a task can learn its own (Peters et al. 2018). Raises ModelError unless there is one
    weight per layer.
    """
    shares = np.ones(len(vectors)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(shares) != len(vectors) or not shares.sum() > 0:
        raise ModelError(f"{len(shares)} weights for {len(vectors)} layers", fix="give one per layer, not all zero")
    return np.asarray(np.tensordot(shares / shares.sum(), unit(vectors), axes=1), dtype=np.float32)


def unit(vectors: Matrix) -> Matrix:
    """Vectors at unit length along the last axis; zero stays zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), dtype=np.float32)


def occurrences(word: str, sentences: Sequence[Sentence]) -> list[Occurrence]:
    """Every place of a word, each different sentence once. Raises TextError when it does not occur."""
    places = {tuple(sentence): place for sentence in sentences for place, other in enumerate(sentence) if other == word}
    if not places:
        raise TextError(f"{word!r} does not occur in the text", fix="give a text that contains it, or another word")
    return [Occurrence(sentence, place) for sentence, place in places.items()]


def vectors_of(trained: TrainedModel, places: Sequence[Occurrence]) -> Matrix:
    """(layers + 1, occurrences, 2 D)."""
    sentences = layers(trained, [o.sentence for o in places])
    return np.stack([vectors[:, o.place] for vectors, o in zip(sentences, places, strict=True)], axis=1)


@dataclass(frozen=True, slots=True)
class Group:
    """Occurrences of a word whose vectors are near each other."""

    members: tuple[int, ...]
    """Numbers of the occurrences, the most typical first."""
    neighbours: tuple[tuple[str, float], ...]
    """Other words of the text, each in the context in which it is nearest to the group, with its cosine."""


@dataclass(frozen=True, slots=True)
class Senses:
    """A word's occurrences in groups; `silhouette` is how well they are separated (-1 to 1)."""

    word: str
    occurrences: tuple[Occurrence, ...]
    groups: tuple[Group, ...]
    silhouette: float | None
    cosines: tuple[float, float]
    """The least and the greatest between two occurrences; both are 1 where context makes no difference."""


def senses(
    trained: TrainedModel, word: str, sentences: Sequence[Sentence], *, groups: int = 2, seed: int = 1
) -> Senses:
    """Group the occurrences of a word by its vectors in context (k-means on the weighted sum without layer 0).

    Layer 0 is equal at every occurrence and would only dilute the others. Raises TextError when the word does not
    occur, or in fewer sentences than there are groups.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    places = occurrences(word, sentences)
    if len(places) < groups:
        raise TextError(
            f"{word!r} occurs in {len(places)} different sentences, too few for {groups} groups", fix="give more text"
        )
    weights = [0.0] + [1.0] * trained.model.shape.layers  # without layer 0
    vectors = unit(weighted_sum(vectors_of(trained, places), weights))
    labels = KMeans(groups, n_init=10, random_state=seed).fit_predict(vectors) if groups > 1 else np.zeros(len(places))
    others = [s for s in sentences if word not in s]
    words, around = _around(trained, others, weights, seed)
    found_groups = []
    for label in range(groups):
        members = np.flatnonzero(labels == label)
        # The most typical first: nearest to the group's mean direction.
        centre = unit(vectors[members].mean(axis=0))
        typical = members[np.argsort(-(vectors[members] @ centre))]
        found_groups.append(Group(tuple(map(int, typical)), _nearest(words, around, centre)))
    distinct = len(set(labels.tolist()))
    apart = float(silhouette_score(vectors, labels, metric="cosine")) if 1 < distinct < len(places) else None
    cosines = (vectors @ vectors.T)[np.triu_indices(len(places), 1)]
    ends = (float(cosines.min()), float(cosines.max())) if len(cosines) else (1.0, 1.0)
    return Senses(word, tuple(places), tuple(found_groups), apart, ends)


def _around(
    trained: TrainedModel, sentences: Sequence[Sentence], weights: Sequence[float], seed: int
) -> tuple[list[str], Matrix]:
    """Words of some sentences, and their vectors in context."""
    # Enough sentences for `_AROUND` words: reading a whole corpus would take minutes.
    order = np.random.default_rng([seed, 13]).permutation(len(sentences))
    chosen: list[Sentence] = []
    total = 0
    for index in order:
        if total >= _AROUND:
            break
        chosen.append(sentences[int(index)])
        total += len(sentences[int(index)])
    if not chosen:
        return [], np.zeros((0, 2 * trained.model.shape.width), dtype=np.float32)
    vectors = [unit(weighted_sum(v, weights)) for v in layers(trained, chosen)]
    return [w for s in chosen for w in s], np.concatenate(vectors)


def _nearest(words: list[str], vectors: Matrix, centre: Matrix, count: int = 5) -> tuple[tuple[str, float], ...]:
    cosines = vectors @ centre
    best: dict[str, float] = {}
    for index in np.argsort(-cosines):
        if len(best) == count:
            break
        # Each word once, with its nearest context.
        best.setdefault(words[int(index)], float(cosines[index]))
    return tuple(best.items())
