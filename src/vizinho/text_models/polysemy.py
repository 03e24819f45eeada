"""Does a word's vector tell its senses apart? Measured on sentences whose senses were labelled by hand.

They are in `senses/LANGUAGE.tsv` (word, sense, sentence): ten sentences for each of two senses of five words, written
for this purpose and shipped, so that every label can be checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vizinho.errors import TextError
from vizinho.evaluation.significance import percentiles
from vizinho.text.language import Language
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text_models.contextual import Occurrence, unit, vectors_of, weighted_sum
from vizinho.text_models.lstm_folder import TrainedModel
from vizinho.vectors.static import WordVectors

WINDOW = 5
"""Words on either side whose static vectors are averaged: the baseline that has context without order."""
RESAMPLES = 1000
_TIE = 1e-5
"""Distances that differ by less are equal: sums in float32 are not more exact."""
Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Labelled:
    """An occurrence of an ambiguous word, and its sense."""

    word: str
    sense: str
    occurrence: Occurrence


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one kind of vector separates senses, over all words."""

    method: str
    accuracy: float
    """Share of occurrences whose nearest other occurrence of the word has the same sense; ties share the credit."""
    interval: tuple[float, float]
    """Bootstrap over occurrences, 95 %."""
    floor: tuple[float, float]
    """Middle 95 % of the accuracies with labels shuffled within each word."""
    silhouette: float
    """Mean over words, of cosine distances between the labelled senses (-1 to 1; Rousseeuw 1987)."""
    silhouette_floor: tuple[float, float]
    """Middle 95 % with labels shuffled within each word."""
    by_word: tuple[tuple[str, float], ...]
    """Accuracy for each word."""


def labelled_sentences(language: str) -> list[Labelled]:
    """The package's own sentences for a language ("pt-br" counts as "pt"). Raises TextError where there are none."""
    code = Language.of(language).base
    source = resources.files("vizinho.text_models") / "senses" / f"{code}.tsv"
    if not source.is_file():
        raise TextError(f"no labelled sentences for {language!r}", fix="give a file of your own, or use es or pt")
    return _parse(source.read_text(encoding="utf-8"), get_normalizer(code), f"senses/{code}.tsv")


def read_labelled(path: Path, normalizer: Normalizer) -> list[Labelled]:
    """A file of the user's own, in the form of `senses/*.tsv`. Raises TextError naming the first line that is not."""
    if not path.is_file():
        raise TextError("no such file of labelled sentences", where=path, fix="check the path")
    return _parse(path.read_text(encoding="utf-8"), normalizer, str(path))


def _parse(text: str, normalizer: Normalizer, where: str) -> list[Labelled]:
    items = []
    for number, line in enumerate(text.splitlines()[1:], 2):
        fields = line.split("\t")
        words = tuple(normalizer(fields[2]).split()) if len(fields) == 3 else ()
        if words.count(fields[0]) != 1:
            raise TextError(
                "not a word, its sense and a sentence that contains the word once, separated by tabs",
                where=f"{where}:{number}",
                fix="correct the line",
            )
        items.append(Labelled(fields[0], fields[1], Occurrence(words, words.index(fields[0]))))
    if not items:
        raise TextError("no labelled sentences", where=where, fix="a header, then word, tab, sense, tab, sentence")
    return items


def separation(trained: TrainedModel, items: Sequence[Labelled], static: WordVectors | None = None) -> list[Separation]:
    """The separation by each layer, by their sums, and with `static` vectors by the averaged context as a baseline.

    Raises ModelError for a model that reads one way only.
    """
    read = vectors_of(trained, [i.occurrence for i in items])
    above = [0.0] + [1.0] * (len(read) - 1)
    kinds = {"layer 0 (no context)": read[0]}
    kinds |= {f"layer {n}": vectors for n, vectors in enumerate(read[1:], 1)}
    kinds["sum of all layers"] = weighted_sum(read)
    kinds["sum of layers above 0"] = weighted_sum(read, above)
    if static is not None:
        kinds["static vectors of the context"] = context_means(items, static)
    return [measure(name, vectors, items) for name, vectors in kinds.items()]


def context_means(items: Sequence[Labelled], static: WordVectors) -> Matrix:
    """(items, D): mean of the unit static vectors of the words around, without the word itself."""
    means = np.zeros((len(items), static.matrix.shape[1]), dtype=np.float32)
    for row, item in enumerate(items):
        words, place = item.occurrence.sentence, item.occurrence.place
        around = [*words[max(0, place - WINDOW) : place], *words[place + 1 : place + 1 + WINDOW]]
        known = [static[w] for w in around if w in static]  # without any, the mean stays zero
        if known:
            means[row] = unit(np.array(known, dtype=np.float32)).mean(axis=0)
    return means


def measure(method: str, vectors: Matrix, items: Sequence[Labelled], seed: int = 1) -> Separation:
    """Separation of the senses of each word by `vectors` (items, D)."""
    rng = np.random.default_rng([seed, 14])
    vectors = unit(vectors)
    words = list(dict.fromkeys(i.word for i in items))
    credits, shuffled, silhouettes, shuffled_silhouettes = [], [], [], []
    for word in words:
        rows = [n for n, i in enumerate(items) if i.word == word]
        labels = np.array([items[n].sense for n in rows])
        distances = _distances(vectors[rows])
        nearest = _nearest(distances)
        # What a measure without knowledge of senses would reach: labels shuffled within the word.
        permuted = [rng.permutation(labels) for _ in range(RESAMPLES)]
        credits.append(_credit(nearest, labels))
        shuffled.append([_credit(nearest, p).sum() for p in permuted])
        silhouettes.append(silhouette(distances, labels))
        shuffled_silhouettes.append([silhouette(distances, p) for p in permuted])
    credit = np.concatenate(credits)
    # (RESAMPLES, occurrences) drawn with replacement: the spread of the accuracy over occurrences.
    drawn = credit[rng.integers(0, len(credit), size=(RESAMPLES, len(credit)))].mean(axis=1)
    return Separation(
        method,
        float(credit.mean()),
        _middle(drawn),
        _middle(np.sum(shuffled, axis=0) / len(credit)),
        float(np.mean(silhouettes)),
        _middle(np.mean(shuffled_silhouettes, axis=0)),
        tuple((word, float(c.mean())) for word, c in zip(words, credits, strict=True)),
    )


def _middle(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    low, high = percentiles(values)
    return float(low), float(high)


def _distances(vectors: Matrix) -> npt.NDArray[np.float64]:
    """(N, N) cosine distances of unit vectors; distances below _TIE are zero."""
    distances = 1 - vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(distances, 0)
    return np.where(distances < _TIE, 0, distances)


def silhouette(distances: npt.NDArray[np.float64], labels: npt.NDArray[np.str_]) -> float:
    """Mean silhouette of labelled points (N, N distances): scikit-learn's value, fast enough for 1,000 shufflings."""
    kinds, of = np.unique(labels, return_inverse=True)
    member = np.eye(len(kinds))[of]  # (N, K), one-hot
    sums, sizes = distances @ member, member.sum(axis=0)
    own = sizes[of]
    # A point is not a neighbour of itself: its group has one member less. Its own group is no other group.
    inside = sums[np.arange(len(of)), of] / np.maximum(own - 1, 1)
    outside = np.where(member == 1, np.inf, sums / sizes).min(axis=1)
    widest = np.maximum(inside, outside)
    apart = np.divide(outside - inside, widest, out=np.zeros(len(of)), where=widest > 0)
    return float(np.where(own > 1, apart, 0).mean())


def _nearest(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, N): for each point 1 at its nearest other point, or equal shares at several that are equally near."""
    others = distances + np.diag(np.full(len(distances), np.inf))
    # Each of k equally near points gets 1 / k, so that their order in the file has no influence.
    ties = others <= others.min(axis=1, keepdims=True) + _TIE
    return np.asarray(ties / ties.sum(axis=1, keepdims=True), dtype=np.float64)


def _credit(nearest: npt.NDArray[np.float64], labels: npt.NDArray[np.str_]) -> npt.NDArray[np.float64]:
    return np.asarray((nearest * (labels[:, None] == labels[None])).sum(axis=1), dtype=np.float64)
