import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.errors import TextError
from vizinho.text.normalize import get_normalizer
from vizinho.text_models.texts import BLOCK, LONGEST_SENTENCE, hold_out, in_order, read_texts, to_sentences

PT = get_normalizer("pt")


def test_lines_become_normalised_words_and_what_cannot_be_read_is_named():
    made = to_sentences(["Olá, mundo!", "", "o 0º lugar", " ".join(["a"] * (LONGEST_SENTENCE + 1))], PT, "f")
    assert made.sentences[0] == ["olá", "mundo"]
    assert list(map(len, made.sentences)) == [2, LONGEST_SENTENCE, 1]
    assert len(made.skipped) == 1
    assert made.skipped[0].startswith("f:3: ")


def test_missing_empty_and_foreign_files_are_errors(tmp_path):
    with pytest.raises(TextError, match="no such text file"):
        read_texts([tmp_path / "none"], PT)
    (tmp_path / "empty").write_text("\n ... \n")
    with pytest.raises(TextError, match="no line has a word"):
        read_texts([tmp_path / "empty"], PT)
    (tmp_path / "latin").write_bytes("ã".encode("latin-1"))
    with pytest.raises(TextError, match="not UTF-8"):
        read_texts([tmp_path / "latin"], PT)


def test_held_out_parts_share_no_sentence_with_training_and_lose_none_of_the_different_ones():
    texts = [["w", str(i % 700)] for i in range(20 * BLOCK)]
    parts = hold_out(texts, [0.1, 0.2], seed=1)
    kept = [{" ".join(s) for s in part} for part in parts]
    assert all(kept)
    assert not kept[0] & kept[1] and not kept[0] & kept[2] and not kept[1] & kept[2]
    assert set().union(*kept) == {" ".join(s) for s in texts}


def test_too_little_text_cannot_be_split():
    with pytest.raises(TextError, match="5 sentences cannot be split into 2 parts"):
        hold_out([["a"]] * 5, [0.1], seed=1)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=50), st.integers(8, 64))
def test_batches_in_order_hold_every_sentence_once_and_stay_within_bounds(lengths, most):
    texts = [["a"] * n for n in lengths]
    made = in_order(texts, most)
    assert sorted(i for batch in made for i in batch) == list(range(len(texts)))
    for batch in made:
        assert len(batch) == 1 or len(batch) * (max(lengths[i] for i in batch) + 1) <= most
