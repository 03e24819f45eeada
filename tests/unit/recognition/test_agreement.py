"""Words become final when two decodings agree on them, and are neither lost nor given twice."""

from hypothesis import given
from hypothesis import strategies as st

from vizinho.recognition.agreement import Agreement
from vizinho.records import Word


def words(text, start=0.0, each=0.4):
    return [Word(w, start + i * each, start + (i + 1) * each, 1.0) for i, w in enumerate(text.split())]


def texts(agreed):
    return " ".join(w.text for w in agreed)


def test_two_decodings_must_begin_alike():
    agreement = Agreement()
    assert agreement.agreed(words("a casa ver")) == []
    assert texts(agreement.agreed(words("a casa verde fica"))) == "a casa"
    assert texts(agreement.rest(words("a casa verde fica"))) == "verde fica"
    assert texts(agreement.agreed(words("a casa verde fica ali"))) == "verde fica"
    assert agreement.any


def test_case_and_punctuation_may_change():
    agreement = Agreement()
    agreement.agreed(words("Olá mundo."))
    assert texts(agreement.agreed(words("olá, mundo e"))) == "olá, mundo"


def test_another_spelling_of_final_words_does_not_give_them_again():
    agreement = Agreement()
    agreement.agreed(words("a caza verde"))
    agreement.agreed(words("a caza verde"))
    assert texts(agreement.rest(words("a casa verde fica"))) == "fica"
    # Even where the times of the words have moved.
    assert texts(agreement.rest(words("casa verde fica", 0.7))) == "fica"


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.integers(0, 12), max_size=12))
def test_a_text_that_only_grows_is_given_once(text, lengths):
    agreement, given_words = Agreement(), []
    for length in sorted(lengths):
        given_words += agreement.agreed(words(" ".join(text[:length])))
    rest = agreement.rest(words(" ".join(text)))
    assert [w.text for w in (*given_words, *rest)] == text
