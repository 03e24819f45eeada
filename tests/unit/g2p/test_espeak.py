"""The synthesiser: every voice sounds, the same call gives the same samples, and nothing fails in silence."""

from __future__ import annotations

import builtins
import threading
from typing import Any

import numpy as np
import pytest

from vizinho.errors import VizinhoError
from vizinho.g2p import espeak as speak
from vizinho.g2p.espeak import (
    HELD_OUT_VARIANTS,
    TRAIN_VARIANTS,
    Voice,
    other_variant,
    phonemes,
    synthesise,
    voice_of,
    voices_of,
)

pytest.importorskip("espeakng_loader", reason="the optional extra 'speak' is not installed")


def test_training_and_held_out_variants_are_disjoint_and_distinct() -> None:
    every = TRAIN_VARIANTS + HELD_OUT_VARIANTS
    assert len(set(every)) == len(every)
    assert len(TRAIN_VARIANTS) >= 50 and len(HELD_OUT_VARIANTS) >= 10


@pytest.mark.parametrize("variant", TRAIN_VARIANTS + HELD_OUT_VARIANTS)
def test_every_variant_sounds_and_repeats_exactly_after_other_speech(variant: str) -> None:
    voice = Voice("pt-br", variant)
    first = synthesise("avó", voice)
    synthesise("hola", Voice("es", "klatt4", rate_wpm=200))
    assert first.dtype == np.float32 and first.ndim == 1
    assert 0.15 < first.size / 16_000 < 2.0
    assert float(np.sqrt(np.mean(first**2))) > 0.01
    assert np.array_equal(first, synthesise("avó", voice))


@pytest.mark.parametrize("locale", sorted({voice for voices in speak._VOICES.values() for voice in voices}))
def test_every_locale_speaks_and_differs_from_the_others(locale: str) -> None:
    assert synthesise("radio", Voice(locale)).size > 0
    others = {name: phonemes("chinatown giraffe", name) for name in ("pt-br", "en-us", "fr", "it", "de")}
    assert len(set(others.values())) == len(others)


@pytest.mark.parametrize(
    ("language", "voice", "other"),
    [("pt_BR", "pt-br", "pt-pt"), ("por", "pt-br", "pt-pt"), ("pt-PT", "pt", "pt-br"), ("es-MX", "es-419", "es-es"),
     ("eng", "en-us", "en-gb"), ("en-GB", "en", "en-us"), ("ro", "ro", None)],
)  # fmt: skip
def test_a_language_has_a_standard_voice_and_perhaps_another_variant(
    language: str, voice: str, other: str | None
) -> None:
    assert voice_of(language) == voice
    assert other_variant(language) == other


def test_a_language_without_a_voice_is_named() -> None:
    assert voices_of("gl") == ()
    with pytest.raises(VizinhoError, match="no voice for gl"):
        voice_of("gl")


def test_rate_makes_speech_shorter_and_pitch_changes_it() -> None:
    text = "o cavalo corre pelo campo"
    slow, fast = synthesise(text, Voice("pt-br", rate_wpm=110)), synthesise(text, Voice("pt-br", rate_wpm=210))
    assert slow.size > 1.4 * fast.size
    low, high = synthesise(text, Voice("pt-br", pitch=15)), synthesise(text, Voice("pt-br", pitch=85))
    assert _fundamental_hz(high) > 1.3 * _fundamental_hz(low)


def test_different_texts_are_spoken_differently() -> None:
    voice = Voice("pt-br", "f3")
    assert not np.array_equal(synthesise("avó", voice), synthesise("avô", voice))


@pytest.mark.parametrize(
    ("locale", "letter", "typed"), [("uk", "пʼять", "п'ять"), ("gn", "mbaʼe", "mba'e"), ("haw", "hawaiʻi", "hawai'i")]
)
def test_the_letter_apostrophe_sounds_as_the_typed_one(locale: str, letter: str, typed: str) -> None:
    assert phonemes(letter, locale) == phonemes(typed, locale)


@pytest.mark.parametrize("locale", ["fr-fr", "xx-nowhere", "gl"])
def test_a_voice_that_espeak_lacks_is_refused_and_the_voice_before_is_not_used(locale: str) -> None:
    synthesise("hola", Voice("es"))
    with pytest.raises(VizinhoError, match="refused the voice"):
        synthesise("bonjour", Voice(locale))
    with pytest.raises(VizinhoError, match="refused the voice"):
        phonemes("bonjour", locale)


@pytest.mark.parametrize("variant", ["nobody", "../../lang/roa/es", "."])
def test_an_unknown_variant_is_refused(variant: str) -> None:
    with pytest.raises(VizinhoError, match="no voice variant"):
        synthesise("olá", Voice("pt-br", variant))


@pytest.mark.parametrize("field", ["rate_wpm", "pitch", "pitch_range"])
@pytest.mark.parametrize("value", [-1, 10_000])
def test_settings_out_of_range_are_refused(field: str, value: int) -> None:
    with pytest.raises(VizinhoError, match=f"{field} is {value}"):
        Voice("pt-br", **{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "   ", "..."])
def test_a_text_that_gives_silence_is_an_error(text: str) -> None:
    with pytest.raises(VizinhoError, match="silence"):
        synthesise(text, Voice("pt-br"))


def test_a_text_that_would_be_cut_off_is_an_error_and_the_next_one_is_whole() -> None:
    with pytest.raises(VizinhoError, match="more than 60 seconds"):
        synthesise("uma frase que não acaba nunca " * 60, Voice("pt-br"))
    assert 0.3 < synthesise("bom dia", Voice("pt-br")).size / 16_000 < 2


def test_phonemes_of_several_clauses() -> None:
    said = phonemes("Bom dia. Você vem?", "pt-br")
    assert len(said.split()) == 4 and "dʒ" in said
    assert phonemes("", "pt-br") == ""


def test_phonemes_are_the_same_before_and_after_speech() -> None:
    before = phonemes("coração", "pt-br")
    synthesise("hello", Voice("en-us"))
    assert phonemes("coração", "pt-br") == before


def test_threads_get_what_one_thread_gets() -> None:
    jobs = [(text, Voice(locale)) for text, locale in (("casa", "pt-br"), ("house", "en-us"), ("maison", "fr")) * 4]
    alone = [synthesise(*job) for job in jobs]
    together: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda i=i, job=job: together.__setitem__(i, synthesise(*job)))
        for i, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(alone[i], together[i]) for i in range(len(jobs)))


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_espeak(name: str, *rest: Any, **named: Any) -> Any:
        if name == "espeakng_loader":
            raise ImportError(name)
        return real_import(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", no_espeak)
    assert not speak.is_available()
    with pytest.raises(VizinhoError, match=r"vizinho\[speak\]"):
        speak._Engine()


def _fundamental_hz(samples: np.ndarray[Any, Any]) -> float:
    """The highest peak of the autocorrelation between 60 and 400 Hz."""
    spectrum = np.abs(np.fft.rfft(samples, 2 * samples.size)) ** 2
    correlation = np.fft.irfft(spectrum)
    shortest, longest = 16_000 // 400, 16_000 // 60
    return 16_000 / (shortest + int(np.argmax(correlation[shortest:longest])))
