"""Which language is spoken: the one whose model hears the beginning clearly and as words of its language."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from vizinho.audio.io import Waveform
from vizinho.errors import TextError
from vizinho.g2p.words import frequent_words, letters_of, word_frequencies
from vizinho.recognition.engines import WordsEngine
from vizinho.recognition.recognizer import Recognizer
from vizinho.server.served import ServedModel
from vizinho.text.language import Language
from vizinho.text.normalize import get_normalizer

DETECT_SECONDS = 12.0  # audio that every candidate listens to


_WORDS = 20_000  # most frequent words that the spelling of a language is learnt from
_SMOOTHING = 0.5
_LETTERS = 40  # about as many letters as a language has; unseen ones share the smoothing
_LEAST = 1e-4  # a word's confidence that counts
_UNKNOWN = -9.0  # evidence of a model that hears nothing


def evidence(recognizer: Recognizer, samples: Waveform, language: str) -> float:
    """How much speaks for a language: mean log-probabilities of what its model hears, by sound and by spelling.

    By sound: of the best token, over the frames that are not blank; a model of another language spreads its
    probability over several letters. By spelling: of each letter after the two before it, as the language's frequent
    words have them; a model that is sure of itself but hears another language writes what nobody would. Neither is
    enough alone: see bench/detect_language.py. Samples (N,) at 16 kHz.
    """
    if samples.size == 0:
        return _UNKNOWN
    if isinstance(recognizer.engine, WordsEngine):
        transcript = recognizer.transcribe(samples)
        spelt = get_normalizer(language).recognised(transcript.text).split()  # without case and punctuation
        sure = [math.log(max(word.confidence, _LEAST)) for word in transcript.words]
        return sum(sure) / len(sure) + spelling(spelt, language) if spelt else _UNKNOWN
    engine = recognizer.ctc
    log_probs = engine.log_probs([samples])[0]
    spoken = log_probs.argmax(axis=1) != engine.blank
    words = recognizer.transcribe(samples).words
    if not spoken.any() or not words:  # silence speaks for no language
        return _UNKNOWN
    return float(log_probs.max(axis=1)[spoken].mean()) + spelling([w.text for w in words], language)


def spelling(words: Sequence[str], language: str) -> float:
    """Mean log-probability of the words' letters, each after the two before it; 0 for a language without word lists."""
    table = _letters_of(Language.of(language).base)
    if table is None:
        return 0.0
    logs = []
    for word in words:
        for before, letter in _steps(word):
            following = table.get(before, {})
            total = sum(following.values()) + _SMOOTHING * _LETTERS  # additive smoothing
            logs.append(math.log((following.get(letter, 0.0) + _SMOOTHING) / total))
    return sum(logs) / len(logs)


def choose(candidates: Sequence[ServedModel], evidences: Sequence[float]) -> tuple[ServedModel, float]:
    """The candidate with the most evidence, and its share (0 to 1) of all candidates' likelihoods."""
    values = np.asarray(evidences)
    best = int(values.argmax())
    return candidates[best], float(1 / np.exp(values - values[best]).sum())  # softmax, its largest term


@lru_cache(maxsize=64)
def _letters_of(language: str) -> dict[str, dict[str, float]] | None:
    """For each two letters, what follows them in frequent words; by square roots, or "the" would be English."""
    try:
        frequencies = word_frequencies(language)
    except TextError:
        return None
    table: dict[str, dict[str, float]] = {}
    for word in frequent_words(language, _WORDS, letters=letters_of(language)):
        weight = math.sqrt(frequencies[word] * 1e9)
        for before, letter in _steps(word):
            following = table.setdefault(before, {})
            following[letter] = following.get(letter, 0.0) + weight
    return table


def _steps(word: str) -> Iterator[tuple[str, str]]:
    marked = f"^{word}$"  # beginnings and ends tell languages apart best
    return ((marked[max(0, i - 2) : i], marked[i]) for i in range(1, len(marked)))
