"""How often topics are right: accuracy and macro-F1, with intervals over documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import TextError
from vizinho.evaluation.resample import bootstrap_sums, percentiles
from vizinho.records import Interval
from vizinho.understanding.topics import Labelled

RESAMPLES = 2000
Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TopicScores:
    """Shares with 95 % intervals from resampling documents: sentences of one document are alike."""

    accuracy: float
    accuracy_ci: Interval
    macro_f1: float
    macro_f1_ci: Interval
    sentences: int
    documents: int


def score_topics(examples: Sequence[Labelled], predicted: Sequence[str], *, seed: int = 1) -> TopicScores:
    """Score one prediction a sentence. Macro-F1 is the mean over the topics that occur in `examples`.

    The same documents are drawn whatever was predicted, so that scores of one test set can be compared. Raises
    TextError when examples and predictions differ in number or all are of one document.
    """
    if len(examples) != len(predicted):
        raise TextError(
            f"{len(predicted)} predictions for {len(examples)} sentences", fix="predict every sentence once"
        )
    names = sorted({e.topic for e in examples} | set(predicted))
    present = np.array([name in {e.topic for e in examples} for name in names])
    place = {name: i for i, name in enumerate(names)}
    documents = {name: i for i, name in enumerate(sorted({e.document for e in examples}))}
    if len(documents) < 2:
        raise TextError(f"{len(documents)} documents to test on", fix="give two or more: intervals are over documents")
    confusion = np.zeros((len(documents), len(names), len(names)))
    for example, topic in zip(examples, predicted, strict=True):
        confusion[documents[example.document], place[example.topic], place[topic]] += 1
    drawn = bootstrap_sums(confusion.reshape(len(documents), -1), np.random.default_rng(seed), RESAMPLES)
    drawn = drawn.reshape(-1, len(names), len(names))
    total = confusion.sum(axis=0)[None]
    return TopicScores(
        float(_accuracy(total)[0]),
        _interval(_accuracy(drawn)),
        float(_macro_f1(total, present)[0]),
        _interval(_macro_f1(drawn, present)),
        len(examples),
        len(documents),
    )


def _accuracy(confusion: Counts) -> Counts:
    """(R,) from confusions (R, K, K): rows are the right topics."""
    return np.asarray(np.trace(confusion, axis1=1, axis2=2) / np.maximum(confusion.sum(axis=(1, 2)), 1))


def _macro_f1(confusion: Counts, present: Any) -> Counts:
    """(R,): the mean over the topics of the test set; one that a resample did not draw counts as not there."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    actual, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    f1 = 2 * right / np.maximum(actual + predicted, 1)
    counted = present[None] & (actual > 0)
    return np.asarray((f1 * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1))


def _interval(values: Counts) -> Interval:
    low, high = percentiles(values)
    return Interval(float(low), float(high))
