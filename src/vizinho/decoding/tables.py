"""State machines over letters as tables, filled as a search visits them: language models of letters, and hotwords.

A search follows hundreds of texts at once; a table answers for all of them in one look-up, and asks the model once for
every state and letter.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_MOST_CELLS = 20_000_000
"""Larger tables are emptied before the next search."""


class Table:
    """States by number, the start first; for each state and symbol the next state and its score (nats)."""

    def __init__(
        self, start: Any, step: Callable[[Any, int], tuple[Any, float]], symbols: int, key: Callable[[Any], Hashable]
    ) -> None:
        """`step` gives a state after a symbol (0 to `symbols`), and the score; states of one `key` are one state."""
        self._start, self._step, self._key, self._symbols = start, step, key, symbols
        self.clear()

    def clear(self) -> None:
        """Forget all states but the start."""
        self._states: list[Any] = [self._start]
        self._numbers: dict[Hashable, int] = {self._key(self._start): 0}
        self._next = np.full((64, self._symbols), -1, np.int64)
        self._scores = np.zeros((64, self._symbols))

    @property
    def is_full(self) -> bool:
        """Whether it takes more memory than it should between two searches."""
        return self._next.size > _MOST_CELLS

    def step(self, states: Ints, symbols: Ints) -> tuple[Ints, Floats]:
        """The states after one symbol each, and the scores."""
        after = self._next[states, symbols]
        if (unknown := after < 0).any():
            for state, symbol in set(zip(states[unknown].tolist(), symbols[unknown].tolist(), strict=True)):
                self._fill(state, symbol)
            after = self._next[states, symbols]
        return after, self._scores[states, symbols]

    def one(self, state: int, symbol: int) -> tuple[int, float]:
        """The state after one symbol, and the score."""
        if self._next[state, symbol] < 0:
            self._fill(state, symbol)
        return int(self._next[state, symbol]), float(self._scores[state, symbol])

    def _fill(self, state: int, symbol: int) -> None:
        after, score = self._step(self._states[state], symbol)
        number = self._numbers.setdefault(self._key(after), len(self._states))
        if number == len(self._states):
            self._states.append(after)
            if number == len(self._next):  # double, so that growing costs little
                self._next = np.concatenate([self._next, np.full_like(self._next, -1)])
                self._scores = np.concatenate([self._scores, np.zeros_like(self._scores)])
        self._next[state, symbol], self._scores[state, symbol] = number, score
