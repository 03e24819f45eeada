import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vizinho.decoding.greedy import greedy


def frames(tokens, vocabulary=5):
    log_probs = np.full((len(tokens), vocabulary), np.log(0.05), np.float32)
    log_probs[np.arange(len(tokens)), tokens] = np.log(0.8)
    return log_probs


def test_repeats_merge_blanks_separate():
    found = greedy(frames([0, 1, 1, 0, 1, 2, 2, 0]), blank=0)
    assert [(e.token, e.start_frame, e.end_frame) for e in found] == [(1, 1, 3), (1, 4, 5), (2, 5, 7)]
    assert all(abs(e.probability - 0.8) < 1e-5 for e in found)


@given(st.lists(st.integers(0, 4), max_size=40))
def test_agrees_with_the_definition(tokens):
    merged = [t for i, t in enumerate(tokens) if t != 0 and (i == 0 or tokens[i - 1] != t)]
    assert [e.token for e in greedy(frames(tokens), blank=0)] == merged
