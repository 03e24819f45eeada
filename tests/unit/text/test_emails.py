import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.text.emails import emails, knows_emails

LANGUAGES = ["ca", "de", "en", "es", "fr", "gl", "it", "nl", "pt", "pt-BR"]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("pt", "escreva a <ana ponto silva arroba exemplo ponto com ponto br> hoje"),
        ("es", "es <ana guión bajo lópez veintitrés arroba correo punto es>"),
        ("es", "es <m a r i a arroba correo punto es>"),
        ("es", "la arroba es un signo y el punto también"),
        ("fr", "à <jean tiret paul arobase exemple point net>"),
        ("de", "an <hans punkt müller at netz punkt de> bitte"),
        ("it", "scrivi a <ana chiocciola posta punto it>"),
        ("en", "meet me at noon mail <j dot doe twenty three at g mail dot com> ok"),
        ("en", "we met at the station and look at this dot"),
        ("en", "<c o at x y z dot c o dot u k>"),
        ("en", "<Ana.Maria at Example.org.> <Bob @ example.org>"),
        ("en", "<ana@example.org,> <bob@ example.org,> <tim @example.org>"),
        ("en", ""),
    ],
)
def test_addresses_are_found_as_they_are_spoken_and_written(language, text):
    words = text.replace("<", "").replace(">", "").split()
    places = emails(words, language)
    starts, ends = {start for start, _ in places}, {end - 1 for _, end in places}
    marked = ["<" * (n in starts) + word + ">" * (n in ends) for n, word in enumerate(words)]
    assert " ".join(marked) == text


@given(
    st.sampled_from(LANGUAGES),
    st.lists(st.sampled_from(["casa", "a", "7", "arroba", "at", "punto", "dot", "x.org", "-", "@", "a@b.org", "?"])),
)
def test_places_are_in_order_and_apart(language, words):
    places = emails(words, language)
    edges = [edge for place in places for edge in place]
    assert edges == sorted(edges) and all(start < end for start, end in places)
    # Whatever else is around it, a written address is part of one.
    inside = {place for start, end in places for place in range(start, end)}
    assert all(place in inside for place, word in enumerate(words) if word == "a@b.org")


def test_languages_whose_words_are_not_known_are_named():
    assert all(knows_emails(language) for language in LANGUAGES) and not knows_emails("qu")
