"""What texts show of their spelling: characters by kind, and signs that they use as letters."""

from __future__ import annotations

import json

import pytest

from vizinho.text.evidence import spelling_report
from vizinho.text.normalize import get_normalizer


def test_every_character_is_counted_as_what_it_is() -> None:
    report = spelling_report(["Água, água! ½ d'água", "5 % ñ", "não: 5"], get_normalizer("pt"))
    assert report.letters["á"] == 3 and report.letters["ã"] == 1
    assert report.other_letters == {"ñ": 1}
    assert report.joiners == {"'": 1}
    assert report.read_out == {"%": 1, "5": 2}
    assert report.dropped == {"½": 1}
    assert report.punctuation == {"!": 1, ",": 1, ":": 1}
    assert report.suggestions == () and report.suggested == get_normalizer("pt").orthography
    json.dumps(report.to_json())


@pytest.mark.parametrize(
    ("language", "words", "key", "signs"),
    [
        ("ztu", "ra:aaly bu:unny re:e na:a ti:i lo:o", "joiners", ":"),
        ("kwi", "m+jan k+s p+n t+t w+l s+s", "letters", "+"),
        ("arp", "hinono' beete' neyei' heetee' niisi' xook'", "letters", "'"),
        ("trq", "ma1 ne3 si4 to2 ku5 we31", "tones", "12345"),
        ("maz", "ma¹ ne³ si⁴ to² ku⁵ we³", "tones", "¹²³⁴⁵"),
        ("thp", "u7x sku7mi xa7a ta7m wu7x n7m", "letters", "7"),
    ],
)
def test_signs_that_stand_as_letters_are_suggested(language: str, words: str, key: str, signs: str) -> None:
    texts = [f"kana {word} lo" for word in words.split()] * 5
    report = spelling_report(texts, get_normalizer(language))
    (suggestion,) = report.suggestions
    assert (suggestion.key, sorted(suggestion.signs)) == (key, sorted(signs))
    assert suggestion.words == 30 and suggestion.examples[0] in words
    kept = get_normalizer(language, report.suggested)
    assert kept(texts[0]) == texts[0]


@pytest.mark.parametrize(
    "texts",
    [
        ["diz 'sim' e 'não'"] * 40,
        ["guarda-chuva e/ou casa.br, a,b"] * 40,
        ["uma casa"] * 4000 + ["a:b c:d e:f"] * 8,
        ["5 casas 10m"] * 10,
        [],
    ],
    ids=["quotes", "separators", "rare", "numbers", "none"],
)
def test_what_stands_between_words_is_not_suggested(texts: list[str]) -> None:
    assert spelling_report(texts, get_normalizer("pt")).suggestions == ()


def test_texts_that_cannot_be_normalised_are_left_out() -> None:
    report = spelling_report(["mbaʼe 3", "mbaʼe"], get_normalizer("gn"))
    assert report.letters["ʼ"] == 1
