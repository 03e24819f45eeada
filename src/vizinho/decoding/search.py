"""A CTC beam search over letters or pieces, with a lexicon, language models and hotwords; all hypotheses at once.

A hypothesis is a text and the token that the last frame had (Graves 2012; Hannun et al. 2014 add up the alignments of
a text). While a word is written it has the score of the likeliest word that begins with its letters; when the word is
whole, this advance is replaced by the word's own score. Off the lexicon's tree, letters pay the price of an unknown
word. So every text has one score, however it is cut into tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.decoding.greedy import LogProbs, Path
from vizinho.decoding.lexicon import NO_WORD, NOWHERE, ROOT, Lexicon
from vizinho.decoding.lm.arpa import LN10
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.tables import Table

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_FORBIDDEN = -1e4
"""Instead of infinity, so that a search with nothing else left still returns a text."""
_NEVER = -1e30
_HASH = np.int64(6364136223846793005)
_MIX = np.array([-7046029254386353131, -4417276706812531889, 3935559000370003845], np.int64)
"""Odd numbers with mixed bits; arithmetic wraps around at 64 bits."""


@dataclass(frozen=True, slots=True)
class Words:
    """A word model and its lexicon. Each entry has a row of the model; those that it does not know, the unknown's."""

    lexicon: Lexicon
    kenlm: Any
    rows: tuple[int, ...]
    """Of each entry of the lexicon."""
    spelling: tuple[float, ...]
    """log P(spelling | word) of each entry."""
    unknown_row: int
    unknown: float
    """log P(an unknown word), alone."""
    speller: Table
    """Letters of unknown words."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a search is made of; any of the last three may be missing. Tables grow while they are used."""

    steps: tuple[str, ...]
    """What each of the V tokens writes: letters, and a space where a word ends."""
    blank: int
    letters: str
    words: Words | None = None
    characters: Table | None = None
    hotwords: Table | None = None
    favoured: frozenset[int] = frozenset()
    """`hash_of` the hotwords' words: where the model does not know them, they cost no letters."""

    @property
    def space(self) -> int:
        """Number of the space among the symbols of tables; letters come before it, the end after it."""
        return len(self.letters)


def hash_of(word: str, letters: str) -> int:
    """What a search calls a word of these letters."""
    text = np.zeros(1, np.int64)
    for letter in word:
        text = _longer(text, np.array([letters.index(letter)]))
    return int(text[0])


def _longer(text: Ints, symbols: Ints) -> Ints:
    return text * _HASH + (symbols + 1)


class History:
    """Whole words of a text, in a chain."""

    __slots__ = ("after", "before", "number", "state", "word")

    def __init__(self, before: History | None, word: str | None, state: Any, number: int) -> None:
        self.before, self.word, self.state, self.number = before, word, state, number
        """`word` is None where the tokens say what the word is; `state` is KenLM's."""
        self.after: dict[int, list[tuple[History, float]]] = {}

    def words(self) -> list[str | None]:
        """All words, the first first."""
        chain, node = [], self
        while node.before is not None:
            chain.append(node.word)
            node = node.before
        return chain[::-1]


@dataclass(slots=True)
class _Beam:
    """Hypotheses as arrays (B,)."""

    acoustic: Floats
    lm: Floats
    """Everything else, already weighted."""
    history: Ints
    node: Ints
    """Of the word in progress in the lexicon; NOWHERE off it."""
    text: Ints
    """Hash of the letters since the last whole word; of all letters without a lexicon."""
    ahead: Floats
    """What was counted in advance for the word in progress."""
    speller: Ints
    spelt: Floats
    """log-probability of the word's letters, as an unknown word."""
    characters: Ints
    hotwords: Ints
    inside: npt.NDArray[np.bool_]
    """In a word."""
    space: npt.NDArray[np.bool_]
    """A space is due before the next letter."""
    token: Ints
    parent: Ints
    """Hypothesis of the frame before."""
    closes: npt.NDArray[np.bool_]
    """A word ended in this frame, and only a guess at its score is counted."""
    guess: Floats

    @property
    def total(self) -> Floats:
        return self.acoustic + self.lm

    def take(self, which: npt.NDArray[Any]) -> _Beam:
        return _Beam(*(getattr(self, f.name)[which] for f in fields(self)))

    def joined(self, *others: _Beam) -> _Beam:
        return _Beam(*(np.concatenate([getattr(b, f.name) for b in (self, *others)]) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Found:
    """A text at its end: one token a frame (T,), and its scores."""

    path: Path
    words: tuple[str | None, ...]
    """Words that the lexicon spells in its own way; None where the tokens say what a word is."""
    acoustic: float
    lm: float


class Search:
    """One search; it holds the histories that it goes through."""

    def __init__(self, parts: Parts, options: BeamOptions) -> None:
        self._parts, self._options = parts, options
        # Hotwords are written letter by letter even where unknown words are ruled out.
        self._spells_unknown = options.unknown_words or bool(parts.favoured)
        words, letters = parts.words, {letter: number for number, letter in enumerate(parts.letters)}
        state = words.kenlm.start(False) if words else None
        self._histories = [History(None, None, state, 0)]
        longest = max(map(len, parts.steps), default=0)
        # (V, longest) symbols that each token writes, -1 after the last.
        self._symbols = np.full((len(parts.steps), max(longest, 1)), -1, np.int64)
        for token, step in enumerate(parts.steps):
            self._symbols[token, : len(step)] = [parts.space if c == " " else letters[c] for c in step]
        for table in (parts.characters, parts.hotwords, words.speller if words else None):
            if table is not None and table.is_full:
                table.clear()

    def __call__(self, log_probs: LogProbs) -> list[Found]:
        """Texts for log-probabilities (T, V), the best first; of several with one text the best is first too."""
        beam, trace = self._start(), []
        for row in log_probs.astype(np.float64):
            beam = self._best(self._merged(self._extended(beam, row)))
            beam.closes[:] = False
            trace.append((beam.parent, beam.token))
        return list(self._ends(beam, trace))

    def _start(self) -> _Beam:
        """The empty text."""
        zero, first, no = np.zeros(1), np.zeros(1, np.int64), np.zeros(1, bool)
        blank = np.array([self._parts.blank])
        return _Beam(
            acoustic=zero, lm=zero, ahead=zero, spelt=zero, guess=zero, inside=no, space=no, closes=no, token=blank,
            history=first, node=first + ROOT, text=first, speller=first, characters=first, hotwords=first, parent=first,
        )  # fmt: skip

    def _extended(self, beam: _Beam, row: Floats) -> _Beam:
        """All hypotheses after one frame (V,): with the blank, with the last token again, with another token."""
        parts, o = self._parts, self._options
        hypotheses = np.arange(beam.token.size)
        # The blank and a token that lasts change no text, so nothing but the sound is counted.
        silent = replace(beam, acoustic=beam.acoustic + row[parts.blank], parent=hypotheses)
        silent.token = np.full_like(beam.token, parts.blank)
        lasting = np.flatnonzero(beam.token != parts.blank)
        again = replace(beam, acoustic=beam.acoustic + row[beam.token], parent=hypotheses).take(lasting)
        # One more than the cut-off, since the blank is among the best tokens of most frames and is tried anyway.
        count = min(o.token_cutoff + 1, row.size)
        tokens = np.argpartition(-row, count - 1)[:count]
        tokens = tokens[tokens != parts.blank]
        parents, tokens = np.repeat(hypotheses, tokens.size), np.tile(tokens, hypotheses.size)
        totals = beam.total[parents] + row[tokens]
        # Language models take away more than they give: what is too low without them is too low with them.
        limit = (beam.total.max(initial=_NEVER) + row.max()) - o.beam_threshold
        # A token after itself is the same token, still lasting; only a blank between makes it another one.
        chosen = (totals >= limit) & (tokens != beam.token[parents])
        parents, tokens = parents[chosen], tokens[chosen]
        longer = beam.take(parents)
        longer.acoustic = longer.acoustic + row[tokens]
        longer.parent, longer.token = parents, tokens
        self._write(longer, self._symbols[tokens])
        return self._closed(beam, self._pruned(silent.joined(again, longer)))

    def _pruned(self, beam: _Beam) -> _Beam:
        """A few times as many as will stay: alignments of one text are still to be added up."""
        most, totals = 3 * self._options.width + 2, beam.total
        return beam if totals.size <= most else beam.take(np.argpartition(-totals, most - 1)[:most])

    def _write(self, beam: _Beam, symbols: Ints) -> None:
        """Write symbols (B, longest), in place."""
        for column in symbols.T:  # a piece may write several letters, and the space before them
            spaces = np.flatnonzero((column == self._parts.space) & beam.inside)
            if spaces.size:
                self._end_words(beam, spaces)
            letters = np.flatnonzero((column >= 0) & (column != self._parts.space))
            if not letters.size:
                continue
            self._write_letters(beam, letters, column[letters])

    def _write_letters(self, beam: _Beam, at: Ints, letters: Ints) -> None:
        parts, o = self._parts, self._options
        gained = np.full(at.size, o.letter_score)
        if parts.words is not None:
            gained += self._ahead(beam, at, letters) - beam.ahead[at]
            beam.ahead[at] += gained - o.letter_score
        if parts.characters is not None:
            due = at[beam.space[at]]  # counted only now: there is no space at the end of a text
            beam.characters[due], score = parts.characters.step(beam.characters[due], np.full(due.size, parts.space))
            beam.lm[due] += o.lm_weight * score
            beam.characters[at], score = parts.characters.step(beam.characters[at], letters)
            gained += o.lm_weight * score
        if parts.hotwords is not None:
            beam.hotwords[at], score = parts.hotwords.step(beam.hotwords[at], letters)
            gained += score
        beam.lm[at] += gained
        beam.text[at] = _longer(beam.text[at], letters)
        beam.inside[at], beam.space[at] = True, False

    def _ahead(self, beam: _Beam, at: Ints, letters: Ints) -> Floats:
        """What the word in progress is worth with one more letter; moves along the tree and spells."""
        words, o = self._parts.words, self._options
        assert words is not None
        node = beam.node[at] = words.lexicon.child(beam.node[at], letters)
        worth = np.where(node == NOWHERE, _FORBIDDEN, o.lm_weight * words.lexicon.ahead[node])
        if self._spells_unknown:
            beam.speller[at], score = words.speller.step(beam.speller[at], letters)
            beam.spelt[at] += score
            unknown = o.lm_weight * (words.unknown + beam.spelt[at]) + o.unknown_score
            # A beginning of a known word may be an unknown word too: the likelier of the two leads on.
            worth = np.maximum(worth, unknown)
        return worth

    def _end_words(self, beam: _Beam, at: Ints) -> None:
        """Words end. Which word each is, is only guessed; `_closed` counts the ones that survive exactly."""
        parts, o = self._parts, self._options
        beam.lm[at] += o.word_score
        if parts.hotwords is not None:
            beam.hotwords[at], score = parts.hotwords.step(beam.hotwords[at], np.full(at.size, parts.space))
            beam.lm[at] += score
        beam.inside[at], beam.space[at] = False, True
        if parts.words is None:
            beam.text[at] = _longer(beam.text[at], np.full(at.size, parts.space))
            return
        node = beam.node[at]
        whole = np.where(node == NOWHERE, NO_WORD, parts.words.lexicon.whole[node])
        worth = np.where(whole == NO_WORD, _FORBIDDEN, o.lm_weight * whole)
        if self._spells_unknown:
            worth = np.maximum(worth, o.lm_weight * (parts.words.unknown + beam.spelt[at]) + o.unknown_score)
        beam.guess[at] = worth
        beam.lm[at] += beam.guess[at] - beam.ahead[at]
        beam.ahead[at], beam.closes[at] = 0.0, True
        beam.node[at], beam.text[at], beam.speller[at], beam.spelt[at] = ROOT, 0, 0, 0.0

    def _closed(self, before: _Beam, beam: _Beam) -> _Beam:
        """Count the words that ended by their history; a spelling of several words becomes as many hypotheses."""
        closing = np.flatnonzero(beam.closes)
        if not closing.size:
            return beam
        rows, numbers, worths = [], [], []
        for row, parent in zip(closing.tolist(), beam.parent[closing].tolist(), strict=True):
            for history, worth in self._readings(before, parent):
                rows.append(row)
                numbers.append(history.number)
                worths.append(worth)
        read = beam.take(np.array(rows))
        # What the guess added is taken away again; the letters after the word, of a piece, stay counted.
        read.lm = read.lm + np.array(worths) - read.guess
        read.history = np.array(numbers)
        return beam.take(~beam.closes).joined(read)

    def _readings(self, beam: _Beam, row: int) -> list[tuple[History, float]]:
        """What the word in progress may be, with its weighted score: words so spelt, or an unknown one."""
        history: History = self._histories[int(beam.history[row])]
        text = int(beam.text[row])
        if text not in history.after:
            history.after[text] = list(self._read(history, beam, row))
        return history.after[text]

    def _read(self, history: History, beam: _Beam, row: int) -> Iterator[tuple[History, float]]:
        words, o = self._parts.words, self._options
        assert words is not None
        as_spelt = False
        for number in words.lexicon.at(int(beam.node[row])):
            entry = words.lexicon.entries[number]
            as_spelt |= entry.word == entry.spelling
            state, log10 = words.kenlm.score(history.state, words.rows[number])
            yield self._after(history, entry.word, state), o.lm_weight * (log10 * LN10 + words.spelling[number])
        if as_spelt:  # the letters are a word that is known: they have one score
            return
        state, log10 = words.kenlm.score(history.state, words.unknown_row)
        worth = o.lm_weight * log10 * LN10
        if int(beam.text[row]) not in self._parts.favoured:
            end = words.speller.one(int(beam.speller[row]), self._parts.space + 1)[1]
            worth += o.lm_weight * (float(beam.spelt[row]) + end) + o.unknown_score
            worth = worth if o.unknown_words else _FORBIDDEN
        yield self._after(history, None, state), worth

    def _after(self, history: History, word: str | None, state: Any) -> History:
        self._histories.append(History(history, word, state, len(self._histories)))
        return self._histories[-1]

    def _merged(self, beam: _Beam) -> _Beam:
        """One hypothesis for each text and last token, with the path of the likeliest."""
        keys = beam.history * _MIX[0] + beam.text * _MIX[1] + (beam.token + 1) * _MIX[2]
        # By key, and within a key the likeliest first: `first` are the rows at which a new key begins.
        order = np.lexsort((-beam.acoustic, keys))
        first = np.flatnonzero(np.concatenate(([True], np.diff(keys[order]) != 0)))
        best = beam.take(order[first])
        if self._options.add_alignments:
            # log of a sum of exponentials, relative to the highest so that nothing underflows.
            highest = np.repeat(best.acoustic, np.diff(np.append(first, order.size)))
            best.acoustic = best.acoustic + np.log(np.add.reduceat(np.exp(beam.acoustic[order] - highest), first))
        return best

    def _best(self, beam: _Beam) -> _Beam:
        totals, width = beam.total, self._options.width
        if totals.size > width:
            which = np.argpartition(-totals, width - 1)[:width]
            beam, totals = beam.take(which), totals[which]
        return beam.take(totals >= totals.max() - self._options.beam_threshold)

    def _ends(self, beam: _Beam, trace: list[tuple[Ints, Ints]]) -> Iterator[Found]:
        parts, o = self._parts, self._options
        ends: list[tuple[float, float, int, History]] = []
        for row in range(beam.token.size):
            lm, inside = float(beam.lm[row]), bool(beam.inside[row])
            if parts.hotwords is not None:
                hotwords = int(beam.hotwords[row])
                if inside:
                    hotwords, score = parts.hotwords.one(hotwords, parts.space)
                    lm += score
                lm += parts.hotwords.one(hotwords, parts.space + 1)[1]
            if parts.characters is not None:
                lm += o.lm_weight * parts.characters.one(int(beam.characters[row]), parts.space + 1)[1]
            lm += o.word_score * inside
            readings = [(self._histories[beam.history[row]], 0.0)]
            if inside and parts.words is not None:
                # The last word ends with the text, without a space: its advance is replaced here.
                readings = [(h, worth - float(beam.ahead[row])) for h, worth in self._readings(beam, row)]
            for history, change in readings:
                if parts.words is not None:
                    change += o.lm_weight * float(parts.words.kenlm.finish(history.state)[1]) * LN10
                ends.append((float(beam.acoustic[row]), lm + change, row, history))
        for acoustic, lm, row, history in sorted(ends, key=lambda end: -(end[0] + end[1])):
            yield Found(_path(trace, row), tuple(history.words()), acoustic, lm)


def _path(trace: list[tuple[Ints, Ints]], row: int) -> Path:
    """One token a frame (T,) of the hypothesis that ends in a row."""
    tokens = np.zeros(len(trace), np.int64)
    for frame in range(len(trace) - 1, -1, -1):
        parents, written = trace[frame]
        tokens[frame], row = written[row], parents[row]
    return tokens
