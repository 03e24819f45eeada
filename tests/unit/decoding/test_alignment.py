"""Spans are in order, apart and inside; what is missing on either side is passed over; blocks change nothing."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.decoding import alignment
from vizinho.decoding.alignment import Costs, Observed, align, forced_deficit

BLANK, SPACE, LETTERS = 0, 1, range(2, 26)
COSTS = Costs(reward=3.0)


def spoken(rng, utterances, noise=0.0):
    """Deficits of frames in which utterances are said (two frames a letter, a blank between), and their frames."""
    rows, spans, pauses = [], [], []

    def say(token, frames=1):
        for _ in range(frames):
            row = np.full(26, -8.0)
            row[token] = 0.0
            rows.append(row + np.where(np.arange(26) == token, 0.0, rng.normal(0, noise, 26) if noise else 0.0))
            pauses.append(False)

    def rest():
        rows.append(np.zeros(26))
        pauses.append(True)

    rest()
    for tokens in utterances:
        start = len(rows)
        for token in tokens:
            say(token, 2)
            say(BLANK)
        spans.append((start, len(rows)))
        rest()
    deficits = np.array(rows, np.float32)
    deficits -= deficits.max(axis=1, keepdims=True)
    return Observed(deficits, np.array(pauses), BLANK), spans


def sentences(rng, count):
    return [np.array(rng.choice(LETTERS, size=rng.integers(4, 12)), np.int64) for _ in range(count)]


def overlap(span, place):
    return span is not None and span.start < place[1] and place[0] < span.end


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 12), st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_spans_are_in_order_apart_and_inside_whatever_is_missing(seed, count, unwritten, unspoken):
    rng = np.random.default_rng(seed)
    texts = sentences(rng, count)
    said = [n for n in range(count) if n not in unspoken]
    observed, _ = spoken(rng, [texts[n] for n in said])
    written = [n for n in range(count) if n not in unwritten]
    spans = align(observed, [texts[n] for n in written], COSTS, {SPACE})
    assert len(spans) == len(written)
    placed = [span for span in spans if span is not None]
    assert all(a.end <= b.start for a, b in pairwise(placed))
    assert all(0 <= s.start < s.end <= len(observed.is_pause) and s.deficit <= 1e-4 for s in placed)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(3, 10), st.integers(0, 2), st.integers(0, 2))
def test_what_is_said_and_written_is_where_it_was_said(seed, count, unwritten, unspoken):
    rng = np.random.default_rng(seed)
    texts = sentences(rng, count)
    texts = [np.concatenate([t, np.array(rng.choice(LETTERS, size=10), np.int64)]) for t in texts]
    order = rng.permutation(count)
    missing, silent = set(order[:unwritten].tolist()), set(order[unwritten : unwritten + unspoken].tolist())
    said = [n for n in range(count) if n not in silent]
    observed, places = spoken(rng, [texts[n] for n in said], noise=1.0)
    written = [n for n in range(count) if n not in missing]
    spans = dict(zip(written, align(observed, [texts[n] for n in written], COSTS, {SPACE}), strict=True))
    for number, place in zip(said, places, strict=True):
        if number in spans:
            span = spans[number]
            assert span is not None
            assert abs(span.start - place[0]) <= 1
            assert abs(span.end - place[1]) <= 2  # the last letter may end after its first frame
    assert all(spans[n] is None for n in silent)


@pytest.mark.parametrize("cells", [1, 500, 5_000])
def test_a_search_in_blocks_gives_the_same_spans(cells, monkeypatch):
    rng = np.random.default_rng(3)
    texts = sentences(rng, 12)
    observed, _ = spoken(rng, [t for n, t in enumerate(texts) if n % 4], noise=3.0)
    whole = align(observed, texts[2:], COSTS, {SPACE})
    monkeypatch.setattr(alignment, "_CELLS", cells)
    assert align(observed, texts[2:], COSTS, {SPACE}) == whole
    assert any(whole)


def test_a_pause_lies_between_utterances_rather_than_in_one():
    """The second utterance begins with a letter that the end of the first would fit just as well."""
    rng = np.random.default_rng(0)
    first, second = np.array([2, 3, 4, 5]), np.array([5, 6, 7, 2])
    observed, places = spoken(rng, [first, second[1:]])
    spans = align(observed, [first, second], COSTS, {SPACE})
    assert spans[1].start >= places[1][0]


def test_forced_deficits_are_those_of_the_only_path():
    rng = np.random.default_rng(1)
    tokens = np.array([2, 2, 3])
    observed, _ = spoken(rng, [tokens])
    assert forced_deficit(observed, tokens) == pytest.approx(0.0)
    assert forced_deficit(observed, np.array([3, 4, 5])) < -10
    assert forced_deficit(observed.part(1, 4), tokens) is None  # two equal tokens need a blank between


def test_nothing_to_align_gives_nothing():
    observed, _ = spoken(np.random.default_rng(0), [np.array([2, 3])])
    assert align(observed, [], COSTS) == []
    assert align(observed.part(0, 0), [np.array([2])], COSTS) == [None]
