"""Texts with their capitals and marks."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.errors import TextError
from vizinho.text.normalize import get_normalizer
from vizinho.text.written import MARKS, is_mark, recognised_as_written, without_marks, written_text

SHARED = Path(os.environ.get("VIZINHO_SHARED", "../shared"))
PIECES = [
    "Olá",
    "olá,",
    "mundo!",
    "(É",
    "guarda-chuva",
    "d’Água",
    "21",
    "R$ 5,00",
    "...",
    "–",
    "Sr.",
    "?",
    "«Sim»;",
    "TV",
]


@pytest.mark.parametrize(
    ("language", "text", "result"),
    [
        ("pt", "Olá, mundo! Tudo bem?", "Olá, mundo! Tudo bem?"),
        ("pt", "O guarda-chuva da Ana: «novo»…", "O guarda chuva da Ana, novo."),
        ("pt", "Custa 21 reais.", "Custa vinte e um reais."),
        ("pt", "Sim .", "Sim."),
        ("pt", "— Sim; (Não)", "Sim, Não"),
        ("pt", "Custa R$ 5 hoje.", "Custa cinco reais hoje."),
        ("es", "¿Qué tal, Juan?", "Qué tal, Juan?"),
        ("ca", "L'Anna és a Sant Cugat", "L'Anna és a Sant Cugat"),
        ("tr", "İstanbul ve Iğdır.", "İstanbul ve Iğdır."),
        ("ar", "كيف حالك؟", "كيف حالك؟"),
        ("de", "", ""),
        ("de", "?!", ""),
    ],
)
def test_capitals_and_marks_stay(language, text, result):
    assert written_text(text, get_normalizer(language)) == result


@given(st.lists(st.sampled_from(PIECES)).map(" ".join) | st.text(alphabet="aAbÉéÇ,.?!'-; 1ºI", max_size=20))
def test_without_capitals_and_marks_it_is_the_normalised_text(text):
    normalizer = get_normalizer("pt")
    try:
        plain = normalizer(text)
    except TextError:
        return
    result = written_text(text, normalizer)
    assert normalizer(result) == plain
    assert written_text(result, normalizer) == result
    assert without_marks(result).lower() == plain


def test_marks_are_listed_once():
    assert all(is_mark(mark) for mark in MARKS)
    assert not any(is_mark(token) for token in (":", "…", "a", "", ".,", "'", "-"))


def test_what_a_recogniser_wrote_is_never_refused():
    normalizer = get_normalizer("gv")
    with pytest.raises(TextError):
        written_text("Three 3", normalizer)
    assert recognised_as_written("Three 3", normalizer) == "three 3"
    assert recognised_as_written("Moghrey mie.", normalizer) == "Moghrey mie."


@pytest.mark.skipif(not (SHARED / "speech").is_dir(), reason="VIZINHO_SHARED names no folder with recordings")
@pytest.mark.parametrize(("corpus", "language"), [("pt_read", "pt"), ("es", "es"), ("en", "en")])
def test_texts_of_real_recordings_keep_their_capitals_and_marks(corpus, language):
    normalizer, same = get_normalizer(language), 0
    texts = {json.loads(line)["text"] for line in (SHARED / "speech" / f"{corpus}.jsonl").read_text().splitlines()}
    for text in texts:
        result = written_text(text, normalizer)
        assert normalizer(result) == normalizer(text)
        same += sum(c.isupper() for c in result) == sum(c.isupper() for c in text)
    assert same / len(texts) > 0.95
