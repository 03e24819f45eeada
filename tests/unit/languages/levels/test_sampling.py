import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from vizinho.languages.levels.sampling import (
    centred_interval,
    count_matrices,
    count_matrix,
    js_divergence,
    resampled_totals,
    totals,
)

COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(sum)


@given(COUNTS, COUNTS)
def test_divergence_agrees_with_scipy(p, q):
    ours = float(js_divergence(np.array(p, dtype=float), np.array(q, dtype=float)))
    assert ours == pytest.approx(float(jensenshannon(p, q, base=2)) ** 2, abs=1e-9)


def test_counts_of_two_samples_share_their_columns():
    first, second = count_matrices(["ab", "a"], ["cb"])
    assert totals(first).tolist() == [2, 1, 0]
    assert totals(second).tolist() == [0, 1, 1]


def test_resamples_keep_the_number_of_samples_and_vary():
    counts = count_matrix(["a", "b", "c", "a"], {})
    found = resampled_totals(counts, np.random.default_rng(1), 50)
    assert (found.sum(axis=1) == 4).all()
    assert len({tuple(row) for row in found}) > 5


def test_an_interval_holds_its_value_and_ends_at_nought():
    low, high = centred_interval(0.01, np.random.default_rng(1).normal(0.3, 0.1, 500))
    assert low == 0.0
    assert high > 0.01
