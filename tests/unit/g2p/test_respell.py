from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
from rapidfuzz.distance import Levenshtein

from vizinho.errors import CorpusError, TextError
from vizinho.g2p.espeak import is_available, phonemes
from vizinho.g2p.letters import segments
from vizinho.g2p.respell import _read, respell, respell_corpus, sound_speller, unlikeness
from vizinho.records import Utterance
from vizinho.text.alphabets import alphabet

pytestmark = pytest.mark.skipif(not is_available(), reason="the extra 'speak' (eSpeak NG) is not installed")


def utterance(id_: str, text: str, split: str = "train") -> Utterance:
    return Utterance(id_, Path("/a.wav"), text, "es", "ana", 1.0, split)


def test_a_language_spells_its_own_sounds_as_it_does():
    """Letters that are only written (a silent h) and spellings without a rule (x for sh) cannot all be found."""
    words = [
        "cachorro",
        "chuva",
        "guerra",
        "queijo",
        "nação",
        "carro",
        "mulher",
        "manhã",
        "peixe",
        "cidade",
        "escola",
        "trabalho",
    ]
    found = [respell(word, "pt", "pt") for word in words]
    assert sum(a == b for a, b in zip(words, found, strict=True)) >= 9, found


def test_read_aloud_in_portuguese_the_respelt_words_are_nearer_to_the_spanish_ones():
    speller = sound_speller("pt")
    words = [
        "año",
        "señora",
        "llave",
        "jirafa",
        "queso",
        "ochenta",
        "guerra",
        "niño",
        "calle",
        "hijo",
        "mujer",
        "cabeza",
    ]

    def distance(spanish: str, written: str) -> float:
        # The trill of guerra is what Portuguese has for rr, not its tap.
        phones = ["x" if p == "r" else p for p in segments(phonemes(spanish, "es-419"), "es")]
        heard = [speller.candidates(p)[0][0] for p in phones]
        return Levenshtein.normalized_distance(heard, _read(written, "pt"))

    respelt = mean(distance(w, respell(w, "es", "pt")) for w in words)
    assert respelt < 0.8 * mean(distance(w, w) for w in words)


def test_only_letters_of_the_target_are_written():
    letters = set(alphabet("pt")) | {" "}
    for language, text in (
        ("en", "the thirteen jazz clubs"),
        ("fr", "un bœuf où ça peut être"),
        ("ca", "l·lustre i peix"),
    ):
        assert set(respell(text, language, "pt")) <= letters


def test_phones_that_no_language_has_are_still_spelt():
    assert sound_speller("pt").spellings(("ʘ", "a"))
    assert sound_speller("pt").spellings(()) == []


def test_what_sounds_alike_keeps_its_spelling():
    for word in ("una", "casa", "de", "banana", "pelicano", "trompeta"):
        assert respell(word, "es", "pt") == word
    assert [respell(w, "es", "pt") for w in ("piña", "montaña")] == ["pinha", "montanha"]


def test_respelt_words_are_such_as_a_person_would_write():
    """Letters stay where they sound right; what only a full last vowel, another final l or a palatal t would ask for
    is not written."""
    expected = {
        "es": "viejo bierro, año anho, señora senhora, hijas irras, cebolla ceboia, cielo cielo, tigre tigre, del del, "
        "localidades localidades, edificio edifício, convierte combierte, portátil portátil, avispón avispon",
        "ca": "muntanya muntanha, deu deu, professora professora",
    }
    for language, pairs in expected.items():
        words = dict(pair.split() for pair in pairs.split(", "))
        assert {word: respell(word, language, "pt") for word in words} == words


def test_the_distance_of_phones_counts_whole_ones_and_likeness():
    assert unlikeness((), ("a", "b")) == 2.0
    assert unlikeness(("k", "a"), ("k", "a")) == 0.0
    assert 0.0 < unlikeness(("k", "a"), ("ɡ", "a")) < 1.0


def test_a_corpus_says_what_it_leaves_out():
    corpus = [utterance("1", "La casa."), utterance("2", "Año"), utterance("3", "perro", "test"), utterance("4", "...")]
    made = respell_corpus(corpus, "pt", leave_out={respell("año", "es", "pt")})
    assert [(u.id, u.lang, u.text) for u in made.utterances] == [("es-as-pt-1", "pt", respell("la casa", "es", "pt"))]
    assert dict(made.left_out) == {
        "2": "dev or test has its text", "3": "split test", "4": "nothing to be heard in its text"
    }  # fmt: skip
    with pytest.raises(CorpusError, match="no utterance"):
        respell_corpus(corpus[2:], "pt")


def test_a_language_without_a_voice_is_named():
    with pytest.raises(TextError, match="gl"):
        respell("casa", "gl", "pt")
    with pytest.raises(TextError, match="gl"):
        respell_corpus([replace(utterance("1", "casa"), lang="gl")], "pt")


@pytest.mark.parametrize(
    ("spanish", "written"),
    [
        ("perro", "perro"),
        ("guitarra", "guitarra"),
        ("caro", "caro"),
        ("azul", "azul"),
        ("bien", "bien"),
        ("líquido", "líquido"),
        ("sábado", "sábado"),
        ("está", "está"),
        ("hasta", "hasta"),
    ],
)
def test_trills_nasals_and_accents_are_kept(spanish, written):
    assert respell(spanish, "es", "pt") == written
