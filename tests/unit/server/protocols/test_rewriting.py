import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.records import Word
from vizinho.server.protocols.deepgram import ListenQuery, check_redaction
from vizinho.server.protocols.rewriting import hits, masked, read_replacements, redacted, replaced
from vizinho.server.security.refusals import Refusal

TEXTS = st.lists(st.sampled_from(["la", "casa", "es", "grande"]), max_size=12)


def words_of(texts):
    return [Word(text, at, at + 0.5, 0.5) for at, text in enumerate(texts)]


def test_phrases_are_replaced_and_last_as_long():
    words = words_of(["la", "casa", "es", "grande", "la"])
    rules = read_replacements(["LA Casa:el piso: alto", "grande:"])
    assert [(w.text, w.start_seconds, w.end_seconds) for w in replaced(words, rules)] == [
        ("el piso: alto", 0, 1.5),
        ("es", 2, 2.5),
        ("la", 4, 4.5),
    ]


@given(TEXTS, TEXTS)
def test_replacing_a_phrase_by_itself_changes_no_text(texts, phrase):
    if phrase:
        rule = f"{' '.join(phrase)}:{' '.join(phrase)}"
        assert " ".join(w.text for w in replaced(words_of(texts), read_replacements([rule]))) == " ".join(texts)
    assert replaced(words_of(texts), []) == tuple(words_of(texts))


def test_what_finds_nothing_is_refused():
    for wrong in ("", ":x", "  :x"):
        with pytest.raises(Refusal):
            read_replacements([wrong])


def test_masks_have_the_length_of_their_word():
    assert [w.text for w in masked(words_of(["La", "Casa", "a"]), frozenset({"casa", "a"}))] == ["La", "C***", "a"]


def test_without_a_list_a_filter_is_refused():
    with pytest.raises(Refusal) as refused:
        ListenQuery(profanity_filter=True).change(None)
    assert refused.value.parameter == "profanity_filter"


def test_a_phrase_is_found_where_it_was_nearly_heard():
    found = hits(words_of(["la", "caza", "es", "grande", "y", "la", "casa", "no"]), "la casa")
    assert [(h.snippet, h.start_seconds) for h in found] == [("la casa", 5), ("la caza", 0)]
    assert found[0].confidence == 1.0 > found[1].confidence
    assert hits(words_of(["hola"]), "elefante") == hits([], "casa") == []


@given(TEXTS, st.sampled_from(["casa", "la casa", "es grande la", "x"]))
def test_hits_do_not_overlap(texts, phrase):
    found = sorted(hits(words_of(texts), phrase), key=lambda h: h.start_seconds)
    assert all(a.end_seconds <= b.start_seconds for a, b in itertools.pairwise(found))


CARD = "four one one one two three four five six seven eight nine oh one two three"


@pytest.mark.parametrize(
    ("kinds", "said", "written"),
    [
        ("pci", f"my card is {CARD} and i am ninety", "my card is [PCI_1] and i am 90"),
        ("pci numbers", f"{CARD} and i am ninety", "[PCI_1] and i am [NUMBERS_1]"),
        ("ssn", "one two three four five six seven eight nine ok", "[SSN_1] ok"),
        ("ssn", "one two three four five six seven eight ok", "1 2 3 4 5 6 7 8 ok"),
        ("numbers", "ninety then eighty one then ninety", "[NUMBERS_1] then [NUMBERS_2] then [NUMBERS_1]"),
        ("pci", "no number", "no number"),
        ("numbers", "", ""),
        ("email_address", "i am ninety ana at mail dot com", "i am ninety [EMAIL_ADDRESS_1]"),
        ("email_address numbers", "ana one at mail dot com is ninety", "[EMAIL_ADDRESS_1] is [NUMBERS_1]"),
        (
            "email_address",
            "ana at mail dot com, bob@mail.org and Ana at mail dot com.",
            "[EMAIL_ADDRESS_1], [EMAIL_ADDRESS_2] and [EMAIL_ADDRESS_1].",
        ),
    ],
)
def test_numbers_of_the_kinds_are_redacted(kinds, said, written):
    words = redacted(words_of(said.split()), frozenset(kinds.split()), "en")
    assert " ".join(word.text for word in words) == written


def test_a_redacted_number_lasts_from_its_first_word_to_its_last():
    (card,) = redacted(words_of(CARD.split()), frozenset({"pci"}), "en")
    assert (card.start_seconds, card.end_seconds) == (0, 15.5)


@pytest.mark.parametrize("value", ["true", "names", "pii"])
def test_what_cannot_be_redacted_is_refused(value):
    with pytest.raises(Refusal) as refused:
        ListenQuery(redact=["pci", value]).redacts  # noqa: B018
    assert refused.value.parameter == "redact"
    assert ListenQuery(redact=["PCI", "false"]).redacts == {"pci"}
    assert ListenQuery(redact=["aggressive_numbers"]).redacts == {"numbers"}
    assert ListenQuery(redact=["email_address", "EMAIL"]).redacts == {"email_address"}


@pytest.mark.parametrize("kind", ["pci", "email_address"])
def test_a_language_whose_words_are_not_known_is_refused(kind):
    with pytest.raises(Refusal) as refused:
        check_redaction(ListenQuery(redact=[kind]), "qu")
    assert refused.value.parameter == "redact"
    check_redaction(ListenQuery(redact=[kind]), "es")
    check_redaction(ListenQuery(), "qu")
