"""What n-gram models say of a text that is written letter by letter, as steps of state machines."""

from __future__ import annotations

import math
from typing import Any

from vizinho.decoding.lm.arpa import LN10
from vizinho.decoding.lm.model import LanguageModel

State = tuple[Any, tuple[int, ...]]
"""KenLM's state, and the symbols that it depends on, by which states are compared."""


class Letters:
    """A character model over numbered letters, the space and the end."""

    def __init__(self, model: LanguageModel, letters: str) -> None:
        self._kenlm = model.kenlm
        # As many rows as letters, then the space, which the model writes as "|".
        self._rows = [model.rows.get(letter, model.unknown_row) for letter in (*letters, "|")]
        self._context = max(model.card.order - 1, 0)

    def start(self) -> State:
        """At the start of a sentence, or of a word that is spelt on its own."""
        return self._kenlm.start(False), (-1,)

    def step(self, state: State, symbol: int) -> tuple[State, float]:
        """State and log-probability of a letter, of the space, or of ending here."""
        if symbol == len(self._rows):
            return state, float(self._kenlm.finish(state[0])[1]) * LN10
        after, log10 = self._kenlm.score(state[0], self._rows[symbol])
        return (after, (*state[1], symbol)[-self._context :] if self._context else ()), log10 * LN10


class Uniform:
    """Spells unknown words where there is no character model: every letter and the end of the word equally likely."""

    def __init__(self, letters: str) -> None:
        self._each = -math.log(len(letters) + 1)

    def start(self) -> State:
        """There is one state."""
        return None, ()

    def step(self, state: State, _symbol: int) -> tuple[State, float]:
        """The end costs as much as a letter."""
        return state, self._each
