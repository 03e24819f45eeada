"""Transcripts with numbers in digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.errors import SpecError
from vizinho.recognition.numerals import check_numerals, transcript_with_digits, with_digits
from vizinho.records import Alternative, Segment, Transcript, Word

WORDS = ["um", "e", "vinte", "mil,", "(cento", "por", "cento)", "euros", "primeiro", "casa"]


def spoken(text, pause_after=()):
    words, start = [], 0.0
    for word in text.split():
        words.append(Word(word, start, start + 0.3, 0.5))
        start += 1.5 if word in pause_after else 0.4
    return tuple(words)


def test_a_number_lasts_from_its_first_word_to_its_last():
    words = with_digits(spoken("são vinte e um dias"), "pt")
    assert [(w.text, w.start_seconds) for w in words] == [("são", 0.0), ("21", 0.4), ("dias", pytest.approx(1.6))]
    assert words[1].end_seconds == pytest.approx(1.5) and words[1].confidence == 0.5


def test_a_pause_and_a_comma_part_numbers():
    assert [w.text for w in with_digits(spoken("trinta mil", ("trinta",)), "pt")] == ["30", "mil"]
    assert [w.text for w in with_digits(spoken("Trinta, quarenta e dois."), "pt")] == ["30,", "42."]


def test_segments_and_alternatives_are_written_alike():
    words = spoken("vinte e um")
    segment = Segment(0.0, 1.1, "vinte e um", 0.5, words)
    other = Alternative("vinte e dois", -1.0, 0.0, spoken("vinte e dois"))
    made = transcript_with_digits(Transcript("a", "vinte e um", words, 0.5, 2.0, (segment,), (other,)), "pt")
    assert (made.text, made.segments[0].text, made.n_best[0].text) == ("21", "21", "22")
    assert [(w.text, w.start_seconds, w.end_seconds) for w in made.n_best[0].words] == [("22", 0.0, pytest.approx(1.1))]
    assert made.segments[0].words == made.words


@given(st.lists(st.sampled_from(WORDS), max_size=9))
def test_times_stay_monotone_and_inside(texts):
    words = spoken(" ".join(texts))
    made = with_digits(words, "pt")
    times = [t for w in made for t in (w.start_seconds, w.end_seconds)]
    assert times == sorted(times)
    assert not words or (times[0], times[-1]) == (words[0].start_seconds, words[-1].end_seconds)


def test_a_language_without_number_words_is_refused():
    with pytest.raises(SpecError, match="number words of 'gv'"):
        check_numerals("gv")
