"""Exact CTC alignment of utterances to speech in which some of them are missing and which holds more than they say.

A Viterbi search over the utterances' tokens (Graves et al. 2006; Kürzinger et al. 2020, arXiv 2007.09127), with two
additions: between utterances any audio may pass (a star), and an utterance may be left out. What a path loses against
the best path of each frame is its deficit; the star loses nothing, and every token that is placed earns a reward. So an
utterance is placed where its tokens' deficits are smaller than the reward, and left out otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int64]
NEVER = np.float32(-1e9)
_ROUNDING = 0.02
"""Nats by which leaving out must win: running sums of float32 differ in their last digits."""
_CELLS = 50_000_000
"""Back pointers held at a time, one byte each; a longer search is done again block by block."""
_STAY, _STEP, _LEAP = 0, 1, 2
"""Back pointers: where the best path to a state comes from. At a boundary: the star, an utterance's end, a left-out."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What a network makes of speech: deficits (T, C) in nats, at most 0, of the columns in use, and pauses (T,).

    A deficit is a token's log-probability less that of the frame's best token. A pause is one row, however long it is.
    """

    deficits: Floats
    is_pause: npt.NDArray[np.bool_]
    blank: int
    """Column of CTC's blank."""

    def part(self, start: int, end: int) -> Observed:
        """The frames from start to end."""
        return Observed(self.deficits[start:end], self.is_pause[start:end], self.blank)


@dataclass(frozen=True, slots=True)
class Costs:
    """What the search pays, in nats."""

    reward: float
    """Earned for every token that is placed."""
    leave_out: float = 5.0
    """Paid for an utterance that is left out."""
    leave_out_first: float = 40.0
    """Paid at most for all that are left out before the first: a text may begin long before its recording."""
    pause: float = 12.0
    """Paid for a pause between two words of an utterance: most pauses lie between utterances."""
    broken_word: float = 30.0
    """Paid for a pause within a word."""


@dataclass(frozen=True, slots=True)
class Span:
    """Where an utterance lies: frames from start to end (exclusive), and the sum of its tokens' deficits."""

    start: int
    end: int
    deficit: float


class Graph:
    """States of all utterances in a row: their tokens with blanks between, S in all; N + 1 boundaries around them."""

    def __init__(self, utterances: Sequence[Tokens], blank: int, breaks: Collection[int], costs: Costs) -> None:
        # An utterance of m tokens has 2m - 1 states: the boundaries around it stand for its outer blanks.
        sizes = np.array([tokens.size for tokens in utterances])
        ends = np.cumsum(2 * sizes - 1)
        self.first, self.last = ends - (2 * sizes - 1), ends - 1
        self.tokens = np.full(ends[-1], blank, np.int64)
        self.leap = np.full(ends[-1], NEVER, np.float32)
        for start, end, tokens in zip(self.first, ends, utterances, strict=True):
            self.tokens[start:end:2] = tokens
            # A blank may be passed over between two tokens that differ.
            self.leap[start + 2 : end : 2] = np.where(tokens[1:] != tokens[:-1], 0.0, NEVER)
        self.rewards = (costs.reward * sizes).astype(np.float32)
        self.left_out = (costs.leave_out * np.arange(sizes.size + 1)).astype(np.float32)
        self.pause = self._pause(blank, breaks, costs)

    def _pause(self, blank: int, breaks: Collection[int], costs: Costs) -> Floats:
        """What each state makes of a pause, (S,)."""
        breaking = np.isin(self.tokens, list(breaks))
        beside = breaking.copy()
        beside[:-1] |= breaking[1:]
        beside[1:] |= breaking[:-1]
        beside &= breaking | (self.tokens == blank)  # a letter that lasts through a pause is broken too
        return np.where(beside, -costs.pause, -costs.broken_word).astype(np.float32)


@dataclass(slots=True)
class _Scores:
    """Best scores so far of paths in each state (S,), and of paths at each boundary (N + 1,)."""

    states: Floats
    boundaries: Floats

    def copy(self) -> _Scores:
        return _Scores(self.states.copy(), self.boundaries.copy())


class _Search:
    def __init__(self, observed: Observed, graph: Graph, costs: Costs) -> None:
        self._observed, self._graph = observed, graph
        start = -np.minimum(graph.left_out, costs.leave_out_first).astype(np.float32)
        self._start = _Scores(np.full(graph.tokens.size, NEVER, np.float32), start)

    def spans(self) -> list[Span | None]:
        """The best path, as one span for each utterance."""
        T, S = len(self._observed.is_pause), self._graph.tokens.size
        # Scores are kept at the start of each block, and back pointers of one block at a time: memory grows with the
        # square root of the recording's length, for twice the time.
        size = T if T * S <= _CELLS else max(isqrt(T), _CELLS // S)
        starts = list(range(0, T, size))
        kept, scores = [], self._start.copy()
        for start in starts:
            kept.append(scores.copy())
            if start != starts[-1]:
                self._forward(scores, start, start + size, None)
        path = _Path(self._graph, self._observed.deficits, self._observed.is_pause)
        for start, begin in zip(reversed(starts), reversed(kept), strict=True):
            rows = min(size, T - start)
            back = np.zeros((rows, S), np.uint8), np.zeros((rows, self._graph.left_out.size), np.uint8)
            self._forward(begin, start, start + rows, back)
            if start == starts[-1]:
                path.boundary = int(begin.boundaries.argmax())  # what the text has after that is not in the recording
            path.trace(start, *back)
        return path.spans

    def _forward(self, scores: _Scores, start: int, end: int, back: tuple[npt.NDArray[np.uint8], ...] | None) -> None:
        """Advance scores over frames, in place, and note back pointers."""
        graph, observed = self._graph, self._observed
        states, boundaries = scores.states, scores.boundaries
        step, leap = np.empty_like(states), np.full_like(states, NEVER)
        done = np.full_like(boundaries, NEVER)
        for t in range(start, end):
            step[1:] = states[:-1]
            step[graph.first] = boundaries[:-1]  # an utterance begins where the one before it was passed
            np.add(states[:-2], graph.leap[2:], out=leap[2:])
            best = np.maximum(states, step)
            if back is not None:
                back[0][t - start] = np.where(leap > best, _LEAP, step > states)
            np.maximum(best, leap, out=best)
            states[:] = best + (graph.pause if observed.is_pause[t] else observed.deficits[t, graph.tokens])
            done[1:] = states[graph.last] + graph.rewards
            reached = np.maximum(boundaries, done)
            # The best boundary before each, with what lies between left out.
            leaving = np.maximum.accumulate(reached + graph.left_out) - graph.left_out
            if back is not None:
                back[1][t - start] = np.where(leaving > reached + _ROUNDING, _LEAP, done > boundaries)
            np.maximum(reached, leaving, out=boundaries)


class _Path:
    """Follows back pointers from the last frame to the first, block by block."""

    def __init__(self, graph: Graph, deficits: Floats, is_pause: npt.NDArray[np.bool_]) -> None:
        self._graph, self._deficits, self._is_pause = graph, deficits, is_pause
        self.boundary = 0
        self.spans: list[Span | None] = [None] * graph.first.size
        self._state: int | None = None
        """The state the path is in; None at a boundary."""
        self._end, self._deficit = 0, 0.0

    def trace(self, start: int, states: npt.NDArray[np.uint8], boundaries: npt.NDArray[np.uint8]) -> None:
        """Follow the path through the block of frames that begins at `start`."""
        t = start + len(states) - 1
        while t >= start:
            if self._state is not None:
                t = self._through(t, int(states[t - start, self._state]))
                continue
            arrow = boundaries[t - start, self.boundary]
            if arrow == _STAY:
                t -= 1
            elif arrow == _LEAP:
                self.boundary -= 1
            else:
                self._state, self._end, self._deficit = int(self._graph.last[self.boundary - 1]), t + 1, 0.0

    def _through(self, t: int, arrow: int) -> int:
        """Take one frame of an utterance; returns the frame before it."""
        assert self._state is not None
        if not self._is_pause[t]:
            self._deficit += float(self._deficits[t, self._graph.tokens[self._state]])
        number = self.boundary - 1
        if arrow == _STEP and self._state == self._graph.first[number]:
            self.spans[number] = Span(t, self._end, self._deficit)
            self.boundary, self._state = number, None
        else:
            self._state -= arrow
        return t - 1


def align(
    observed: Observed, utterances: Sequence[Tokens], costs: Costs, breaks: Collection[int] = ()
) -> list[Span | None]:
    """Spans of utterances in their order, without overlap; None for those that are left out.

    Args:
        observed: Frames.
        utterances: Columns of each utterance's tokens, at least one each.
        costs: What the search pays.
        breaks: Columns of tokens beside which a pause does not break a word: the space.
    """
    if not utterances or not len(observed.is_pause):
        return [None] * len(utterances)
    return _Search(observed, Graph(utterances, observed.blank, breaks, costs), costs).spans()


def forced_deficit(observed: Observed, tokens: Tokens) -> float | None:
    """Deficits of the best path of tokens that fills all frames, without pauses; None where the frames are too few."""
    needed = tokens.size + sum(int(a == b) for a, b in pairwise(tokens.tolist()))
    if needed > len(observed.is_pause):
        return None
    # Blanks at both ends too: nothing else may take the frames before and after.
    inner = Graph([tokens], observed.blank, (), Costs(0.0))
    # States: a blank, the tokens with blanks between, a blank; (S + 2,).
    columns = np.concatenate([[observed.blank], inner.tokens, [observed.blank]])
    leap = np.concatenate([[NEVER], inner.leap, [NEVER]]).astype(np.float32)
    states = np.full(columns.size, NEVER, np.float32)
    states[:2] = 0.0
    for t, deficits in enumerate(observed.deficits):
        if t:
            best = states.copy()
            np.maximum(best[1:], states[:-1], out=best[1:])
            np.maximum(best[2:], states[:-2] + leap[2:], out=best[2:])
            states = best
        if not observed.is_pause[t]:
            states += deficits[columns]
    return float(states[-2:].max())
