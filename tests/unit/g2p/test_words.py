"""Frequent words: letters and their marks in any script, and the letters that a recogniser writes."""

from itertools import pairwise

import pytest
import wordfreq

from vizinho.errors import TextError
from vizinho.g2p.words import frequent_words, is_word, letters_of, list_name, word_frequencies


@pytest.mark.parametrize(
    ("language", "word"),
    [("hi", "में"), ("hi", "हिन्दी"), ("bn", "জন্য"), ("ta", "ஒரு"), ("th", "ที่"), ("th", "ภาษา"), ("yo", "ẹ̀kọ́")],
)  # fmt: skip
def test_vowel_signs_and_tone_marks_belong_to_a_word(language: str, word: str) -> None:
    assert is_word(word)
    if language in wordfreq.available_languages():
        assert word in frequent_words(language, 5000)


@pytest.mark.parametrize("text", ["", "2", "x1", "l'eau", "ई-मेल", "\u0301", "a b"])
def test_what_is_no_word(text: str) -> None:
    assert not is_word(text)


@pytest.mark.parametrize("language", ["hi", "bn", "ta"])
def test_words_with_vowel_signs_are_not_thrown_away(language: str) -> None:
    with_marks = [w for w in frequent_words(language, 1000) if not w.isalpha()]
    assert len(with_marks) > 300


def test_words_come_by_frequency_in_the_letters_and_length_asked_for() -> None:
    words = frequent_words("fr", 2000, letters=letters_of("fr"), shortest=2)
    assert "l'eau" not in words or "'" in letters_of("fr")
    assert len(words) == len(set(words)) == 2000
    assert all(set(w) <= set(letters_of("fr")) and len(w) > 1 for w in words)
    frequencies = word_frequencies("fr")
    assert all(frequencies[a] >= frequencies[b] for a, b in pairwise(words))


@pytest.mark.parametrize(("code", "name"), [("pt_BR", "pt"), ("por", "pt"), ("hr", "sh"), ("tl", "fil"), ("no", "nb")])
def test_the_list_of_a_language_in_any_form_of_its_code(code: str, name: str) -> None:
    assert list_name(code) == name


def test_letters_are_the_alphabet_or_those_of_the_words() -> None:
    assert "ç" in letters_of("pt-BR") and "k" in letters_of("pt")
    assert {"ș", "ț", "ă"} <= set(letters_of("ro"))


def test_a_language_without_a_list_is_named() -> None:
    with pytest.raises(TextError, match="wordfreq has no words of 'gl'"):
        frequent_words("gl", 10)


def test_words_have_the_apostrophe_that_the_language_is_written_with() -> None:
    words = frequent_words("uk", 3000)
    assert "пʼять" in words and "п'ять" not in words
    assert "ʼ" in letters_of("uk")
