import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.errors import ModelError, TextError
from vizinho.text_models.words import (
    END,
    IGNORED,
    LONGEST_WORD,
    START,
    UNKNOWN,
    TokenList,
    character_list,
    make_batch,
    spelling,
    word_list,
)


def test_the_most_frequent_words_come_first_and_rare_ones_are_unknown():
    words = word_list([["b", "a", "b"], ["a", "b", "c"]], 5)
    assert words.tokens == (UNKNOWN, START, END, "b", "a")
    assert words.row("c") == words.row(UNKNOWN)
    assert words.inventory.roles == ("unknown", "special", "special", "letter", "letter")


def test_no_frequent_word_is_an_error_and_so_is_a_list_without_the_unknown():
    with pytest.raises(TextError, match="no word occurs 2 times in 1 running words"):
        word_list([["a"]], 10)
    with pytest.raises(ModelError):
        TokenList(("a", "b"))


def test_a_batch_frames_and_pads_sentences():
    words = word_list([["a", "b"], ["a", "b"]], 10)
    batch = make_batch([["a", "b", "x"], ["b"]], words, None)
    row = words.row
    assert batch.rows.tolist() == [
        [row(START), row("a"), row("b"), row(UNKNOWN), row(END)],
        [row(START), row("b"), row(END), IGNORED, IGNORED],
    ]
    assert torch.equal(batch.distinct[batch.places][0], batch.rows[0])
    assert batch.words == 6


@given(st.text(min_size=1, max_size=40))
@settings(max_examples=30)
def test_any_word_has_a_spelling_of_one_length_whatever_its_characters(word):
    characters = character_list([["abc"]])
    made = spelling(word, characters)
    assert len(made) == LONGEST_WORD + 2
    assert all(0 <= row < len(characters) for row in made)
    assert (spelling("abc", characters) == made) == (word == "abc")
