"""What transcribers write besides words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.corpora.conventions import speaker_labels, split_labels, spoken


@pytest.mark.parametrize(
    ("written", "text", "events", "uncertain", "unclear"),
    [
        ("bom dia", "bom dia", (), (), False),
        ("[laugh] bom <noise/> dia {tosse}", "bom dia", ("[laugh]", "<noise/>", "{tosse}"), (), False),
        ("bom (.) dia (0.5) já (--)", "bom dia já", ("(.)", "(0.5)", "(--)"), (), False),
        ("((aponta)) ali", "ali", ("((aponta))",), (), False),
        ("vi o (gato) preto", "vi o gato preto", (), ("gato",), False),
        ("vi o xxx preto", "vi o preto", (), (), True),
        ("vi o (xxx) preto", "vi o preto", (), (), True),
        ("vi o [unclear] preto", "vi o preto", (), (), True),
        ("vi o (?) ??? *** ( )", "vi o", (), (), True),
        ("&=laughs sim ♪", "sim", ("&=laughs", "♪"), (), False),
        # Letters that only look like signs stay: xx is a word in some spellings, and so are apostrophes and glottals.
        ("xxi m'ana ŋʼa c'hoar ǃxóõ a? não!", "xxi m'ana ŋʼa c'hoar ǃxóõ a? não!", (), (), False),
        ("exxxo", "exxxo", (), (), False),
        ("a < b", "a < b", (), (), False),
    ],
)
def test_words_are_told_from_the_rest(written, text, events, uncertain, unclear):
    speech = spoken(written)
    assert (speech.text, speech.events, speech.uncertain, speech.unclear) == (text, events, uncertain, unclear)


def test_round_brackets_are_what_the_user_says():
    assert spoken("o (gato) preto", "events").text == "o preto"
    assert spoken("o (gato) preto", "events").events == ("(gato)",)
    assert spoken("o (gato) preto", "leave").text == "o (gato) preto"


LETTERS = st.text(st.characters(whitelist_categories=("L", "M", "Nd")), max_size=12).filter(
    lambda w: "xxx" not in w.lower()
)


@given(st.lists(LETTERS, max_size=6), st.sampled_from(["words", "events", "leave"]))
def test_no_letter_of_any_script_is_lost(words, parentheses):
    text = " ".join(" ".join(words).split())
    speech = spoken(text, parentheses)
    assert (speech.text, speech.events, speech.unclear) == (text, (), False)


def test_names_before_texts_are_speakers_where_they_return():
    texts = ["Ana: bom dia", "Ben: sim", "Ana: não: nunca", "Ben: ah. Ana: pois"]
    labels = speaker_labels(texts)
    assert labels == {"Ana", "Ben"}
    assert [split_labels(text, labels) for text in texts] == [
        [("Ana", "bom dia")],
        [("Ben", "sim")],
        [("Ana", "não: nunca")],
        [("Ben", "ah."), ("Ana", "pois")],
    ]
    for none in (["Avó disse: não"], ["a: b", "c: d", "e: f"], ["Ana: sim", "nada", "nada", "Ana: sim", "nada"], []):
        assert speaker_labels(none) == frozenset()
