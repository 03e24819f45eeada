"""CTC beam search with a lexicon, language models and hotwords, for any token inventory.

The models look at letters, so characters and pieces, known and unknown words are handled alike.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vizinho.decoding.greedy import Emission, Hypothesis, LogProbs, emissions_along
from vizinho.decoding.hotwords import Boosting, Hotwords
from vizinho.decoding.lexicon import Entry, Lexicon
from vizinho.decoding.lm.arpa import LN10
from vizinho.decoding.lm.counts import SPECIAL, UNKNOWN
from vizinho.decoding.lm.model import LanguageModel
from vizinho.decoding.lm.writing import Letters, Uniform
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.search import Parts, Search, Words, hash_of
from vizinho.decoding.tables import Table
from vizinho.errors import ModelError, TextError
from vizinho.text.tokens import PIECE_SPACE, TokenInventory, writes
from vizinho.text.written import is_mark

LONGEST = 64
"""Letters of the longest spelling in a lexicon."""
Spellings = Mapping[str, Mapping[str, float]]
"""For each word its spellings and their log-probabilities."""


class BeamDecoder:
    """A beam search set up for one token inventory; searches of one decoder take turns, on any threads."""

    def __init__(
        self,
        inventory: TokenInventory,
        options: BeamOptions | None = None,
        *,
        words: LanguageModel | None = None,
        letters: LanguageModel | None = None,
        spellings: Spellings | None = None,
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        """Set up the search.

        Args:
            inventory: The recogniser's tokens.
            options: Weights and widths.
            words: A word model. Words outside its vocabulary are spelt by `letters` if given; without it every letter
                costs the same.
            letters: A character model; alone, it scores the text letter by letter.
            spellings: How words are spelt where it is not as they are, and words that the model does not know.
            hotwords: Normalised words or phrases, and the nats each is worth.

        Raises ModelError when a model is of the other unit or an inventory has no blank, TextError for an empty
        lexicon and for spellings without a word model.
        """
        if "blank" not in inventory.roles:
            raise ModelError("the tokens have no blank", where="beam search", fix="give a CTC recogniser")
        if spellings and words is None:
            raise TextError("a lexicon without a word model", where="beam search", fix="give a language model of words")
        self._inventory, self._options = inventory, options or BeamOptions()
        self._searching = threading.Lock()  # tables grow while they are used
        own = "".join(sorted(letters_of(inventory)))
        by_letter = Letters(_of_unit(letters, "char"), own) if letters else None
        by_word = None
        if words is not None:
            by_word = _words(_of_unit(words, "word"), own, spellings or {}, _table(by_letter or Uniform(own), own))
        parts = Parts(
            tuple(_small(writes(t, role), own) for t, role in zip(inventory.tokens, inventory.roles, strict=True)),
            inventory.roles.index("blank"),
            own,
            by_word,
            # Letters that spell unknown words are part of the word model and must not score the text a second time.
            _table(by_letter, own) if by_letter and by_word is None else None,
        )
        self._parts = _favouring(parts, hotwords or {})

    @property
    def options(self) -> BeamOptions:
        """Weights and widths."""
        return self._options

    @property
    def letters(self) -> frozenset[str]:
        """Letters that the tokens can write."""
        return frozenset(self._parts.letters)

    @property
    def scores_words(self) -> bool:
        """Whether a word model takes part."""
        return self._parts.words is not None

    @property
    def scores_letters(self) -> bool:
        """Whether a character model scores the text, rather than unknown words alone."""
        return self._parts.characters is not None

    def with_options(self, options: BeamOptions) -> BeamDecoder:
        """This search with other weights; its models are shared, not loaded again."""
        other = copy.copy(self)
        other._options = options
        return other

    def with_hotwords(self, hotwords: Mapping[str, float]) -> BeamDecoder:
        """This search with other hotwords; its models are shared, not loaded again."""
        other = copy.copy(self)
        other._parts = _favouring(self._parts, hotwords)
        return other

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        """Emissions of the best hypothesis for log-probabilities (T, V)."""
        return [emission for best in self.n_best(log_probs, 1) for emission in best.emissions]

    def n_best(self, log_probs: LogProbs, count: int) -> list[Hypothesis]:
        """At most `count` different texts for log-probabilities (T, V), the best first; none for no frames."""
        frames, width = log_probs.shape
        if width != len(self._inventory.tokens):
            raise ModelError(
                f"{width} log-probabilities a frame, {len(self._inventory.tokens)} tokens",
                where="beam search",
                fix="give the inventory of the model that was run",
            )
        if not frames:
            return []
        with self._searching:
            results = Search(self._parts, self._options)(log_probs)
        best: dict[str, Hypothesis] = {}
        for result in results:
            spelt = self._spelt(result.path)
            # Words of the lexicon are written in their own way, whatever letters the network wrote.
            text = (
                " ".join(w or s for w, s in zip(result.words, spelt, strict=True)) if result.words else " ".join(spelt)
            )
            if text not in best:
                emissions = tuple(emissions_along(result.path, log_probs, self._parts.blank))
                score = result.acoustic + result.lm
                best[text] = Hypothesis(text, emissions, score, result.acoustic, result.lm)
            if len(best) == count:
                break
        return list(best.values())

    def _spelt(self, path: np.ndarray) -> list[str]:
        """The letters of each word of a path of one token per frame, (T,)."""
        changes = path[np.concatenate(([True], np.diff(path) != 0))]  # repeats of a token are one token
        return "".join(self._parts.steps[t] for t in changes).split()


def _words(model: LanguageModel, letters: str, spellings: Spellings, speller: Table) -> Words:
    """A word model with its lexicon and a speller of unknown words."""
    unknown = model.unigrams[UNKNOWN] * LN10
    known = {word: log10 * LN10 for word, log10 in model.unigrams.items() if word not in SPECIAL}
    # Words that the model does not know have the score of the unknown word and cost no letters.
    alone = {**dict.fromkeys(spellings, unknown), **known}
    allowed = set(letters)
    entries = [
        Entry(word, spelling, log_prob + cost)
        for word, log_prob in alone.items()
        for spelling, cost in spellings.get(word, {word: 0.0}).items()
        if len(spelling) <= LONGEST and allowed.issuperset(spelling)
    ]
    lexicon = Lexicon(entries, {letter: number for number, letter in enumerate(letters)})
    rows = tuple(model.rows.get(e.word, model.unknown_row) for e in lexicon.entries)
    costs = tuple(spellings.get(e.word, {}).get(e.spelling, 0.0) for e in lexicon.entries)
    return Words(lexicon, model.kenlm, rows, costs, model.unknown_row, unknown, speller)


def _table(model: Letters | Uniform, letters: str) -> Table:
    return Table(model.start(), model.step, len(letters) + 2, lambda state: state[1])  # the space and the end too


def _favouring(parts: Parts, boosts: Mapping[str, float]) -> Parts:
    if not boosts:
        return replace(parts, hotwords=None, favoured=frozenset())
    hotwords, letters = Hotwords(boosts), parts.letters

    def step(state: Boosting, symbol: int) -> tuple[Boosting, float]:
        if symbol < len(letters):
            return hotwords.letter(state, letters[symbol])
        return hotwords.boundary(state) if symbol == len(letters) else (state, hotwords.end(state))

    table = Table(hotwords.start(), step, len(letters) + 2, lambda state: tuple(map(id, state)))
    return replace(parts, hotwords=table, favoured=frozenset(hash_of(word, letters) for word in hotwords.words))


def letters_of(inventory: TokenInventory) -> frozenset[str]:
    """Letters that the tokens can write, as language models know them: without capitals and marks beside them."""
    letters = frozenset("".join(inventory.letters)) - {PIECE_SPACE}
    return frozenset(c for c in letters if not is_mark(c) and (c == c.lower() or c.lower() not in letters))


def _small(step: str, letters: str) -> str:
    """What a token writes, in the letters that language models know."""
    # The path keeps the tokens themselves, and with them capitals and marks.
    return "".join(c if c == " " or c in letters else c.lower() for c in step if not is_mark(c) or c in letters)


def _of_unit(model: LanguageModel, unit: str) -> LanguageModel:
    if model.card.unit != unit:
        what = f"it is a model of {model.card.unit}s, not of {unit}s"
        raise ModelError(what, where=model.path, fix="swap the models")
    return model
