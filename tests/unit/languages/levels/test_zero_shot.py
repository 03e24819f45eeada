"""Statistics of decoding without training, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vizinho.errors import VizinhoError
from vizinho.languages.levels.zero_shot import zero_shot


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
