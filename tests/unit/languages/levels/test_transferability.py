"""LogME against the evidence computed another way, and statistics of decoding counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from vizinho.errors import VizinhoError
from vizinho.languages.levels.transferability import log_me, zero_shot


def _greatest_evidence(features: np.ndarray, y: np.ndarray) -> float:
    """Log density of y under a Gaussian process with a linear kernel, maximised by a general optimiser."""
    N = len(y)

    def negative(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        covariance = np.eye(N) / beta + features @ features.T / alpha
        return -float(multivariate_normal.logpdf(y, np.zeros(N), covariance)) / N

    starts = [(0.0, 0.0), (2.0, 1.0), (-2.0, 2.0)]
    return -min(minimize(negative, s, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-9}).fun for s in starts)


@pytest.mark.parametrize(("examples", "axes"), [(30, 4), (12, 20)])
def test_log_me_is_the_greatest_evidence(examples: int, axes: int) -> None:
    rng = np.random.default_rng(examples)
    X = rng.standard_normal((examples, axes))
    y = X @ rng.standard_normal(axes) + rng.standard_normal(examples)
    assert log_me(X, y) == pytest.approx(_greatest_evidence(X, y), abs=2e-3)


def test_log_me_averages_one_class_against_the_rest() -> None:
    rng = np.random.default_rng(1)
    X, labels = rng.standard_normal((24, 3)), np.array(list("abc") * 8)
    by_class = [log_me(X, (labels == c).astype(float)) for c in "abc"]
    assert log_me(X, labels) == pytest.approx(np.mean(by_class))


def test_features_that_hold_the_classes_score_higher_than_noise() -> None:
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, size=200)
    telling = np.eye(4)[labels] + 0.1 * rng.standard_normal((200, 4))
    noise = rng.standard_normal((200, 4))
    assert log_me(telling, labels) > log_me(telling, rng.permutation(labels)) + 0.5
    assert log_me(telling, labels) > log_me(noise, labels) + 0.5


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 30))
def test_log_me_is_always_a_number_and_knows_no_order(seed: int, examples: int, axes: int) -> None:
    rng = np.random.default_rng(seed)
    X, labels = rng.standard_normal((examples, axes)), np.arange(examples) % 2
    order = rng.permutation(examples)
    assert np.isfinite(log_me(X, labels))
    assert log_me(X, labels) == pytest.approx(log_me(X[order], labels[order]), abs=1e-3)


@pytest.mark.parametrize(
    ("features", "labels", "reason"),
    [
        (np.zeros((3, 2)), [0, 1], "do not fit"),
        (np.zeros(3), [0, 1, 0], "do not fit"),
        (np.zeros((3, 2)), [1, 1, 1], "the same"),
        (np.full((3, 2), np.nan), [0, 1, 0], "not all numbers"),
    ],
)
def test_log_me_refuses_what_it_cannot_judge(features: np.ndarray, labels: list[int], reason: str) -> None:
    with pytest.raises(VizinhoError, match=reason):
        log_me(features, labels)


def _log(rows: list[list[float]]) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.array(rows))


def test_statistics_counted_by_hand() -> None:
    # Blank is token 0. Best tokens: 0 1 1 | 1 2: greedy decoding writes 1, then 1 2.
    first = _log([[0.8, 0.1, 0.1], [0.0, 1.0, 0.0], [0.2, 0.6, 0.2]])
    second = _log([[0.2, 0.6, 0.2], [0.25, 0.25, 0.5]])
    found = zero_shot([first, np.zeros((0, 3)), second], blank=0)
    assert (found.frames, found.blank_share, found.tokens_per_frame) == (5, pytest.approx(0.2), pytest.approx(3 / 5))
    assert found.confidence == pytest.approx((1 + 0.6 + 0.6 + 0.5) / 4)


def test_a_sure_donor_has_no_entropy_and_one_at_a_loss_has_all() -> None:
    sure, lost = zero_shot([_log([[1, 0, 0]])], 0), zero_shot([_log([[1 / 3] * 3] * 2)], 2)
    assert (sure.entropy, sure.blank_share, sure.confidence) == (0, 1, 0)
    assert lost.entropy == pytest.approx(1) and lost.entropy_spread == pytest.approx(0)


@pytest.mark.parametrize(
    ("log_probs", "blank", "reason"),
    [([], 0, "no frames"), ([_log([[0.5, 0.5]])], 2, "blank 2"), ([np.zeros((2, 3))], 0, "log_softmax")],
)
def test_statistics_refuse_what_are_no_probabilities(log_probs: list[np.ndarray], blank: int, reason: str) -> None:
    with pytest.raises(VizinhoError, match=reason):
        zero_shot(log_probs, blank)
