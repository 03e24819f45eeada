from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vizinho.job.data import HELD_OUT_SHARE, hold_out
from vizinho.records import Utterance


def utterances(ids):
    return [Utterance(id_, Path("a.wav"), "um", "pt", "Ana", 1.0, "train") for id_ in ids]


@given(st.sets(st.text(min_size=1, max_size=8), min_size=20, max_size=60), st.integers(10, 20), st.integers(1, 3))
def test_what_a_version_learns_is_never_what_the_next_one_chooses_on(ids, first, seed):
    listed = sorted(ids)
    train, dev = hold_out(utterances(listed[:first]), seed)
    assert train and dev and {u.id for u in train} | {u.id for u in dev} == set(listed[:first])
    _, more = hold_out(utterances(listed), seed)
    assert not {u.id for u in train} & {u.id for u in more}


def test_about_a_tenth_is_held_out_and_either_side_has_something():
    _, dev = hold_out(utterances(map(str, range(2000))), 1)
    assert abs(len(dev) / 2000 - HELD_OUT_SHARE) < 0.02
    for count in range(2, 30):
        train, dev = hold_out(utterances(f"x{i}" for i in range(count)), 1)
        assert train and dev
