"""Who speaks in a stream: voices of stretches are grouped again at the end of an utterance; groups keep their numbers.

Numbers that were told do not change, so what becomes clear later of earlier words is not told. N stretches, E values of
a vector (see `speakers`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.recognition.cutting import Piece
from vizinho.recognition.speakers import SECONDS, STEP_SECONDS, Vectors, Voice, grouped, voices_at
from vizinho.records import Word

MOST = 400
"""Vectors that a stream remembers, those of five minutes of speech; whoever has most loses the oldest."""
_LENGTH, _STEP = round(SECONDS * SAMPLE_RATE), round(STEP_SECONDS * SAMPLE_RATE)


class StreamSpeakers:
    """The people of one stream."""

    def __init__(self, voices: Callable[[Sequence[int], Waveform], Vectors] = voices_at) -> None:
        self._voices = voices
        self._vectors: list[Voice] = []
        self._numbers: list[int] = []
        """Vectors (E,) so far, and the number that was told of each."""
        self._count = 0
        self._start = -1
        self._starts: list[int] = []
        self._open: list[Voice] = []
        """Stretches of the open utterance, which begins at `_start`: first samples within it, and vectors."""

    def listen(self, piece: Piece) -> None:
        """Compute the stretches of the open utterance that are complete, so that its end has little left to do."""
        if piece.start_sample != self._start:
            self._start, self._starts, self._open = piece.start_sample, [], []
        while (start := len(self._starts) * _STEP) + _LENGTH <= piece.samples.size:
            self._starts.append(start)
            self._open += list(self._voices([start], piece.samples))

    def told(self, piece: Piece, words: Sequence[Word]) -> tuple[Word, ...]:
        """Words of an utterance, each with its speaker."""
        if not words:
            return ()
        self.listen(piece)
        starts, vectors = list(self._starts), list(self._open)
        rest = piece.samples.size - _LENGTH
        if not starts or rest > starts[-1]:  # an utterance shorter than a stretch stands in its middle
            starts.append(rest if starts else rest // 2)
            vectors += list(self._voices(starts[-1:], piece.samples))
        middles = (piece.start_sample + np.array(starts) + _LENGTH / 2) / SAMPLE_RATE
        nearest = [int(np.abs(middles - (w.start_seconds + w.end_seconds) / 2).argmin()) for w in words]
        spoken = sorted(set(nearest))  # what has no words is noise or silence
        numbers = dict(zip(spoken, self._told([vectors[place] for place in spoken]), strict=True))
        return tuple(replace(word, speaker=numbers[place]) for word, place in zip(words, nearest, strict=True))

    def _told(self, vectors: Sequence[Voice]) -> list[int]:
        """The person of each new vector, counted from 1."""
        before = len(self._numbers)
        self._vectors += vectors
        labels = [int(label) for label in grouped(np.stack(self._vectors))]
        names = _names(labels[:before], self._numbers)
        for label in labels[before:]:
            if label not in names:
                self._count += 1
                names[label] = self._count
        self._numbers += [names[label] for label in labels[before:]]
        new_numbers = self._numbers[before:]
        while len(self._numbers) > MOST:
            oldest = self._numbers.index(max(self._numbers, key=self._numbers.count))
            del self._numbers[oldest], self._vectors[oldest]
        return new_numbers


def _names(labels: Sequence[int], numbers: Sequence[int]) -> dict[int, int]:
    """The number of each group that has one: what was told most of its vectors, and of no other group's more."""
    if not labels:
        return {}
    from scipy.optimize import linear_sum_assignment

    table = np.zeros((max(labels) + 1, max(numbers) + 1))  # how often a number was told of a group's vectors
    np.add.at(table, (labels, numbers), 1)
    pairs = zip(*linear_sum_assignment(-table), strict=True)
    return {int(label): int(number) for label, number in pairs if table[label, number]}
