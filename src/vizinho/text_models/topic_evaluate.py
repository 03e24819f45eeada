"""How often topics are right: accuracy and macro-F1, with intervals over documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import TextError
from vizinho.evaluation.significance import bootstrap_sums, percentiles
from vizinho.records import Interval
from vizinho.text_models.topics import Labelled

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

    The documents drawn do not depend on the predictions, so that scores on one test set can be compared. Raises
    TextError when examples and predictions differ in number or all are of one document.
    """
    return _scores(examples, (predicted,), seed)


def compare_topics(
    examples: Sequence[Labelled], first: Sequence[str], second: Sequence[str], *, seed: int = 1
) -> TopicScores:
    """Scores of the first predictions minus those of the second; intervals draw the same documents for both.

    Raises as `score_topics`.
    """
    return _scores(examples, (first, second), seed)


def _scores(examples: Sequence[Labelled], predictions: Sequence[Sequence[str]], seed: int) -> TopicScores:
    """Scores of the first predictions, minus those of the second where there are two."""
    confusions, present = _confusions(examples, *predictions)
    totals, drawn = [c.sum(axis=0)[None] for c in confusions], [_drawn(c, seed) for c in confusions]

    def both(measured: list[Counts]) -> Counts:
        return measured[0] - measured[1] if len(measured) > 1 else measured[0]

    return TopicScores(
        float(both([_accuracy(c) for c in totals])[0]),
        _interval(both([_accuracy(c) for c in drawn])),
        float(both([_macro_f1(c, present) for c in totals])[0]),
        _interval(both([_macro_f1(c, present) for c in drawn])),
        len(examples),
        len(confusions[0]),
    )


def _confusions(examples: Sequence[Labelled], *predictions: Sequence[str]) -> tuple[list[Counts], Any]:
    """For each prediction the counts (documents, K, K) of right and predicted topics; and which topics occur."""
    for predicted in predictions:
        if len(examples) != len(predicted):
            raise TextError(
                f"{len(predicted)} predictions for {len(examples)} sentences", fix="predict every sentence once"
            )
    actual = {e.topic for e in examples}
    names = sorted(actual.union(*predictions))
    present = np.array([name in actual for name in names])
    place = {name: i for i, name in enumerate(names)}
    documents = {name: i for i, name in enumerate(sorted({e.document for e in examples}))}
    if len(documents) < 2:
        raise TextError(f"{len(documents)} documents to test on", fix="give two or more: intervals are over documents")
    confusions = []
    for predicted in predictions:
        confusion = np.zeros((len(documents), len(names), len(names)))
        for example, topic in zip(examples, predicted, strict=True):
            confusion[documents[example.document], place[example.topic], place[topic]] += 1
        confusions.append(confusion)
    return confusions, present


def _drawn(confusion: Counts, seed: int) -> Counts:
    """(R, K, K): confusions of documents drawn with replacement; each prediction draws the same documents."""
    # Documents, not sentences, are drawn: sentences of one document are not independent.
    flat = confusion.reshape(len(confusion), -1)
    return bootstrap_sums(flat, np.random.default_rng(seed), RESAMPLES).reshape(-1, *confusion.shape[1:])


def _accuracy(confusion: Counts) -> Counts:
    """(R,) from confusions (R, K, K): rows are the right topics."""
    return np.asarray(np.trace(confusion, axis1=1, axis2=2) / np.maximum(confusion.sum(axis=(1, 2)), 1))


def _macro_f1(confusion: Counts, present: Any) -> Counts:
    """(R,): the mean over the topics of the test set; a topic that a resample did not draw is left out of its mean."""
    right = np.diagonal(confusion, axis1=1, axis2=2)
    actual, predicted = confusion.sum(axis=2), confusion.sum(axis=1)
    # F1 = 2 TP / (2 TP + FP + FN), and actual + predicted = 2 TP + FP + FN.
    f1 = 2 * right / np.maximum(actual + predicted, 1)
    # A topic that is only predicted has no F1 of its own; predicting it is a miss of the right topic.
    counted = present[None] & (actual > 0)
    return np.asarray((f1 * counted).sum(axis=1) / np.maximum(counted.sum(axis=1), 1))


def _interval(values: Counts) -> Interval:
    low, high = percentiles(values)
    return Interval(float(low), float(high))
