"""Batch normalisation when a step is several batches, several processes, or computed twice.

In training mode a batch is normalised by its own statistics, and it moves the running ones, which evaluation uses.
Here they move as if every batch of a step had been computed at once by one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class RunningStatistics:
    """The running statistics of a network's batch normalisation; for networks without any nothing happens.

    A step calls `begin`, `note` after each batch, and `move` once its loss is known to be a number.
    """

    def __init__(self, model: Any) -> None:
        self._modules = [
            module
            for module in model.modules()
            # Without a momentum the running values are plain means over all batches: nothing has to be weighed.
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
            and module.track_running_stats
            and module.momentum is not None
        ]
        self._momenta = [module.momentum for module in self._modules]
        self._buffers = [buffer for module in self._modules for buffer in module.buffers(recurse=False)]
        self._before: list[torch.Tensor] = []
        self._moves: list[torch.Tensor] = []

    def begin(self, count: int) -> None:
        """Begin a step of `count` batches here and in the other processes: each batch weighs momentum / `count`."""
        self._before = [buffer.clone() for buffer in self._buffers]
        self._moves = [torch.zeros_like(buffer) for buffer in self._buffers]
        for module, momentum in zip(self._modules, self._momenta, strict=True):
            module.momentum = (momentum or 0.0) / count

    def note(self) -> None:
        """After a batch: note how it moved them, and put them back for the next one, which starts where it did.

        So no batch decays another one, and a block that layer drop left out of one batch keeps its share of the rest.
        """
        for buffer, before, moves in zip(self._buffers, self._before, self._moves, strict=True):
            # (1 - m/n) before + m/n mean is a move by m/n (mean - before); moves add up to the step.
            moves += buffer - before
            buffer.copy_(before)

    def move(self) -> None:
        """At the end of a step whose loss is a number: move them by all its batches at once."""
        for buffer, moves in zip(self._buffers, self._moves, strict=True):
            buffer += moves

    def moving(self) -> list[torch.Tensor]:
        """Those that follow the audio now. After a step their mean over the processes is what one would have."""
        return [
            buffer
            for module in self._modules
            if module.training  # frozen layers keep the donor's statistics
            for buffer in (module.running_mean, module.running_var)
            if buffer is not None
        ]

    @contextmanager
    def still(self) -> Iterator[None]:
        """Within the context a forward pass does not move them: what is computed again must not be counted twice."""
        momenta = [module.momentum for module in self._modules]
        for module in self._modules:
            module.momentum = 0.0
        try:
            yield
        finally:
            for module, momentum in zip(self._modules, momenta, strict=True):
                module.momentum = momentum
