"""How well a donor's recogniser fits a target's speech before any training: LogME, and statistics of what it hears.

Both take arrays, so that any model can supply them and this package knows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import VizinhoError

_ROUNDS, _TOLERANCE = 100, 1e-5
Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """What an untrained donor makes of the target's speech, over all frames."""

    frames: int
    blank_share: float
    """Share of frames whose most probable token is the blank: high when the donor hears nothing it knows."""
    entropy: float
    """Mean entropy of the frames' distributions, as a share of the greatest possible (0 sure, 1 at a loss)."""
    entropy_spread: float
    """Standard deviation of the same."""
    confidence: float
    """Mean greatest probability over the frames that are not blank; 0 where all are."""
    tokens_per_frame: float
    """Tokens that greedy decoding would write, for each frame."""


def zero_shot(log_probs: Sequence[Array], blank: int) -> ZeroShot:
    """Statistics of decoding without training, from log-probabilities (T, V) of each utterance.

    Raises VizinhoError for no frames, a blank outside the vocabulary, or rows that are not probabilities.
    """
    rows = [np.asarray(one, dtype=np.float64) for one in log_probs if len(one)]
    if not rows:
        raise VizinhoError("no frames of log-probabilities", where="zero-shot statistics", fix="give some utterances")
    pooled = np.concatenate(rows)
    V = pooled.shape[1]
    if not 0 <= blank < V:
        raise VizinhoError(f"blank {blank} is not one of {V} tokens", where="blank", fix=f"give 0 to {V - 1}")
    probabilities = np.exp(pooled)
    if not np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-3):
        raise VizinhoError("rows do not add up to 1", where="log_probs", fix="apply log_softmax over the tokens first")
    best = pooled.argmax(axis=1)
    # 0 log 0 is 0, and a log-probability of minus infinity must not become NaN.
    terms = np.where(probabilities > 0, probabilities * np.where(np.isfinite(pooled), pooled, 0.0), 0.0)
    entropy = -terms.sum(axis=1) / np.log(V) if V > 1 else np.zeros(len(pooled))
    speaking = best != blank
    return ZeroShot(
        frames=len(pooled),
        blank_share=float(1 - speaking.mean()),
        entropy=float(entropy.mean()),
        entropy_spread=float(entropy.std()),
        confidence=float(probabilities[speaking].max(axis=1).mean()) if speaking.any() else 0.0,
        tokens_per_frame=sum(_written(one.argmax(axis=1), blank) for one in rows) / len(pooled),
    )


def _written(best: npt.NDArray[np.intp], blank: int) -> int:
    new = np.r_[True, best[1:] != best[:-1]]
    return int((new & (best != blank)).sum())


def log_me(features: Array, labels: npt.ArrayLike) -> float:
    """LogME (You et al. 2021, arXiv 2102.11005): how well linear models on (N, D) features explain (N,) labels.

    The log of the evidence, by example and averaged over the classes (one against the rest); higher is better. Integers
    and strings are classes, floats are values to be predicted. Raises VizinhoError for too few examples, unequal
    lengths, one class only or features that are not numbers.
    """
    X, y = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if X.ndim != 2 or len(X) != len(y) or len(X) < 2:
        raise VizinhoError(
            f"features {X.shape} and labels {y.shape} do not fit",
            where="LogME",
            fix="give (N, D) and (N,), N at least 2",
        )
    if not np.isfinite(X).all():
        raise VizinhoError("features are not all numbers", where="LogME", fix="look for silence or overflow")
    if np.issubdtype(y.dtype, np.floating):
        targets = [y.astype(np.float64)]
    else:
        classes = np.unique(y)
        if len(classes) < 2:
            raise VizinhoError("all labels are the same", where="LogME", fix="give at least two classes")
        targets = [(y == c).astype(np.float64) for c in classes]
    basis, scale, _ = np.linalg.svd(X, full_matrices=False)
    return float(np.mean([_evidence(basis, scale**2, t, X.shape) for t in targets]))


def _evidence(basis: Array, spectrum: Array, y: Array, shape: tuple[int, ...]) -> float:
    """Greatest log evidence over precision of the weights (alpha) and of the noise (beta), by example.

    `basis` (N, K) and `spectrum` (K,), K = min(N, D), are the left singular vectors and squared singular values of the
    features; alpha and beta are found by fixed-point iteration (You et al. 2021, algorithm 1).
    """
    N, D = shape
    projected = (basis.T @ y) ** 2
    outside = max(float(y @ y - projected.sum()), 0.0)  # the part of y that no weights can reach
    alpha, beta, before = 1.0, 1.0, -np.inf
    evidence = -np.inf
    for _ in range(_ROUNDS):
        ratio = alpha / beta
        gamma = float((spectrum / (spectrum + ratio)).sum())
        weights = max(float((spectrum * projected / (spectrum + ratio) ** 2).sum()), 1e-12)
        error = max(float((projected * (ratio / (spectrum + ratio)) ** 2).sum()) + outside, 1e-12)
        logs = float(np.log(alpha + beta * spectrum).sum()) + max(0, D - len(spectrum)) * np.log(alpha)
        evidence = (
            N / 2 * np.log(beta) + D / 2 * np.log(alpha) - N / 2 * np.log(2 * np.pi)
            - beta / 2 * error - alpha / 2 * weights - logs / 2
        ) / N  # fmt: skip
        if abs(evidence - before) < _TOLERANCE:
            break
        before = evidence
        alpha, beta = gamma / weights, max(N - gamma, 1e-12) / error
    return float(evidence)
