import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vizinho.decoding.greedy import PAUSE_SECONDS, greedy, words_of
from vizinho.text.tokens import TokenInventory


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


def test_a_silence_ends_a_word_where_the_network_writes_no_space():
    inventory = TokenInventory(("<pad>", "a", "b", "|", "c"), ("blank", "letter", "letter", "space", "letter"))
    pause = round(PAUSE_SECONDS / 0.04)
    for gap, words in ((pause - 1, ["ab"]), (pause + 2, ["a", "b"])):
        emissions = greedy(frames([1, *[0] * gap, 2]), blank=0)
        assert [w.text for w in words_of(emissions, inventory, 0.04)] == words
    emissions = greedy(frames([1, *[0] * 40, 3, *[0] * 40, 2, 4]), blank=0)
    assert [w.text for w in words_of(emissions, inventory, 0.04)] == ["a", "bc"]


def test_a_mark_belongs_to_the_word_before_it_and_takes_no_part_in_its_time():
    inventory = TokenInventory(("<pad>", "a", "B", "|", "."), ("blank", "letter", "letter", "space", "letter"))
    emissions = greedy(frames([4, 0, 1, 4, 3, 0, 2, 3, 0, 4]), blank=0)
    words = list(words_of(emissions, inventory, 0.04))
    assert [w.text for w in words] == ["a.", "B."]
    assert [(round(w.start_seconds / 0.04), round(w.end_seconds / 0.04)) for w in words] == [(2, 3), (6, 7)]
