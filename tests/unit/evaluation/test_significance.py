from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.errors import CorpusError
from vizinho.evaluation.significance import compare, holm, pool
from vizinho.records import UtteranceErrors


def outputs(error_counts, length=10):
    return [
        UtteranceErrors(str(i), f"s{i % 3}", "", "", int(e), length, int(e > 0), 2) for i, e in enumerate(error_counts)
    ]


def test_a_clear_difference_is_significant_and_signed():
    rng = np.random.default_rng(1)
    better, worse = outputs(rng.integers(0, 3, 80)), outputs(rng.integers(4, 9, 80))
    found = compare(better, worse, resamples=2000)
    assert found.difference < 0
    assert found.ci.high < 0
    assert found.p < 0.01
    assert found.p_randomisation < 0.01
    assert compare(worse, better, resamples=2000).difference == pytest.approx(-found.difference)


def test_equal_systems_are_not_significant():
    same = outputs([1, 2, 3, 0, 5] * 8)
    found = compare(same, same, resamples=500)
    assert (found.difference, found.p, found.p_randomisation) == (0, 1, 1)


def test_chance_differences_are_called_significant_about_as_often_as_promised():
    rng = np.random.default_rng(7)
    p_values = [
        compare(outputs(rng.integers(0, 6, 60)), outputs(rng.integers(0, 6, 60)), resamples=400).p for _ in range(100)
    ]
    assert sum(p < 0.05 for p in p_values) <= 14


def test_the_order_of_the_utterances_changes_nothing():
    rng = np.random.default_rng(5)
    a, b = outputs(rng.integers(0, 6, 40)), outputs(rng.integers(0, 6, 40))
    assert compare(a, b, resamples=200) == compare(a[::-1], b, resamples=200)


def test_randomisation_agrees_with_every_possible_swap():
    rng = np.random.default_rng(6)
    a, b = rng.integers(0, 6, 10), rng.integers(1, 8, 10)
    swaps = np.array(list(product([1, -1], repeat=10))) @ (a - b)
    exact = float(np.mean(np.abs(swaps) >= abs((a - b).sum())))
    assert compare(outputs(a), outputs(b), resamples=20_000).p_randomisation == pytest.approx(exact, abs=0.012)


def test_blocks_of_draws_change_nothing(monkeypatch):
    rng = np.random.default_rng(8)
    a, b = outputs(rng.integers(0, 6, 30)), outputs(rng.integers(0, 6, 30))
    whole = compare(a, b, resamples=100)
    monkeypatch.setattr("vizinho.evaluation.significance._BLOCK_CELLS", 70)
    assert compare(a, b, resamples=100) == whole


def test_speakers_are_the_units_when_asked_for():
    rng = np.random.default_rng(9)
    found = compare(outputs(rng.integers(0, 6, 30)), outputs(rng.integers(0, 6, 30)), resamples=100, cluster=True)
    assert found.units == 3
    assert "by speaker" in found.test


def test_what_cannot_be_compared_is_refused():
    one = outputs([1, 2, 3])
    other = [replace(e, reference="outro") for e in one]
    with pytest.raises(CorpusError, match="0: 3 references differ between the systems: '' and 'outro'"):
        compare(one, other)
    with pytest.raises(CorpusError, match="0: the id appears twice"):
        compare([*one, one[0]], one)
    with pytest.raises(CorpusError, match="no utterances to compare"):
        compare([], [])
    with pytest.raises(CorpusError, match="unknown metric 'ser'"):
        compare(one, one, metric="ser")


def test_pooling_adds_counts_and_checks_ids():
    pooled = pool([outputs([1, 2]), outputs([3, 4])])
    assert [(e.character_errors, e.characters) for e in pooled] == [(4, 20), (6, 20)]
    with pytest.raises(CorpusError, match="on one side only"):
        pool([outputs([1, 2]), outputs([1])])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_a_p_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert all(c >= p for c, p in zip(corrected, p_values, strict=True))
    assert max(corrected) <= 1
    order = np.argsort(p_values, kind="stable")
    assert all(corrected[a] <= corrected[b] for a, b in pairwise(order))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_effect_sizes_by_hand():
    found = compare(outputs([1, 2, 1, 4]), outputs([2, 4, 2, 8]), resamples=500)
    assert found.relative == pytest.approx(-0.5)
    assert found.relative_ci.low == pytest.approx(-0.5) and found.relative_ci.high == pytest.approx(-0.5)
    differences = np.array([-0.1, -0.2, -0.1, -0.4])
    assert found.cohens_d == pytest.approx(differences.mean() / differences.std(ddof=1))
    perfect = compare(outputs([1, 0]), outputs([0, 0]), resamples=100)
    assert (perfect.relative, perfect.relative_ci) == (None, None)
    assert compare(outputs([1, 1]), outputs([3, 3]), resamples=100).cohens_d is None
