"""A topic classifier: logistic regression on frozen sentence vectors, stored without pickles.

classifier.json          topics, penalty, what it was trained on
classifier.safetensors   weights (K, D), bias (K,)
vectors.bin|.vec|.kv     the word vectors, or
vectors/                 the encoder's folder
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import ModelError, TextError
from vizinho.files import move_folder, scratch_folder, write_json
from vizinho.text_models.topics import Labelled, topics_of
from vizinho.vectors.sentences import SentenceVectors, copy_sentences, load_sentences

VERSION = 1
WINDOW_WORDS = 30
"""Words of a long text that are classified together: as many as a training sentence may have."""
PENALTIES = (1.0, 10.0, 100.0)
"""Inverse strengths of the penalty that dev chooses from."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearTopics:
    """Topics and the weights (K, D) and bias (K,) that score them."""

    topics: tuple[str, ...]
    weights: Matrix
    bias: Matrix

    def probabilities(self, rows: Any) -> npt.NDArray[np.float64]:
        """(S, K) for sentence vectors (S, D), which may be sparse."""
        scores = np.asarray(rows @ self.weights.T, dtype=np.float64) + self.bias
        # Softmax; the largest score is subtracted so that exp cannot overflow.
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    def predict(self, rows: Any) -> list[str]:
        """The most probable topic of each sentence."""
        return [self.topics[int(i)] for i in self.probabilities(rows).argmax(axis=1)]


@dataclass(frozen=True, slots=True)
class TopicClassifier:
    """A linear classifier with the sentence vectors that it reads."""

    linear: LinearTopics
    sentences: SentenceVectors
    card: Mapping[str, Any] = field(default_factory=dict)

    def classify(self, text: str) -> list[tuple[str, float]]:
        """Topics with their probabilities, the most probable first.

        A long text gets the mean over runs of at most thirty words, weighted by their words. Raises TextError for a
        text without words and for one without a word that the vectors know.
        """
        runs = windows(text)
        if not runs:
            raise TextError("no words to classify", where="text", fix="give a text of at least one word")
        rows = self.sentences.encode(runs)
        # A run without a known word has a vector of zeros, and says nothing about the topic.
        known = np.linalg.norm(rows, axis=1) > 0
        if not known.any():
            fix = "use vectors of the text's language"
            raise TextError(f"no word of {text[:40]!r} is known to the vectors", where="text", fix=fix)
        weights = np.array([len(run.split()) for run in runs], dtype=np.float64)[known]
        mean = (self.linear.probabilities(rows[known]) * weights[:, None]).sum(axis=0) / weights.sum()
        order = np.argsort(-mean, kind="stable")  # of equals the first by alphabet
        return [(self.linear.topics[int(i)], float(mean[i])) for i in order]

    def with_vectors(self, sentences: SentenceVectors) -> TopicClassifier:
        """This classifier on other vectors, such as another language's in the same space. Raises ModelError."""
        if sentences.width != self.linear.weights.shape[1]:
            raise ModelError(
                f"vectors of {sentences.width} components for a classifier of {self.linear.weights.shape[1]}",
                fix="give vectors of the space that the classifier was trained in",
            )
        return TopicClassifier(self.linear, sentences, self.card)


def windows(text: str) -> list[str]:
    """A text in runs of at most WINDOW_WORDS words and of nearly equal length; no run spans two lines."""
    runs = []
    for line in text.splitlines():
        words = line.split()
        parts = -(-len(words) // WINDOW_WORDS)  # rounded up
        runs += [" ".join(part) for part in np.array_split(words, parts)] if parts else []
    return runs


def fit(rows: Any, topics: Sequence[str], *, penalty: float = 10.0, balanced: bool = False) -> LinearTopics:
    """Multinomial logistic regression on frozen vectors (S, D); `penalty` is the inverse strength of the L2 penalty.

    With `balanced` rare topics count as much as frequent ones. Raises TextError for fewer than two topics.
    """
    from sklearn.linear_model import LogisticRegression

    kinds = tuple(sorted(set(topics)))
    if len(kinds) < 2:
        raise TextError(f"{len(kinds)} topics", where="training", fix="give sentences of two or more topics")
    model = LogisticRegression(C=penalty, max_iter=2000, class_weight="balanced" if balanced else None)
    model.fit(rows, list(topics))
    weights, bias = np.asarray(model.coef_), np.asarray(model.intercept_)
    if len(kinds) == 2:  # scikit-learn keeps one row for two topics
        # Zeros for the first topic: softmax of (0, s) is the sigmoid of s.
        weights, bias = np.concatenate([0 * weights, weights]), np.concatenate([0 * bias, bias])
    return LinearTopics(kinds, weights.astype(np.float32), bias.astype(np.float32))


def choose(
    rows: Any, topics: Sequence[str], dev_rows: Any, dev_topics: Sequence[str]
) -> tuple[LinearTopics, dict[str, Any]]:
    """Fit with the penalty and the weighting of topics that have the best macro-F1 on dev; also returns which."""
    from sklearn.metrics import f1_score

    best: tuple[float, LinearTopics, dict[str, Any]] | None = None
    for balanced in (False, True):
        for penalty in PENALTIES:
            model = fit(rows, topics, penalty=penalty, balanced=balanced)
            score = float(f1_score(list(dev_topics), model.predict(dev_rows), average="macro", zero_division=0))
            if best is None or score > best[0]:
                best = score, model, {"penalty": penalty, "balanced": balanced, "dev_macro_f1": round(score, 4)}
    assert best is not None
    return best[1], best[2]


def train_classifier(train: Sequence[Labelled], dev: Sequence[Labelled], sentences: SentenceVectors) -> TopicClassifier:
    """A classifier of the topics in `train`, chosen on `dev`; sentences without a known word are skipped and counted.

    Raises TextError when nothing is left, or a side has fewer than two topics.
    """
    sides = []
    left_out = 0
    for name, examples in (("train", train), ("dev", dev)):
        rows = sentences.encode([e.text for e in examples])
        known = np.linalg.norm(rows, axis=1) > 0
        left_out += int((~known).sum())
        usable = [e for e, is_known in zip(examples, known, strict=True) if is_known]
        if len(topics_of(usable)) < 2:
            raise TextError(f"{len(topics_of(usable))} topics in {name}", fix="give sentences of two or more topics")
        sides.append((rows[known], [e.topic for e in usable]))
    model, chosen = choose(*sides[0], *sides[1])
    card = {
        "version": VERSION,
        "topics": list(model.topics),
        "width": sentences.width,
        **chosen,
        "sentences": len(sides[0][1]),
        "dev_sentences": len(sides[1][1]),
        "without_known_word": left_out,
    }
    return TopicClassifier(model, sentences, card)


def save_classifier(folder: Path, classifier: TopicClassifier, vectors: Path) -> None:
    """Write a folder with all that is needed; `vectors` is the file or folder of the classifier's vectors.

    The folder appears whole or not at all. Raises ModelError when it exists.
    """
    from safetensors.numpy import save_file

    if folder.exists():
        raise ModelError("it exists already", where=folder, fix="give a new folder, or remove this one")
    with scratch_folder(folder.parent, folder.name) as place:
        scratch = place / "classifier"
        scratch.mkdir()
        copy_sentences(vectors, scratch / "vectors")
        tensors = {"weights": classifier.linear.weights, "bias": classifier.linear.bias}
        weights = scratch / "classifier.safetensors"
        save_file({name: np.ascontiguousarray(rows) for name, rows in tensors.items()}, weights)
        weights.chmod(0o644)  # safetensors makes it readable by its owner only; a server is another user
        write_json(scratch / "classifier.json", dict(classifier.card))
        move_folder(scratch, folder)


def load_classifier(folder: Path, *, vectors: Path | None = None) -> TopicClassifier:
    """Read a folder of `save_classifier`; `vectors` replaces its own (another language's, in the same space).

    Raises ModelError for a folder that is missing, incomplete, of a later version, or whose parts do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        card = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "classifier.safetensors")
        version, topics = int(card["version"]), tuple(map(str, card["topics"]))
        linear = LinearTopics(topics, tensors["weights"], tensors["bias"])
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise ModelError(
            f"no topic classifier ({error})", where=folder, fix="give a folder written by `vizinho topics train`"
        ) from error
    if version > VERSION:
        raise ModelError(f"written as version {version}", where=folder, fix="use a newer vizinho")
    if linear.weights.shape[0] != len(topics) or linear.bias.shape != (len(topics),):
        raise ModelError(
            f"{len(topics)} topics but weights of {linear.weights.shape}", where=folder, fix="train it again"
        )
    # A file (vectors.bin, .vec, .kv) or the folder of an encoder.
    own = next(iter(sorted(folder.glob("vectors*"))), None)
    source = vectors or own
    if source is None:
        raise ModelError("the folder has no vectors", where=folder, fix="copy it again, or give --vectors")
    sentences = load_sentences(source)
    return TopicClassifier(linear, sentences, card).with_vectors(sentences)
