"""Normalisers: what is the same text, for every language we have rules for and for those we have none for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vizinho.errors import TextError
from vizinho.text.normalize import VERSION, Normalizer, get_normalizer
from vizinho.text.orthography import default_orthography

LANGUAGES = ("pt", "es", "en", "fr", "ca", "it", "gl", "de")
OTHERS = ("uk", "tr", "haw", "nv", "uz", "so", "he", "fa", "si", "el", "vi", "th", "ha", "ar", "hi", "yo", "qaa")


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("pt", "A avó e o avô, à tarde!", "a avó e o avô à tarde"),
        ("pt", "guarda-chuva", "guarda chuva"),
        ("pt", "São Paulo (centro) [ruído]", "são paulo centro ruído"),
        ("pt", "“Olá”, disse «João»… copo d’água", "olá disse joão copo d'água"),
        ("en", "It’s the dogs' house", "it's the dogs house"),
        ("en", "'quoted' rock ‘n’ roll", "quoted rock n roll"),
        ("fr", "L’été, aujourd'hui", "l'été aujourd'hui"),
        ("ca", "l´home, col·legi, col•legi i coŀlegi", "l'home col·legi col·legi i col·legi"),
        ("it", "dell'acqua", "dell'acqua"),
        ("oc", "l’aiga, des·har", "l'aiga des·har"),
        ("nl", "zo’n", "zo'n"),
        ("de", "Die Straße ist schön", "die straße ist schön"),
        ("sv", "EU:s regler: bra", "eu:s regler bra"),
        ("pt", "co\u00adra\u200bção", "coração"),
        ("es", "¿Qué tal? ¡Bien!", "qué tal bien"),
        ("pt", " ... ", ""),
        ("uk", "М'ята, м’ята, мʼята", "мʼята мʼята мʼята"),
        ("uz", "O‘zbek o'zbek, ma’no san'at", "oʻzbek oʻzbek maʼno sanʼat"),
        ("haw", "‘Ōlelo Hawai'i, Hawai‘i", "ʻōlelo hawaiʻi hawaiʻi"),
        ("haw", "‘aloha’ ‘ike", "aloha ʻike"),
        ("nv", "łá'í łáʼí", "łáʼí łáʼí"),
        ("ha", "'Ya'ya ’yan", "ʼyaʼya ʼyan"),
        ("so", "go’aan lo'", "go'aan lo'"),
        ("he", 'צ\'יפס צה"ל "שלום"', "צ׳יפס צה״ל שלום"),
        ("tr", "İSTANBUL ILIK", "istanbul ılık"),
        ("az", "Iğdır", "ığdır"),
        ("en", "İstanbul ISTANBUL", "istanbul istanbul"),
        ("el", "ΟΔΟΣ", "οδος"),
        ("ro", "Ştefan şi ţara", "ștefan și țara"),
        ("fa", "می\u200cخواهم كتاب", "می\u200cخواهم کتاب"),
        ("si", "ශ්‍රී ලංකා", "ශ්‍රී ලංකා"),
        ("ml", "അവന്‍ അവൻ", "അവൻ അവൻ"),
        ("ar", "كـتاب ﻛﺘﺎﺏ", "كتاب كتاب"),
        ("ja", "ｶﾞｷﾞ ＡＢＣ", "ガギ abc"),
        ("th", "ทำ น้ำ", "ทำ น้ำ"),
        ("km", "ខ្ញុំ\u200bស្រលាញ់", "ខ្ញុំ ស្រលាញ់"),
        ("hi", "नमस्ते, दुनिया!", "नमस्ते दुनिया"),
        ("yo", "Ẹ káàárọ̀!", unicodedata.normalize("NFC", "ẹ káàárọ̀")),
        ("gn", "g̃uarani mba'e", "g̃uarani mbaʼe"),
        ("be", "аб'ява аб’ява", "аб'ява аб'ява"),
        ("br", "c'hoar c’hoar", "cʼhoar cʼhoar"),
        ("sw", "ng'ombe ng’ombe", "ng'ombe ng'ombe"),
        ("qu", "t'anta t’anta", "tʼanta tʼanta"),
        ("yap", "ngeʼ yaʼl", "ngeʼ ya'l"),
        ("hi", "दु:ख दुःख", "दुःख दुःख"),
        ("bo", "བོད་ཡིག་ནི།", "བོད་ཡིག་ནི"),
        ("ca", "col.laboració", "col·laboració"),
    ],
)
def test_letters_joiners_and_apostrophes(lang: str, text: str, expected: str) -> None:
    assert get_normalizer(lang)(text) == expected


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("pt", "19 dias", "dezenove dias"),
        ("pt", "1.250", "mil duzentos e cinquenta"),
        ("pt", "3,05", "três vírgula zero cinco"),
        ("pt", "3.5", "três vírgula cinco"),
        ("pt", "50%", "cinquenta por cento"),
        ("pt", "1º e 22ª", "primeiro e vigésima segunda"),
        ("pt", "nº 5, 20°", "número cinco vinte graus"),
        ("pt", "12 de 03", "doze de três"),
        ("pt", "10m² a 5‰", "dez metros quadrados a cinco por mil"),
        ("pt", "R$ 5,00, R$1,50 e 1€", "cinco reais um real e cinquenta e um euro"),
        ("pt", "R$ 5,5 milhões, US$ 3 mil", "cinco vírgula cinco milhões de reais três mil dólares"),
        ("en", "$5.50 and £3 million", "five dollars fifty and three million pounds"),
        ("fr", "2 €, $3 millions", "deux euros trois millions de dollars"),
        ("de", "$ 5 Millionen", "fünf millionen dollar"),
        ("pt", "-5 graus, −3 °C", "menos cinco graus menos três graus celsius"),
        ("pt", "muito CO₂", "muito co dois"),
        ("pt", "o 3° andar, 1° lugar", "o terceiro andar primeiro lugar"),
        ("es", "9º y 1er", "noveno y primer"),
        ("es", "1.000.000,5", "un millón coma cinco"),
        ("es", "2.ª planta", "segunda planta"),
        ("es", "el 1° de mayo, 21 €", "el primero de mayo veintiún euros"),
        ("en", "21st and 1,000", "twenty first and one thousand"),
        ("en", "3.14", "three point one four"),
        ("en", "Tom & Jerry: 5%", "tom and jerry five percent"),
        ("en", "the f*%#", "the f"),
        ("fr", "1er, 1re et 2e", "premier première et deuxième"),
        ("fr", "80 %", "quatre vingts pour cent"),
        ("ca", "21, el 2n pis, la 3a", "vint i un el segon pis la tercera"),
        ("it", "3ª, il 1° maggio, la 2° volta", "terza il primo maggio la seconda volta"),
        ("de", "21 %", "einundzwanzig prozent"),
        ("de", "am 3. Mai, der 3. Mai, 1 €", "am dritten mai der dritte mai ein euro"),
        ("gl", "0 16 21 30 45 100 101", "cero dezaseis vinte e un trinta corenta e cinco cen cento un"),
        ("gl", "1999", "mil novecentos noventa e nove"),
        ("gl", "2.300", "dous mil e trescentos"),
        ("gl", "1020 1100 1120", "mil e vinte mil e cen mil cento vinte"),
        ("uk", "5 %", "пʼять відсотків"),
        ("ru", "3,5", "три целых пять десятых"),
        ("pl", "1 250 m²", "jeden dwieście pięćdziesiąt metrów kwadratowych"),
        ("tr", "%5 ve 3. sınıf", "beş ve üçüncü sınıf"),
        ("tr", "5 %", "yüzde beş"),
        ("nb", "2. mai", "andre mai"),
        ("ar", "٣ كتب", "ثلاثة كتب"),
        ("sv", "3:e plats", "tredje plats"),
    ],
)
def test_numbers_and_signs_are_read_as_the_language_reads_them(lang: str, text: str, expected: str) -> None:
    assert get_normalizer(lang)(text) == expected


@pytest.mark.parametrize(
    ("lang", "text", "lost"),
    [
        ("pt", "½ xícara", "½"),
        ("pt", "3/4", "⁄"),
        ("pt", "às 5:30", "∶"),
        ("de", "am 12.03.2020", "⁄⁄"),
        ("en", "call 713.837.1638", "⁄⁄"),
        ("pt", "Cr$ 5, US$ 3,8 mi", "$$"),
        ("pt", "3° hoje", "º"),
        ("de", "die 3. Klasse, der 3. Klasse", "º"),
        ("cs", "3. května", "º"),
        ("gn", "A & B %", "&%"),
        ("tr", "%", "%"),
        ("pt", "x² ♪", "²♪"),
        ("pt", "a, b. (c) «d» [e] – f… g/h *", ""),
        ("ar", "كـتاب\u200f", ""),
        ("pt", "❤\ufe0f", "❤"),
    ],
)
def test_what_may_be_heard_and_is_dropped_is_named(lang: str, text: str, lost: str) -> None:
    assert get_normalizer(lang).read(text).lost == lost


@pytest.mark.parametrize(
    ("lang", "text"),
    [("qaa", "12"), ("gl", "3º"), ("gl", "1000000"), ("pt", "9" * 5000), ("frr", "12"), ("esu", "3"), ("arn", "3"),
     ("sr", "5 година")],
)  # fmt: skip
def test_a_number_without_words_is_an_error_that_names_it(lang: str, text: str) -> None:
    with pytest.raises(TextError, match="cannot be written as words"):
        get_normalizer(lang)(text)


def test_composed_and_decomposed_letters_are_the_same_text() -> None:
    text = "ação é à ü ñ ç"
    assert get_normalizer("pt")(unicodedata.normalize("NFD", text)) == text


@given(st.sampled_from(LANGUAGES + OTHERS), st.text(st.characters(exclude_categories=["Nd", "Cs"]), max_size=40))
def test_normalising_twice_changes_nothing(lang: str, text: str) -> None:
    _assert_normal(get_normalizer(lang), text)


@example("pt", "eʻʻe")
@given(st.sampled_from(LANGUAGES + OTHERS), st.text("aéçñl·'’ʼʻ-−.,:/%&°ºª€$ 0123456789nerth²½", max_size=12))
def test_normalising_numbers_twice_changes_nothing(lang: str, text: str) -> None:
    normalize = get_normalizer(lang)
    try:
        normalize(text)
    except TextError:  # ordinals without words, huge numbers: an error is an answer, digits left behind are none
        return
    _assert_normal(normalize, text)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_number_below_two_thousand_has_distinct_words(lang: str) -> None:
    normalize = get_normalizer(lang)
    words = [normalize(str(number)) for number in range(2000)]
    assert len(set(words)) == len(words)
    assert all(word.isalpha() for text in words for word in text.split())


@pytest.mark.parametrize("name", ["pt", "PT", "pt-br", "pt_BR", " pt ", "por"])
def test_names_of_one_normaliser(name: str) -> None:
    normalizer = get_normalizer(name)
    assert normalizer == Normalizer("pt", VERSION)
    assert normalizer.name == f"pt-v2-{default_orthography('pt').digest}"
    assert get_normalizer(**_as_recorded(normalizer)) == normalizer


def _as_recorded(normalizer: Normalizer) -> dict[str, object]:
    values = normalizer.recorded()
    return {"name": values["normalizer"], "orthography": values["orthography"]}


@pytest.mark.parametrize("name", ["", "p", "pt-v2", "pt-v0", "pt-v3-01234567", "português falado", "../pt"])
def test_what_is_no_name_or_no_version_is_an_error(name: str) -> None:
    with pytest.raises(TextError, match="normaliser"):
        get_normalizer(name)


def test_a_name_of_another_orthography_is_an_error_that_says_so() -> None:
    with pytest.raises(TextError, match="pt-v2-01234567 has another orthography"):
        get_normalizer("pt-v2-01234567")


def _assert_normal(normalize: Normalizer, text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == " ".join(once.split())
    assert not any(c.isdigit() and c.isdecimal() for c in once)
    assert normalize.read(once).lost == ""


def test_what_a_recogniser_writes_is_normalised_whatever_it_is():
    gaelic = get_normalizer("gd")
    with pytest.raises(TextError):
        gaelic("Tha 3 cait, a-nis!")
    assert gaelic.recognised("Tha 3 cait, a-nis!") == "tha 3 cait a nis"
    assert gaelic.recognised("Tha trì cait.") == gaelic("Tha trì cait.")


@given(st.text(max_size=40), st.sampled_from(["gd", "pt", "en", "quz", "zh"]))
def test_no_text_of_a_recogniser_is_an_error(text, lang):
    get_normalizer(lang).recognised(text)
