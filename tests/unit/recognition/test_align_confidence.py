"""Confidences grow with what speaks for a placement, and a precision has one that is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from vizinho.errors import SpecError
from vizinho.recognition.align_confidence import Evidence, confidence, least_confidence

SENTENCE = Evidence(score=0.4, pauses=2, tokens=40, elsewhere=5.0, left_out=15.0, pause_seconds=0.0, beside_seconds=0.1)


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("pauses", 0, 1),
        ("elsewhere", 0.0, 2.0),
        ("left_out", 1.0, 15.0),
        ("pause_seconds", 3.0, 0.0),
        ("beside_seconds", 5.0, 0.1),
    ],
)
def test_confidence_grows_with_what_speaks_for_a_placement(name, less, more):
    assert confidence(replace(SENTENCE, **{name: less})) < confidence(replace(SENTENCE, **{name: more}))


def test_a_clear_sentence_is_accepted_and_one_with_a_rival_is_not():
    clear = replace(SENTENCE, score=0.6, elsewhere=10.0, left_out=25.0)
    assert confidence(clear) >= least_confidence(0.99)
    assert confidence(replace(clear, elsewhere=0.3)) < least_confidence(0.99)
    # The text is long and lies between pauses, but the network does not read it.
    assert confidence(replace(SENTENCE, score=0.05, tokens=140, elsewhere=1.0, left_out=3.0)) < least_confidence(0.95)


def test_extremes_are_probabilities():
    for elsewhere in (0.0, 1e9):
        assert 0 <= confidence(replace(SENTENCE, elsewhere=elsewhere, left_out=elsewhere)) <= 1


def test_only_a_precision_that_was_measured_can_be_had():
    assert least_confidence(0.5) <= least_confidence(0.95) <= least_confidence(0.99) < 1
    for precision in (0.9999, 0.0, math.nan):
        with pytest.raises(SpecError, match="precision"):
            least_confidence(precision)
