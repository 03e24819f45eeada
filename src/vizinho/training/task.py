"""What a network is trained for, as the loop sees it: batches by number, their loss, the dev score that chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from vizinho.progress import Log
from vizinho.training.options import LoopOptions
from vizinho.training.ranks import Ranks
from vizinho.training.schedule import Rates, plain_rates

Options = TypeVar("Options", bound=LoopOptions, contravariant=True)

Scores = Mapping[str, float | None]
"""Scores on dev by name ("CER"), lower is better; weights are chosen by the first. All None without a dev set."""


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What the loop knows of a batch."""

    items: int
    """Utterances or words that its loss is the mean of; batches of a step are weighed by them."""
    amount: float
    """How much there is to learn from, in the task's unit (seconds of audio, words, pieces)."""
    ids: Sequence[str] = ()
    """Names of its items, for messages."""
    fault: str = ""
    """Why it must not be computed; empty where nothing is wrong."""


class Task(Protocol[Options]):
    """A network with what it learns from. Tasks inherit from this class; the loop calls the methods in this order.

    Everything random in a batch follows from the seed and its number, never from what ran before. Before each loss the
    loop seeds torch's generator by that number, so that a resumed run ends with the weights of an uninterrupted one.
    """

    model: Any
    """The network (torch.nn.Module): trained in place, and left with the chosen weights."""

    def begin(self, options: Options) -> Ranks:
        """Check the options against the network; returns the processes that train it. Raises SpecError, ModelError."""
        return Ranks(options)

    def rates(self, model: Any, options: Options, *, by_gradient: bool) -> Rates:
        """The parameter groups of the placed model, and how their learning rates change.

        With `by_gradient` layers are frozen by dropping their gradients (`LayerRates`).
        """
        return plain_rates(model, options)

    def batches(self, numbers: range, options: Options, run: Path, log: Log) -> Iterator[Any]:
        """The batches with these numbers. `run` is the run's folder."""
        ...

    def computing(self, model: Any, options: Options, still: Callable[[], Any]) -> AbstractContextManager[Any]:
        """The context of all steps. `still` keeps running statistics from moving in a second forward pass."""
        return nullcontext()

    def facts(self, batch: Any) -> BatchFacts:
        """What the loop has to know of a batch before its loss is computed."""
        ...

    def loss(self, network: Any, batch: Any, options: Options, ranks: Ranks) -> torch.Tensor:
        """Mean loss of a batch. `network` is the model, or what wraps it for several processes."""
        ...

    def evaluate(self) -> Scores:
        """Scores of the model on dev; called in evaluation mode, without gradients, in the main process."""
        ...

    def finish(self, ranks: Ranks, log: Log) -> None:
        """Called after the last step."""
        return
