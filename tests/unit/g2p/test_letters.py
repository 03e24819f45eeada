"""Letter similarity: what phonetics says of Portuguese letters beside Spanish and English ones, and the arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.g2p import letters as phonetics
from vizinho.g2p.letters import (
    LetterSimilarity,
    base_letter_similarity,
    letter_similarity,
    letter_sounds,
    phone_likeness,
    segments,
)
from vizinho.g2p.words import is_listed, letters_of
from vizinho.text.alphabets import alphabet

PHONES = (*"pbtdkɡmnɲszʃʒfvlɾaeiouɐɛɔ", "o\u0303", "ɐ\u0303", "c\u0327")


def _similarity(target: str, donor: str) -> LetterSimilarity:
    pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
    found = letter_similarity(target, donor, tuple(alphabet(target)), tuple(alphabet(donor)))
    assert found is not None
    return found


def _nearest(similarity: LetterSimilarity, letter: str, count: int = 1) -> list[str]:
    order = np.argsort(-similarity.values[similarity.targets.index(letter)], kind="stable")
    return [similarity.donors[i] for i in order[:count]]


@pytest.mark.parametrize(
    ("letter", "accepted"),
    [
        ("ã", "aá"),
        ("â", "aá"),
        ("à", "aá"),
        ("ç", "szc"),
        ("õ", "oó"),
        ("ô", "oó"),
        ("ê", "eé"),
        ("v", "vb"),
        ("z", "zs"),
    ],
)
def test_portuguese_letters_find_their_spanish_neighbours(letter: str, accepted: str) -> None:
    assert _nearest(_similarity("pt", "es"), letter)[0] in accepted


@pytest.mark.parametrize(
    ("letter", "accepted"),
    [("ã", "a"), ("á", "a"), ("ç", "szc"), ("õ", "o"), ("é", "e"), ("í", "i"), ("ú", "u"), ("j", "j")],
)
def test_portuguese_letters_find_their_english_neighbours(letter: str, accepted: str) -> None:
    assert _nearest(_similarity("pt", "en"), letter)[0] in accepted


def test_spanish_letters_that_english_lacks() -> None:
    similarity = _similarity("es", "en")
    assert _nearest(similarity, "ñ")[0] == "n"
    assert similarity.values[similarity.targets.index("j"), similarity.donors.index("j")] < 0.8


@pytest.mark.parametrize("language", ["pt", "es", "en"])
def test_every_letter_is_wholly_like_itself_and_most_like_its_own_base(language: str) -> None:
    similarity = _similarity(language, language)
    assert np.allclose(np.diag(similarity.values), 1.0)
    assert np.allclose(similarity.values, similarity.values.T)
    assert similarity.values.min() >= 0.0 and similarity.values.max() <= 1.0


def test_letters_are_aligned_to_the_sounds_they_are_known_for() -> None:
    pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
    pt, es = letter_sounds("pt"), letter_sounds("es")
    assert pt["ç"] == {("s",): 1.0}
    assert pt["ã"].get(("ɐ̃",), 0) > 0.8 and pt["õ"].get(("o\u0303",), 0) > 0.8
    assert pt["c"].keys() >= {("k",), ("s",)}
    assert es["ñ"] == {("ɲ",): 1.0} and es["z"] == {("s",): 1.0}
    assert ("k", "s") in es["x"]
    for sounds in (*pt.values(), *es.values()):
        assert 0.75 < sum(sounds.values()) <= 1.0 + 1e-9


def test_evidence_names_both_sounds() -> None:
    similarity = _similarity("pt", "es")
    assert similarity.evidence("ç", "s") == "ç is said [s], as s is"
    assert similarity.evidence("v", "f") == "v is said [v], f is said [f]"
    assert base_letter_similarity("ç", "c").evidence("ç", "c") == "ç like c by spelling"


def test_a_language_without_a_voice_and_a_missing_extra_give_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert letter_similarity("gl", "es", "a", "a") is None
    monkeypatch.setattr(phonetics, "is_available", lambda: False)
    assert letter_similarity("pt", "es", "a", "a") is None


def test_locales_and_unknown_tokens_do_no_harm() -> None:
    pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")
    found = letter_similarity("pt-br", "es-419", ("a", "字"), ("a", "я"))
    assert found is not None
    assert found.values[0, 0] > 0.9 and found.values.sum() == found.values[0, 0]
    assert letter_similarity("pt", "es", (), ("a",)).values.shape == (0, 1)  # type: ignore[union-attr]


def test_base_letters_without_espeak() -> None:
    similarity = base_letter_similarity("ãçñßœa", "acnsoez")
    by_pair = {
        (a, b): similarity.values[i, j]
        for i, a in enumerate(similarity.targets)
        for j, b in enumerate(similarity.donors)
        if similarity.values[i, j] > 0
    }
    assert by_pair == {
        ("ã", "a"): 1.0, ("ç", "c"): 1.0, ("ç", "s"): 0.6, ("ç", "z"): 0.6, ("ñ", "n"): 1.0, ("ß", "s"): 0.6,
        ("œ", "o"): 0.6, ("œ", "e"): 0.6, ("a", "a"): 1.0,
    }  # fmt: skip


def test_segments_join_marks_drop_stress_and_repair_portuguese() -> None:
    assert segments("koɾasˈɐ̃ʊ̃", "pt") == ("k", "o", "ɾ", "a", "s", "ɐ̃", "ʊ̃")
    assert segments("lˈeɪty", "pt") == ("l", "e", "ɪ", "t", "i")
    assert segments("kˈazæ", "pt") == ("k", "a", "z", "ɐ")
    assert segments("mˈʌðɚ kæt", "en")[-2] == "æ"
    assert segments("", "pt") == ()


@given(st.sampled_from(PHONES), st.sampled_from(PHONES))
def test_phones_are_alike_both_ways(a: str, b: str) -> None:
    assert phone_likeness(a, b) == pytest.approx(phone_likeness(b, a))
    assert (phone_likeness(a, b) == 1.0) == (a == b)
    assert 0.0 <= phone_likeness(a, b) <= 1.0


def test_phones_that_share_more_features_are_more_alike() -> None:
    assert phone_likeness("s", "z") > phone_likeness("s", "t") > phone_likeness("s", "a")
    assert phone_likeness("o\u0303", "o") > phone_likeness("o\u0303", "i")
    assert phone_likeness("ɐ", "a") > phone_likeness("ɐ", "e")
    assert phone_likeness("ɐ\u0303", "a") > phone_likeness("ɐ\u0303", "e")
    assert phone_likeness("c\u0327", "x") > phone_likeness("c\u0327", "m")
    assert phone_likeness("ɲ", "n") > phone_likeness("ɲ", "k")


def test_marks_of_another_languages_words_are_no_phones() -> None:
    assert segments("(en)pɛni(fr)", "fr") == ("p", "ɛ", "n", "i")


@pytest.mark.parametrize(("target", "donor"), [("ro", "it"), ("hi", "ne"), ("bn", "hi")])
def test_languages_without_an_alphabet_of_ours_are_compared_by_the_letters_of_their_words(
    target: str, donor: str
) -> None:
    if not is_listed(donor):
        assert letter_similarity(target, donor, "a", "a") is None
        return
    targets, donors = letters_of(target), letters_of(donor)
    similarity = letter_similarity(target, donor, targets, donors)
    assert similarity is not None and similarity.values.shape == (len(targets), len(donors))
    sounded = [row for row, letter in enumerate(targets) if letter in similarity.sounds]
    assert len(sounded) > 20 and (similarity.values[sounded].max(axis=1) > 0.3).mean() > 0.8
