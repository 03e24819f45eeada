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
    """The running statistics of a network's batch normalisation; for networks without any nothing happens."""

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

    def remember(self) -> None:
        """Copy them: a forward pass moves them before its loss is known to be a number."""
        self._before = [buffer.clone() for buffer in self._buffers]

    def put_back(self) -> None:
        """Undo what forward passes did to them since `remember`."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(before)

    def weigh(self, index: int, count: int) -> None:
        """Before batch `index` of the `count` of a step: after the last one they have moved once, by the mean of all.

        With momentum m every batch must weigh m / count in the end, so the later ones, which are decayed less, move
        them less: m / count / (1 - (count - 1 - index) m / count). A block that layer drop leaves out of a
        later batch is decayed less than that; its earlier batches then weigh up to 1 / (1 - m) too much.
        """
        for module, momentum in zip(self._modules, self._momenta, strict=True):
            share = (momentum or 0.0) / count
            module.momentum = share / (1 - (count - 1 - index) * share)

    def moving(self) -> list[torch.Tensor]:
        """Those that follow the audio now. Their mean over the processes is what one process would have."""
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
