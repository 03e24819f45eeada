"""Margins are those of all paths written out one by one, and say which placements have a rival."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.decoding.alignment import Costs, Observed, align
from vizinho.decoding.margins import Timeline, margins

BLANK = 0
FRAMES = 6


def every_path(observed, utterances, costs):
    """(score, {number: (first frame, last frame)}) of all paths, by trying everything at each frame."""

    def boundary(frame, number, score, spans):
        if frame == FRAMES:
            yield score, spans
            return
        yield from boundary(frame + 1, number, score, spans)  # the star
        if number < len(utterances):
            yield from state(frame, number, 0, score, spans | {number: (frame, frame)})

    def leaving(frame, number, score, spans):
        for skipped in range(len(utterances) - number + 1):
            yield from boundary(frame, number + skipped, score - costs.leave_out * skipped, spans)

    def state(frame, number, place, score, spans):
        tokens = utterances[number]
        states = [BLANK if n % 2 else int(tokens[n // 2]) for n in range(2 * tokens.size - 1)]
        score += float(observed.deficits[frame, states[place]])
        spans = spans | {number: (spans[number][0], frame)}
        if place == len(states) - 1:
            yield from leaving(frame + 1, number + 1, score + costs.reward * tokens.size, spans)
        if frame + 1 == FRAMES:
            return
        for after in (place, place + 1, place + 2):
            leap = after == place + 2 and after < len(states) and (after % 2 or states[after] == states[place])
            if after < len(states) and not leap:
                yield from state(frame + 1, number, after, score, spans)

    for first in range(len(utterances) + 1):
        yield from boundary(0, first, -min(costs.leave_out * first, costs.leave_out_first), {})


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000), st.integers(1, 3), st.floats(0.5, 4), st.floats(0.1, 3), st.sampled_from([0.0, 1.0, 2.0])
)
def test_margins_are_those_of_all_paths(seed, count, reward, leave_out, near):
    rng = np.random.default_rng(seed)
    deficits = -rng.exponential(2.0, (FRAMES, 4)).astype(np.float32)
    deficits -= deficits.max(axis=1, keepdims=True)
    observed = Observed(deficits, np.zeros(FRAMES, np.bool_), BLANK)
    utterances = [rng.integers(1, 4, size=rng.integers(1, 3)) for _ in range(count)]
    costs = Costs(reward, leave_out, leave_out_first=2.5 * leave_out)
    spans = align(observed, utterances, costs)
    seconds = np.arange(FRAMES, dtype=np.float64)
    measured = margins(observed, utterances, spans, costs, (), Timeline(seconds, seconds + 1, near))
    paths = list(every_path(observed, utterances, costs))
    best = max(score for score, _ in paths)
    for number, (span, margin) in enumerate(zip(spans, measured, strict=True)):
        if span is None:
            assert margin is None
            continue
        far = [
            score
            for score, places in paths
            if number in places
            and (abs(places[number][0] - span.start) > near or abs(places[number][1] + 1 - span.end) > near)
        ]
        assert margin.elsewhere == pytest.approx(best - max(far, default=-1e9), rel=1e-4, abs=1e-3)
        without = max(score for score, places in paths if number not in places)
        assert margin.left_out == pytest.approx(best - without, rel=1e-4, abs=1e-3)


def test_a_text_that_is_said_twice_has_a_rival_and_another_has_none():
    rng = np.random.default_rng(1)
    refrain, verse = np.array([1, 2, 3, 1, 2]), np.array([4, 5, 6, 4, 6])
    rows = []
    for tokens in (refrain, [BLANK] * 20, refrain, [BLANK] * 20, verse):
        for token in tokens:
            rows += [np.where(np.arange(7) == token, 0.0, -6.0 - rng.random(7))] * 2
    observed = Observed(np.array(rows, np.float32), np.zeros(len(rows), np.bool_), BLANK)
    costs, times = Costs(4.0), np.arange(len(rows)) * 0.04
    texts = [refrain, verse]
    spans = align(observed, texts, costs)
    one, other = margins(observed, texts, spans, costs, (), Timeline(times, times + 0.04, 0.5))
    assert one.elsewhere < 0.1
    assert other.elsewhere > 10
    assert min(one.left_out, other.left_out) > 10
