"""Number words read backwards."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.text.number_grammar import fold, grammars, number_of
from vizinho.text.numerals import cardinal

LANGUAGES = ["ca", "de", "en", "es", "fr", "gl", "it", "nl", "pl", "pt", "ru", "sv"]
NUMBERS = 2000

WORDS = ["cem", "cento", "dois", "e", "mil", "milhão", "milhões", "três", "trinta", "um", "vinte"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_num2words_writes_is_read_back(language):
    draw = random.Random(19)
    most = 6 if language == "gl" else 9
    for number in [draw.randrange(10 ** draw.randint(1, most)) for _ in range(NUMBERS // len(LANGUAGES))]:
        assert number_of(cardinal(str(number), language), language) == number


@given(st.integers(0, 10**9 - 1))
def test_any_portuguese_number_is_read_back(number):
    assert number_of(cardinal(str(number), "pt"), "pt") == number


@given(st.lists(st.sampled_from(WORDS), max_size=7))
def test_only_what_num2words_writes_is_a_number(words):
    phrase = " ".join(words)
    number = number_of(phrase, "pt")
    # Brazil's way or Portugal's: only the latter says "mil milhões".
    assert number is None or fold(phrase, "pt") in {way.words(number) for way in grammars("pt")}


@pytest.mark.parametrize(
    ("language", "phrase", "number"),
    [
        ("pt", "duas mil e quinhentas", 2500),
        ("pt", "dezasseis", 16),
        ("pt", "mil milhões", 10**9),
        ("es", "veintiún mil", 21_000),
        ("es", "doscientas una", 201),
        ("en", "one hundred twenty-three", 123),
        ("en", "a hundred and two", 102),
        ("fr", "septante-deux", 72),
        ("fr", "quatre-vingts", 80),
        ("de", "eine Million zweihundert", 1_000_200),
        ("it", "ottocentoventitré", 823),
        ("ru", "сто двадцать одна тысяча", 121_000),
        ("pt", "vinte um", None),
        ("pt", "e vinte", None),
        ("en", "nineteen eighty four", None),
    ],
)
def test_forms_that_people_use(language, phrase, number):
    assert number_of(phrase, language) == number


def test_a_language_without_number_words_has_no_grammar():
    assert grammars("gv") == () and number_of("un", "gv") is None
