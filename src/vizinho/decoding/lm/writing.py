"""Scores of language models for a text that is written letter by letter: by words, or by letters."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

from vizinho.decoding.lm.arpa import LN10
from vizinho.decoding.lm.counts import SPECIAL, UNKNOWN
from vizinho.decoding.lm.model import LanguageModel

_FORBIDDEN = -1e4
"""Instead of infinity, so that a search with nothing else left still returns a text."""

Spelling = tuple[Any, float]
"""KenLM's state within a word, and the log-probability of its letters so far."""


class Letters:
    """A character model; every method returns the next state and the log-probability of the step."""

    def __init__(self, model: LanguageModel) -> None:
        self._kenlm, self._rows, self._unknown = model.kenlm, model.rows, model.unknown_row

    def start(self) -> Any:
        """State at the start of a sentence (or of a word that is spelt on its own)."""
        return self._kenlm.start(False)

    def step(self, state: Any, letter: str) -> tuple[Any, float]:
        """A letter, or "|" for the space."""
        after, log10 = self._kenlm.score(state, self._rows.get(letter, self._unknown))
        return after, log10 * LN10

    def end(self, state: Any) -> float:
        """Log-probability of ending here."""
        return float(self._kenlm.finish(state)[1]) * LN10


class Uniform:
    """Spells unknown words where there is no character model: every letter and the end of the word equally likely."""

    def __init__(self, letters: int) -> None:
        self._each = -math.log(letters + 1)

    def start(self) -> None:
        """There is no state."""

    def step(self, state: Any, letter: str) -> tuple[Any, float]:
        """Every letter costs as much."""
        return None, self._each

    def end(self, state: Any) -> float:
        """The end costs as much as a letter."""
        return self._each


@dataclass(frozen=True, slots=True)
class WordState:
    """Within or before a word."""

    history: Any
    """KenLM's state after the last whole word."""
    prefix: str
    spelling: Spelling
    expected: float
    """What was already counted for the word in progress."""


class Words:
    """A word model over letters: a word in progress has the score of the likeliest word that begins with its letters.

    That is replaced by the word's own score after its history when the word is complete. A word outside the vocabulary
    costs the unknown word and its letters by a speller (a character model, or uniform): P(word) = P(<unk> | history)
    P(letters), so that known and unknown words compete as probabilities.
    """

    def __init__(
        self, model: LanguageModel, speller: Letters | Uniform, also_known: frozenset[str] = frozenset()
    ) -> None:
        """Words of `also_known` are unknown to the model but cost no letters."""
        self._kenlm, self._rows, self._unknown = model.kenlm, model.rows, model.unknown_row
        self._speller, self._also_known = speller, also_known
        self._unknown_words, self._unknown_score = True, 0.0
        self._alone_unknown = model.unigrams[UNKNOWN] * LN10
        self._ahead: dict[str, float] = {}
        for word, log10 in model.unigrams.items():
            if word not in SPECIAL:
                self._look_ahead(word, log10 * LN10)
        for word in also_known - model.unigrams.keys():  # hotwords that the model does not know
            self._look_ahead(word, self._alone_unknown)

    def with_unknown(self, allowed: bool, score: float) -> Words:
        """This model with unknown words allowed or not, and a score (a log-probability) added to each of them."""
        other = copy.copy(self)
        other._unknown_words, other._unknown_score = allowed, score
        return other

    def _look_ahead(self, word: str, log_prob: float) -> None:
        for prefix in (word[:end] for end in range(1, len(word) + 1)):
            self._ahead[prefix] = max(log_prob, self._ahead.get(prefix, -math.inf))

    def start(self) -> WordState:
        """State before any word."""
        return WordState(self._kenlm.start(False), "", (self._speller.start(), 0.0), 0.0)

    def letter(self, state: WordState, letter: str) -> tuple[WordState, float]:
        """State and change of log-probability."""
        prefix = state.prefix + letter
        inside, cost = self._speller.step(state.spelling[0], letter)
        spelling = (inside, state.spelling[1] + cost)
        ahead = self._ahead.get(prefix, _FORBIDDEN)  # no known word begins so
        if self._unknown_words:
            ahead = max(ahead, self._alone_unknown + spelling[1] + self._unknown_score)
        return WordState(state.history, prefix, spelling, ahead), ahead - state.expected

    def boundary(self, state: WordState) -> tuple[WordState, float]:
        """State and change of log-probability when the word in progress is whole."""
        row = self._rows.get(state.prefix, self._unknown)  # KenLM's index of the word
        history, log10 = self._kenlm.score(state.history, row)
        score = log10 * LN10
        if row == self._unknown and state.prefix not in self._also_known:
            score += state.spelling[1] + self._speller.end(state.spelling[0]) + self._unknown_score
            score = score if self._unknown_words else _FORBIDDEN
        # The look-ahead was counted letter by letter; only the difference is left to count.
        return WordState(history, "", (self._speller.start(), 0.0), 0.0), score - state.expected

    def end(self, state: WordState) -> float:
        """Log-probability of ending the sentence after the last whole word."""
        return float(self._kenlm.finish(state.history)[1]) * LN10
