"""Whisper neither loops nor invents."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_whisper import tiny_whisper
from whispers import NOISES, OFF, PLAIN, load, texts

from vizinho.audio.io import load_audio
from vizinho.model.whisper import TOKENS_AT_LEAST, TOKENS_PER_SECOND
from vizinho.recognition.whisper import WhisperOptions
from vizinho.recognition.whisper_guards import Draft, Guards, best, compression, fault, is_silence, unrepeated

GOOD = Draft((1, 2), "a casa", -0.2, 0.1)


@pytest.mark.parametrize(
    ("draft", "what"),
    [
        (GOOD, ""),
        (replace(GOOD, is_cut=True), "too long"),
        (replace(GOOD, text="na na " * 30), "repeats itself"),
        (replace(GOOD, log_prob=-1.2), ""),
    ],
)
def test_faults(draft, what):
    assert fault(draft, Guards()) == what
    assert fault(replace(draft, is_cut=False), OFF) == ""


def test_unlikely_texts_are_a_fault_where_that_is_wanted():
    assert fault(replace(GOOD, log_prob=-1.2), Guards(redraft_below=-1.0)) == "unlikely"


def test_silence_is_where_the_network_hears_none_and_guesses():
    guess = replace(GOOD, no_speech=0.7, log_prob=-1.2)
    assert is_silence(guess, Guards())
    assert not is_silence(replace(guess, log_prob=-0.3), Guards())
    assert not is_silence(replace(guess, no_speech=0.5), Guards())
    assert not is_silence(guess, replace(Guards(), most_no_speech=None))


def test_of_faulty_texts_the_best_is_taken():
    loop = Draft((1, 2, 3, 2, 3, 2, 3, 2), "na na " * 40, -0.01, 0.1)
    unlikely = replace(GOOD, log_prob=-2.0)
    guards = Guards(redraft_below=-1.0)
    assert best([loop, unlikely, replace(unlikely, log_prob=-1.5)], guards).log_prob == -1.5
    assert best([loop, replace(loop, text="na na " * 80)], guards).tokens == (1, 2, 3, 2)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ((), ()),
        ((1, 1), (1, 1)),
        ((1, 1, 1), (1,)),
        ((5, 1, 2, 1, 2, 1, 2), (5, 1, 2)),
        ((1, 2, 1, 2), (1, 2, 1, 2)),
        ((1, 1, 1, 5), (1, 5)),
        ((5, 1, 2, 1, 2, 1, 2, 1), (5, 1, 2, 1)),
    ],
)
def test_a_loop_is_said_once(tokens, expected):
    assert unrepeated(tokens) == expected


@given(st.lists(st.integers(0, 3), max_size=8), st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(3, 9))
def test_a_loop_is_shortened_and_no_token_lost(before, group, times):
    tokens = (*before, *group * times)
    left = unrepeated(tokens)
    assert len(left) < len(tokens)
    assert set(left) == {*before, *group}


def test_a_loop_is_said_once_where_nothing_is_drafted_again(loops):
    without = texts(load(loops), NOISES)
    assert min(compression(text) for text in without) > 2.4
    with_guard = texts(load(loops, replace(PLAIN, guards=replace(OFF, most_compression=2.4))), NOISES)
    assert all(len(short) < len(long) / 3 for short, long in zip(with_guard, without, strict=True))


def test_temperatures_find_another_text_than_the_loop(loops):
    guards = replace(OFF, most_compression=2.4)
    drafted = texts(load(loops, WhisperOptions(1, (1.0,), guards=guards)), NOISES)
    assert all(len(text) > 30 for text in drafted), drafted  # the loop said once is a few letters
    assert max(map(compression, drafted)) <= 2.4


def test_more_tokens_than_anybody_says_are_not_written(loops):
    guards = replace(OFF, tokens_per_second=20.0)
    short, long = (load(loops, replace(PLAIN, guards=g)) for g in (guards, OFF))
    limit = guards.limit(0.5, 224)
    assert limit == TOKENS_AT_LEAST + TOKENS_PER_SECOND * 0.5  # as the training loop scores
    assert len(texts(long, NOISES[:1])[0]) > 2 * limit
    assert len(texts(short, NOISES[:1])[0]) <= 2 * limit


def test_guesses_into_silence_are_not_written(tmp_path, models):
    guards = replace(OFF, most_no_speech=0.0, least_log_prob=-1.5)  # a tiny network never hears silence
    unsure = tiny_whisper(tmp_path / "m", seed=0, scale=0.5, language="pt")
    assert all(texts(load(unsure), NOISES))
    assert not any(texts(load(unsure, replace(PLAIN, guards=guards)), NOISES))
    sure = models[0][0]
    assert texts(load(sure, replace(PLAIN, guards=guards)), NOISES) == texts(load(sure), NOISES)


def test_where_nobody_speaks_nothing_is_decoded(loops):
    guards = replace(OFF, least_speech=0.2)
    assert not any(texts(load(loops, replace(PLAIN, guards=guards)), [*NOISES, np.zeros(160_000, np.float32)]))


def test_people_speak_says_the_detector(loops, shared):
    guards = replace(OFF, least_speech=0.2)
    clips = [load_audio(file) for file in sorted((shared / "speech" / "pt").glob("*.opus"))[::40]]
    assert all(texts(load(loops, replace(PLAIN, guards=guards)), clips))


def test_what_is_drawn_for_an_utterance_depends_on_it_alone(loops):
    options = WhisperOptions(1, (1.0,), guards=replace(OFF, most_compression=2.4))
    first, second = load(loops, options), load(loops, options)
    expected = texts(first, NOISES)
    assert [texts(second, [samples])[0] for samples in reversed(NOISES)] == expected[::-1]
    assert texts(first, NOISES) == expected
