import numpy as np
import pytest

from vizinho.errors import PlanError
from vizinho.plan.tokens import RowOptions, SimilarityTable, match_tokens
from vizinho.text.spelling import bare
from vizinho.text.tokens import TokenInventory, character_tokenizer, inventory_of


def inventory(letters: str) -> TokenInventory:
    return inventory_of(character_tokenizer(letters))


def by_token(sources):
    return {s.token: s for s in sources}


def test_tokens_of_equal_number_and_other_names_are_never_copied_by_index():
    donor, target = inventory("abc"), inventory("cab")
    found = by_token(match_tokens(target, donor, RowOptions()))
    assert all(found[letter].sources == ((letter, 1.0),) for letter in "abc")


def test_roles_are_matched_whatever_their_names():
    donor = TokenInventory(("a", "<blank>", "_"), ("letter", "blank", "space"))
    found = by_token(match_tokens(inventory("a"), donor, RowOptions()))
    assert found["<pad>"].sources == (("<blank>", 1.0),)
    assert found["|"].sources == (("_", 1.0),)
    assert found["<unk>"].action == "fresh"


def test_a_three_by_three_table_decides_feature_rows():
    table = SimilarityTable(
        ("ç", "ã", "b"), ("s", "a", "n"), np.array([[0.9, 0.1, 0.2], [0.0, 0.8, 0.4], [0.1, 0.1, 0.1]]), "a test"
    )
    found = by_token(match_tokens(inventory("çãb"), inventory("san"), RowOptions(), table))
    assert found["ç"].sources == (("s", 1.0),)
    assert dict(found["ã"].sources) == pytest.approx({"a": 0.8, "n": 0.2})
    assert found["ã"].action == "feature row"
    assert found["b"].action == "fresh"


def test_without_a_table_the_base_letter_gives_the_row():
    found = by_token(match_tokens(inventory("ãç"), inventory("acs"), RowOptions()))
    assert (found["ã"].action, found["ã"].sources) == ("neighbour row", (("a", 1.0),))
    assert found["ç"].sources == (("c", 1.0),)


def test_the_user_decides_first_and_unknown_names_are_refused():
    donor, target = inventory("cs"), inventory("ç")
    assert by_token(match_tokens(target, donor, RowOptions(overrides={"ç": "s"})))["ç"].sources == (("s", 1.0),)
    with pytest.raises(PlanError, match="no donor token 'z'"):
        match_tokens(target, donor, RowOptions(overrides={"ç": "z"}))


def test_upper_case_donors_give_lower_case_rows():
    found = by_token(match_tokens(inventory("a"), inventory("A"), RowOptions()))
    assert found["a"].sources == (("A", 1.0),)


@pytest.mark.parametrize("donor", ["ã", "Ã", "a\u0303", "A\u0303"], ids=ascii)
def test_a_letter_is_known_in_capitals_and_with_its_mark_apart(donor):
    source = by_token(match_tokens(inventory("ã"), TokenInventory((donor, "a"), ("letter", "letter")), RowOptions()))[
        "ã"
    ]
    assert (source.action, source.sources) == ("row copy", ((donor, 1.0),))


def test_new_letters_start_from_the_base_letters_of_a_donor_in_capitals_too():
    sources = by_token(match_tokens(inventory("çá"), inventory("ACS"), RowOptions()))
    assert [sources[token].sources for token in "çá"] == [(("C", 1.0),), (("A", 1.0),)]


@pytest.mark.parametrize(("letter", "base"), [("ã", "a"), ("ç", "c"), ("ñ", "n"), ("e", "e")])
def test_bare(letter, base):
    assert bare(letter) == base
