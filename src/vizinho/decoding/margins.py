"""How much better an alignment is than its rivals: paths in which an utterance lies elsewhere, or is left out.

The search of `decoding.alignment` from both sides (max-marginals): the best path through each place where an utterance
may begin or end. A place is sure where all paths through other places are much worse, whatever the network thinks of
the place itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizinho.decoding.alignment import NEVER, Costs, Floats, Graph, Observed, Span, Tokens

Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Margin:
    """What the best path loses, in nats, if one utterance is elsewhere or left out."""

    elsewhere: float
    """The utterance begins or ends farther away than `near`: the smaller of the two losses."""
    left_out: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Seconds in which each frame begins and ends (T,), and the distance that counts as one place."""

    starts: Seconds
    ends: Seconds
    near: float

    def far_from(self, span: Span) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Frames in which another begin, and another end, lie."""
        begins, ends = self.starts - self.starts[span.start], self.ends - self.ends[span.end - 1]
        return np.abs(begins) > self.near, np.abs(ends) > self.near


def margins(
    observed: Observed,
    utterances: Sequence[Tokens],
    spans: Sequence[Span | None],
    costs: Costs,
    breaks: Collection[int],
    timeline: Timeline,
) -> list[Margin | None]:
    """The margin of each placed utterance; arguments are those of `align`, and `spans` what it gives."""
    graph = Graph(utterances, observed.blank, breaks, costs)
    both = _Both(observed, graph, costs)
    both.forward()
    both.backward()
    return [None if span is None else both.margin(number, span, timeline) for number, span in enumerate(spans)]


class _Both:
    """Scores of the best paths from either side, at the first and last states of N utterances, (T, N) each."""

    def __init__(self, observed: Observed, graph: Graph, costs: Costs) -> None:
        self._observed, self._graph, self._costs = observed, graph, costs
        shape = len(observed.is_pause), graph.first.size
        # Of the best path in which an utterance begins at a frame, ends at it, or is passed over after it.
        self._begin, self._end, self._passed = (np.empty(shape, np.float32) for _ in range(3))
        # Of the best path that ends before an utterance, and of the best that begins after it.
        self._before = self._after = np.full(shape[1], NEVER, np.float32)
        self._best = 0.0

    def _emission(self, frame: int) -> Floats:
        graph, observed = self._graph, self._observed
        return graph.pause if observed.is_pause[frame] else observed.deficits[frame, graph.tokens]

    def forward(self) -> None:
        """Paths from the first frame to each frame: the recurrence of `alignment`, with what passes the edges kept."""
        graph = self._graph
        states = np.full(graph.tokens.size, NEVER, np.float32)
        boundaries = self._start()
        step, leap, done = np.empty_like(states), np.full_like(states, NEVER), np.full_like(boundaries, NEVER)
        for t in range(len(self._begin)):
            emission = self._emission(t)
            self._begin[t] = boundaries[:-1] + emission[graph.first]
            step[1:] = states[:-1]
            step[graph.first] = boundaries[:-1]
            np.add(states[:-2], graph.leap[2:], out=leap[2:])
            states = np.maximum(np.maximum(states, step), leap) + emission
            done[1:] = self._end[t] = states[graph.last] + graph.rewards
            reached = np.maximum(boundaries, done)
            boundaries = np.maximum(reached, np.maximum.accumulate(reached + graph.left_out) - graph.left_out)
            self._passed[t] = boundaries[:-1]
        self._before = np.maximum.accumulate(boundaries)[:-1]
        self._best = float(boundaries.max())

    def _start(self) -> Floats:
        return -np.minimum(self._graph.left_out, self._costs.leave_out_first).astype(np.float32)

    def backward(self) -> None:
        """Add the best path from each frame to the last; text that follows it costs nothing."""
        graph, total = self._graph, len(self._begin)
        states = np.full(graph.tokens.size, NEVER, np.float32)
        states[graph.last] = graph.rewards
        boundaries = np.zeros(graph.left_out.size, np.float32)
        within = np.ones(graph.tokens.size - 1, np.bool_)
        within[graph.last[:-1]] = False
        for t in range(total - 1, -1, -1):
            self._begin[t] += states[graph.first]
            self._end[t] += boundaries[1:]
            self._passed[t] += boundaries[1:] - self._costs.leave_out
            following = self._emission(t) + states
            np.maximum(boundaries[:-1], following[graph.first], out=boundaries[:-1])
            passing = np.maximum.accumulate((boundaries - graph.left_out)[::-1])[::-1] + graph.left_out
            np.maximum(boundaries, passing, out=boundaries)
            states = following.copy()
            states[:-1] = np.maximum(states[:-1], np.where(within, following[1:], NEVER))
            states[:-2] = np.maximum(states[:-2], following[2:] + graph.leap[2:])
            states[graph.last] = np.maximum(following[graph.last], graph.rewards + boundaries[1:])
        self._after = np.maximum.accumulate((self._start() + boundaries)[::-1])[::-1][1:]

    def margin(self, number: int, span: Span, timeline: Timeline) -> Margin:
        other_begins, other_ends = timeline.far_from(span)
        rivals = (self._begin[other_begins, number], self._end[other_ends, number])
        rival = max(float(scores.max(initial=NEVER)) for scores in rivals)
        left_out = float(max(self._passed[:, number].max(), self._before[number], self._after[number]))
        return Margin(max(0.0, self._best - rival), max(0.0, self._best - left_out))
