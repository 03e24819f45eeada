from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.languages.matrix import Matrix, as_markdown, correlations
from vizinho.languages.measured import Measured, atlas
from vizinho.report.matrix_page import matrix_page


def transfer(target, donor, benefit, p=0.01, minutes=2.5, **nearness):
    return Measured(
        target, donor, minutes, benefit, "x", (benefit - 0.1, benefit + 0.1), p, 0.5, 0.6, 0.7, 2,
        {name.replace("__", "/"): value for name, value in nearness.items()},
    )  # fmt: skip


CELLS = [
    transfer("pt", "es", 0.4), transfer("pt", "ca", 0.3), transfer("pt", "en", 0.1, p=0.2),
    transfer("ca", "es", 0.2), transfer("ca", "en", -0.1, p=0.03), transfer("es", "ca", 0.15),
]  # fmt: skip


def test_targets_and_donors_are_ordered_by_what_they_gain_and_bring():
    matrix = Matrix.of(CELLS)
    assert matrix.targets == ("pt", "es", "ca")
    assert matrix.donors == ("es", "ca", "en")
    assert matrix.best("ca").donor == "es"
    assert [m and m.benefit for m in matrix.row("es")] == [None, 0.15, None]
    assert as_markdown(matrix).splitlines()[2] == "| pt | 0.40 | 0.30 | 0.10= |"


def test_both_ways_of_a_pair_stand_side_by_side():
    ((better, worse),) = Matrix.of(CELLS).uneven()
    assert (better.donor, better.target, worse.donor) == ("es", "ca", "ca")


def test_the_least_speech_stands_for_a_pair():
    matrix = Matrix.of([transfer("pt", "es", 0.4, minutes=2), transfer("pt", "es", 0.1, minutes=30)])
    assert matrix.cells["pt", "es"].benefit == 0.4


@given(st.lists(st.integers(0, 100), min_size=5, max_size=9, unique=True), st.integers(0, 50))
def test_a_measure_that_orders_donors_as_transfers_did_has_the_correlation_one(benefits, level):
    rows = [
        transfer(target, f"d{i}", b / 100 + shift, near__up=b**2 / 1e4, near__down=-b, near__flat=0.5)
        for target, shift in (("pt", 0.0), ("ca", level / 100))
        for i, b in enumerate(benefits)
    ]
    values = {c.measure: c for c in correlations(rows)}
    assert values["near/up"].value == pytest.approx(1) and values["near/down"].value == pytest.approx(-1)
    assert values["near/flat"].value == 0
    assert values["near/up"].interval == pytest.approx((1, 1)) and values["near/up"].transfers == 2 * len(benefits)


def test_what_a_donor_is_worth_to_everybody_is_told_apart_from_nearness():
    # Good donors are near by accident; within a target what is left follows the other measure.
    rng = np.random.default_rng(2)
    rows = []
    for t in "abcdef":
        for i in range(8):
            own = rng.normal()
            rows.append(transfer(t, f"d{i}", i + 0.1 * own, near__worth=i + 0.01 * rng.normal(), near__own=own))
    values = {c.measure: c for c in correlations(rows)}
    assert values["near/worth"].value > 0.9 and abs(values["near/worth"].apart) < 0.5
    assert values["near/own"].apart > 0.9 > values["near/own"].value


def test_a_measure_that_says_nothing_has_an_interval_around_nothing():
    rng = np.random.default_rng(1)
    rows = [transfer(t, f"d{i}", rng.normal(), near__noise=rng.normal()) for t in "abcdefgh" for i in range(10)]
    (noise,) = correlations(rows)
    assert noise.interval[0] < 0 < noise.interval[1]


def test_the_docs_show_the_atlas_that_the_package_carries():
    docs = Path(__file__).parents[3] / "docs" / "atlas.md"
    text = docs.read_text(encoding="utf-8")
    assert as_markdown(Matrix.of(atlas())) in text
    for c in correlations(atlas()):
        assert f"{c.measure.replace('_', ' ').replace('/', ': ', 1)} | {c.value:.2f} [" in text, c


def test_the_page_escapes_and_says_where_scratch_is_as_good():
    page = matrix_page([*CELLS, transfer("pt", "<b>", 0.2)])
    assert "<b>" not in page.split("<tbody>")[1]
    assert "5 of 7 transfers are better than scratch" in page
    assert "0.10=" in page
