import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.records import Word
from vizinho.server.protocols.deepgram import ListenQuery
from vizinho.server.protocols.rewriting import hits, masked, read_replacements, replaced
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
        ListenQuery(profanity_filter=True).rewritten((), None)
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
