"""Scores a text in progress by everything but the sound: language model, scores per word and letter, hotwords.

flashlight's search asks for the score of one more token after a text. A text is a node; its children are stored, so
each is scored once, however often the search comes back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flashlight.lib.text.decoder import LM, LMState

from vizinho.decoding.beam import BeamOptions
from vizinho.decoding.hotwords import Boosting, Hotwords
from vizinho.decoding.lm.writing import Letters, Words


@dataclass(frozen=True, slots=True)
class Opinions:
    """The parts that score; any may be missing. They hold no state and serve many searches at once."""

    options: BeamOptions
    steps: tuple[str, ...]
    """What each of the V tokens writes: letters, and a space where a word ends."""
    words: Words | None = None
    letters: Letters | None = None
    hotwords: Hotwords | None = None


class _Node(LMState):  # type: ignore[misc]
    """A text in progress, with the state of each part."""

    def __init__(self, in_word: bool, word: Any, letter: Any, space: bool, boosting: Boosting) -> None:
        super().__init__()
        self.in_word, self.word, self.letter, self.space, self.boosting = in_word, word, letter, space, boosting
        self.after: dict[int, tuple[_Node, float]] = {}  # by token
        self.ended: tuple[_Node, float] | None = None


class Fusion(LM):  # type: ignore[misc]
    """The language model that flashlight sees in one search."""

    def __init__(self, opinions: Opinions) -> None:
        super().__init__()
        self._opinions, self._options = opinions, opinions.options
        self._nodes: list[_Node] = []  # the search holds bare pointers, so Python must not free them

    def start(self, _start_with_nothing: bool) -> _Node:
        """The empty text."""
        o = self._opinions
        word = o.words.start() if o.words else None
        letter = o.letters.start() if o.letters else None
        return self._keep(_Node(False, word, letter, False, o.hotwords.start() if o.hotwords else ()))

    def score(self, node: _Node, token: int) -> tuple[_Node, float]:
        """The text with one more token, and the change of score (nats)."""
        if token not in node.after:
            node.after[token] = self._written(node, self._opinions.steps[token])
        return node.after[token]

    def finish(self, node: _Node) -> tuple[_Node, float]:
        """The text at its end, and the change of score (nats)."""
        if node.ended is None:
            last, score = self._boundary(node)
            o, weight = self._opinions, self._options.lm_weight
            if o.words:
                score += weight * o.words.end(last.word)
            if o.letters:
                score += weight * o.letters.end(last.letter)
            if o.hotwords:
                score += o.hotwords.end(last.boosting)
            node.ended = (self._keep(last), score)
        return node.ended

    def _written(self, node: _Node, step: str) -> tuple[_Node, float]:
        total, after = 0.0, node  # a piece may write several letters, and the space before them
        for character in step:
            after, score = self._boundary(after) if character == " " else self._letter(after, character)
            total += score
        # A token that writes nothing leads back to the same node, so that the search merges both ways to it.
        return (after if after is node else self._keep(after)), total

    def _letter(self, node: _Node, letter: str) -> tuple[_Node, float]:
        o, score = self._opinions, self._options.letter_score
        word, inside, boosting = node.word, node.letter, node.boosting
        if o.words:
            word, gained = o.words.letter(word, letter)
            score += self._options.lm_weight * gained
        if o.letters:
            if node.space:  # counted only now: there is no space at the end of a text
                inside, gained = o.letters.step(inside, "|")
                score += self._options.lm_weight * gained
            inside, gained = o.letters.step(inside, letter)
            score += self._options.lm_weight * gained
        if o.hotwords:
            boosting, gained = o.hotwords.letter(boosting, letter)
            score += gained
        return _Node(True, word, inside, False, boosting), score

    def _boundary(self, node: _Node) -> tuple[_Node, float]:
        """A word ends; spaces before the first word, or after a space, write nothing."""
        if not node.in_word:
            return node, 0.0
        o, score = self._opinions, self._options.word_score
        word, boosting = node.word, node.boosting
        if o.words:
            word, gained = o.words.boundary(word)
            score += self._options.lm_weight * gained
        if o.hotwords:
            boosting, gained = o.hotwords.boundary(boosting)
            score += gained
        return _Node(False, word, node.letter, True, boosting), score

    def _keep(self, node: _Node) -> _Node:
        self._nodes.append(node)
        return node
