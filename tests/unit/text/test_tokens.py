import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import ParakeetTokenizer

from vizinho.errors import TextError
from vizinho.text.tokens import (
    bpe_tokenizer,
    character_tokenizer,
    characters_of,
    encode,
    frames_needed,
    inventory_of,
    with_letters,
)

TOKENIZER = character_tokenizer("abcãçõé'")


@given(st.lists(st.text("abcãçõé'", min_size=1), min_size=1).map(" ".join))
def test_characters_come_back_as_they_went_in(text):
    assert TOKENIZER.decode(encode(TOKENIZER, text), group_tokens=False) == text


def test_roles():
    inventory = inventory_of(TOKENIZER)
    assert inventory.roles[:4] == ("blank", "unknown", "space", "letter")
    assert "ç" in inventory.letters


def test_a_letter_without_a_token_is_named():
    with pytest.raises(TextError, match="utt7: the tokens lack 'x' of 'axa'"):
        encode(TOKENIZER, "axa", where="utt7")


def test_ctc_needs_a_blank_between_equal_neighbours():
    assert frames_needed([1, 1, 2, 2, 2]) == 8


def test_bpe_round_trip_and_size():
    texts = ["um dia bom", "dois dias bons", "bom dia"] * 5
    tokenizer = bpe_tokenizer(texts, 30)
    assert len(tokenizer) <= 30
    assert tokenizer.decode(encode(tokenizer, "bom dia"), group_tokens=False) == "bom dia"


def unigram(texts, size):
    """Pieces of SentencePiece's other kind."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<unk>", "<blank>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=special, unk_token="<unk>", show_progress=False, initial_alphabet=["▁"]
    )
    tokenizer.train_from_iterator(texts, trainer)
    return ParakeetTokenizer(tokenizer_object=tokenizer, pad_token="<blank>", unk_token="<unk>")


SPANISH = ["un día bueno", "dos días buenos", "buen día", "el perro come"] * 5


@pytest.mark.parametrize("make", [bpe_tokenizer, unigram])
def test_letters_are_added_to_pieces_which_cut_as_before(make):
    pieces = make(SPANISH, 40)
    longer = with_letters(pieces, "ãçx")
    assert inventory_of(longer).roles[:2] == ("blank", "unknown")

    @given(st.lists(st.sampled_from(["día", "buen", "come", "dos", "perro", "es"]), min_size=1).map(" ".join))
    def what_was_written_is_cut_as_before(text):
        before = pieces.convert_ids_to_tokens(encode(pieces, text))
        assert longer.convert_ids_to_tokens(encode(longer, text)) == before

    @given(st.lists(st.text("ãçxbuendí", min_size=1), min_size=1).map(" ".join))
    def every_letter_can_be_written(text):
        assert longer.decode(encode(longer, text), group_tokens=False) == text

    what_was_written_is_cut_as_before()
    every_letter_can_be_written()


def test_letters_are_not_added_to_letters():
    assert with_letters(TOKENIZER, "x") is None


def test_no_text_is_an_error():
    with pytest.raises(TextError):
        character_tokenizer(characters_of([" "]))


class Vocabulary:
    """As much of a tokeniser as roles are read from."""

    pad_token, unk_token = "[PAD]", "[UNK]"

    def __init__(self, *tokens: str) -> None:
        self._rows = {token: row for row, token in enumerate(tokens)}

    def get_vocab(self) -> dict[str, int]:
        return self._rows


def test_roles_of_other_peoples_tokens():
    inventory = inventory_of(
        Vocabulary("[PAD]", "[UNK]", "|", "▁", "<|es|>", "<pt>", "<pt-BR>", "<s>", "[CLS]", "A", "▁de")
    )
    assert inventory.roles == (
        *("blank", "unknown", "space", "space", "language", "language", "language", "special", "special"),
        *("letter", "letter"),
    )


def test_special_tokens_without_a_row_are_left_out_and_rows_without_a_token_are_named():
    assert inventory_of(Vocabulary("[PAD]", "a", "<s>"), 2).tokens == ("[PAD]", "a")
    assert inventory_of(Vocabulary("[PAD]", "a"), 4).tokens == ("[PAD]", "a", "<row 2>", "<row 3>")
    with pytest.raises(TextError, match="3 tokens do not fit 2 output rows, such as 'b'"):
        inventory_of(Vocabulary("[PAD]", "a", "b"), 2)
