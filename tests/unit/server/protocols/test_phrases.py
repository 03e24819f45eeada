from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vizinho.records import Word
from vizinho.server.protocols.phrases import paragraphs, phrases


@st.composite
def words(draw):
    made, now = [], 0.0
    for pause, length in draw(st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 1)), max_size=20)):
        made.append(Word("ola", now + pause, now + pause + length, 0.5))
        now += pause + length
    return made


@given(words(), st.floats(0.1, 3), st.booleans())
def test_phrases_hold_every_word_once_and_are_as_far_apart_as_asked(words, pause, punctuate):
    found = phrases(words, punctuate=punctuate, pause_seconds=pause)
    assert [w for p in found for w in p.words] == words
    for before, after in pairwise(found):
        assert after.start_seconds - before.end_seconds >= pause
    for phrase in found:
        for before, after in pairwise(phrase.words):
            assert after.start_seconds - before.end_seconds < pause
    assert [p for group in paragraphs(found) for p in group] == list(found)


def test_a_phrase_is_written_with_a_capital_and_a_full_stop_where_asked():
    said = [Word("última", 0, 0.3, 1.0), Word("vez", 0.4, 0.6, 1.0), Word("sí", 3, 3.2, 0.5)]
    assert [p.text for p in phrases(said, punctuate=True)] == ["Última vez.", "Sí."]
    assert [p.text for p in phrases(said, punctuate=False)] == ["última vez", "sí"]


def test_marks_that_a_model_wrote_itself_stay_alone():
    said = [Word("Última", 0, 0.3, 1.0), Word("vez?", 0.4, 0.6, 1.0)]
    assert [p.text for p in phrases(said, punctuate=True)] == ["Última vez?"]


def test_a_percentage_is_no_mark():
    assert [p.text for p in phrases([Word("20%", 0, 0.3, 1.0)], punctuate=True)] == ["20%."]
