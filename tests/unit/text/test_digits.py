"""Numbers of a text in digits."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.text.digits import has_numbers, in_digits
from vizinho.text.readout import read_out

PUD = Path(os.environ.get("VIZINHO_SHARED", "../shared")) / "text" / "treebanks"
WORDS = ["um", "e", "vinte", "mil", "cento", "por", "euros", "primeiro", "casa", "vírgula", "de", "março"]


def written(text, language):
    words, result, place = text.split(), [], 0
    for number in in_digits(words, language):
        result += [*words[place : number.start], number.text.replace("\xa0", " ")]
        place = number.end
    return " ".join([*result, *words[place:]])


@pytest.mark.parametrize(
    ("language", "spoken", "text"),
    [
        ("pt", "em mil novecentos e noventa e nove", "em 1999"),
        ("pt", "dois vírgula cinco por cento", "2,5%"),
        ("pt", "zero vírgula zero cinco", "0,05"),
        ("pt", "no vigésimo primeiro dia", "no 21º dia"),
        ("pt", "dois de março de dois mil e vinte e seis", "2 de março de 2026"),
        ("pt", "primeiro de março", "1º de março"),
        ("pt", "um por cento", "1%"),
        ("pt", "um euro e dez cêntimos", "€ 1,10"),
        ("pt", "DEZ ANOS E DOZE DIAS", "10 ANOS E 12 DIAS"),
        ("pt", "Dez anos", "10 anos"),
        ("en", "one dollar", "$1"),
        ("pt", "doze milhões de pessoas", "12 milhões de pessoas"),
        ("pt", "de dez a vinte e três e trinta", "de 10 a 23 e 30"),
        ("pt", "um dois três quatro", "1 2 3 4"),
        ("gl", "vinte e un euros", "21 €"),
        ("es", "veintiún mil euros con diez céntimos", "21000,10 €"),
        ("es", "el dos de mayo", "el 2 de mayo"),
        ("ca", "vint-i-un", "21"),
        ("it", "il tre maggio", "il 3 maggio"),
        ("fr", "le vingt et unième", "le 21e"),
        ("fr", "dix pour cent", "10 %"),
        ("en", "three dollars and fifty cents", "$3.50"),
        ("en", "the twenty first century", "the 21st century"),
        ("en", "one hundred and twenty three point five", "123.5"),
        ("de", "zweihundertfünf", "205"),
    ],
)
def test_numbers_are_written_with_digits(language, spoken, text):
    assert written(spoken, language) == text


@pytest.mark.parametrize(
    ("language", "spoken"),
    [
        ("pt", "um homem comprou uma casa"),
        ("pt", "um dólar estável"),
        ("pt", "um real crescimento"),
        ("es", "Valentín Diez"),
        ("pt", "na avenida Nove de Julho"),
        ("pt", "segunda feira um segundo"),
        ("pt", "mil vezes"),
        ("pt", "vinte um"),
        ("en", "one man has one house"),
        ("en", "the second may be"),
        ("en", "nineteen eighty four"),
        ("en", "one hundred and two hundred"),
        ("en", "one tenth"),
        ("es", "300 mil"),
        ("fr", "un neuf"),
        ("it", "mille grazie"),
        ("it", "i venti del nord"),
        ("ca", "ha deu"),
        ("gv", "un"),
    ],
)
def test_what_may_be_something_else_stays_words(language, spoken):
    assert written(spoken, language) == spoken


@given(st.integers(10, 99_999).filter(lambda n: n not in (100, 1000)))
def test_digits_read_out_and_written_again_are_equal(number):
    assert written(read_out(f"são {number} casas", "pt"), "pt") == f"são {number} casas"
    assert written(read_out(f"{number} €", "es"), "es") == f"{number} €"
    assert written(read_out(f"{number}%", "en"), "en") == f"{number}%"


@given(st.lists(st.sampled_from(WORDS), max_size=9))
def test_places_lie_in_order_within_the_text(words):
    ends = [0]
    for number in in_digits(words, "pt"):
        assert ends[-1] <= number.start < number.end <= len(words) and any(c.isdigit() for c in number.text)
        ends.append(number.end)


def test_languages_are_known_or_not():
    assert has_numbers("pt") and not has_numbers("gv")


@pytest.mark.skipif(not PUD.is_dir(), reason="VIZINHO_SHARED names no folder with treebanks")
@pytest.mark.parametrize("language", ["de", "en", "es", "gl", "pt"])
def test_what_treebanks_mark_as_no_number_stays_words(language):
    """All but ordinals, which some treebanks mark as adjectives alone."""
    part, places = [], 0
    for line in (PUD / f"{language}_pud.conllu").read_text().splitlines():
        cells = line.split("\t")
        if cells[0].isdigit() and cells[3] != "PUNCT":
            part.append((cells[1], cells[3] == "NUM" or "NumType" in cells[5]))
        elif not line or cells[0].isdigit():
            for place in in_digits([word for word, _ in part], language):
                places += 1
                ordinal = not place.text[-1].isdigit() and place.text[0].isdigit() and place.end - place.start == 1
                assert ordinal or any(marked for _, marked in part[place.start : place.end]), part
            part = []
    assert places >= 10
