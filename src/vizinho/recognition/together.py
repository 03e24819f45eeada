"""Streams that compute together: each works until it needs a network, which then computes for all in one call."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

from vizinho.recognition.live import Live, compute
from vizinho.recognition.vad import SpeechProbability, detect

T = TypeVar("T")
Steps = Generator[Live | SpeechProbability, None, T]
"""Work of one stream: it yields an utterance whose chunks, or a detector whose windows, must be computed before it goes
on, and returns a result."""


def alone(steps: Steps[T]) -> T:
    """The result of one stream's work. Raises what it raises."""
    ((_, outcome),) = next(together([steps]))
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def together(works: Sequence[Steps[T]]) -> Iterator[list[tuple[int, T | Exception]]]:
    """Works that end before each call of a network, and after the last: their places, and results or what they raised.

    A network that fails ends all works that wait.
    """
    waiting = dict(enumerate(works))
    while waiting:
        needs: list[Live | SpeechProbability] = []
        ended: list[tuple[int, T | Exception]] = []
        for place, steps in list(waiting.items()):
            try:
                needs.append(next(steps))
            except StopIteration as end:
                del waiting[place]
                ended.append((place, end.value))
            except Exception as error:
                del waiting[place]
                ended.append((place, error))
        if ended:
            yield ended
        try:
            detect([need for need in needs if isinstance(need, SpeechProbability)])
            compute([need for need in needs if isinstance(need, Live)])
        except Exception as error:
            yield [(place, error) for place in waiting]
            return
