"""Skips batches whose features, loss or gradients are not numbers, counts them, and ends a run with too many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from vizinho.corpora.batches import Batch
from vizinho.errors import ModelError
from vizinho.progress import Log

MAX_SKIPPED = 5
"""Batches without a usable update, in a row or beyond `SKIPPED_SHARE` of all, after which the run is given up."""
SKIPPED_SHARE = 0.1


@dataclass(slots=True)
class Health:
    """What went wrong in a run so far; part of every checkpoint."""

    skipped: int = 0
    in_a_row: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    """How often each cause of a skipped batch was seen."""

    def usable(self) -> None:
        """An update was made."""
        self.in_a_row = 0

    def skip(self, step: int, cause: str, ids: Sequence[str], log: Log) -> None:
        """Count and log a batch that gave no update. Raises ModelError with a diagnosis when there are too many."""
        self.skipped += 1
        self.in_a_row += 1
        self.causes[cause] = self.causes.get(cause, 0) + 1
        of = f" of {', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''}" if ids else ""
        log(f"step {step}: {cause}; skipped the batch{of}")
        # In a row: the weights are broken. Beyond a share: so much of the corpus is that the result would not be its.
        too_often = self.skipped > MAX_SKIPPED and self.skipped > SKIPPED_SHARE * (step + 1)
        if self.in_a_row > MAX_SKIPPED or too_often:
            seen = ", ".join(f"{name} ({count} times)" for name, count in self.causes.items())
            raise ModelError(
                f"{self.skipped} of {step + 1} batches gave no usable update: {seen}"
                + (f"; the last: {', '.join(ids[:3])}" if ids else ""),
                where=f"step {step}",
                fix=_ADVICE.get(cause.partition(" is ")[0], _CHECK) if ids else _RATE,
            )


LOSS, GRADIENTS, FEATURES = "the loss", "the gradient", "a feature"
NOTHING_READ = "none of its recordings can be read"
_RATE = "lower the learning rate; the weights before the first of these steps are in the checkpoint"
_ADVICE = {
    LOSS: f"run `vizinho corpus check` on the corpus (more labels than frames give an infinite loss), or {_RATE}",
    GRADIENTS: _RATE,
}
_CHECK = "run `vizinho corpus check` on the corpus"


def bad_batch(batch: Batch) -> str:
    """Why a batch must not be computed; empty where nothing is wrong."""
    if not batch.ids:
        return NOTHING_READ
    return "" if bool(torch.isfinite(batch.features).all()) else f"{FEATURES} is not a number"


def bad_update(loss: float, gradient_norm: float) -> str:
    """What is wrong with an update before it is made; empty where nothing is."""
    if not math.isfinite(loss):
        return f"{LOSS} is {loss}"
    return "" if math.isfinite(gradient_norm) else f"{GRADIENTS} is {gradient_norm}"
