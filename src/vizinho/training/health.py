"""Keeps what is not a number, and recordings that can no longer be read, from harming a run: skips, counts, names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from vizinho.corpora.batches import Batch
from vizinho.errors import CorpusError, ModelError

MAX_SKIPPED = 5
"""Batches without a usable update, in a row or beyond `SKIPPED_SHARE` of all, after which the run is given up."""
SKIPPED_SHARE = 0.1
MAX_BROKEN = 5
"""Recordings that can no longer be read, beyond `BROKEN_SHARE` of all, after which the run is given up."""
BROKEN_SHARE = 0.05

Log = Callable[[str], None]


@dataclass(slots=True)
class Health:
    """What went wrong in a run so far; part of every checkpoint."""

    skipped: int = 0
    in_a_row: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    """How often each cause of a skipped batch was seen."""
    broken: dict[str, str] = field(default_factory=dict)
    """Recordings that could not be read, by utterance id, with the reason."""

    def usable(self) -> None:
        """An update was made."""
        self.in_a_row = 0

    def skip(self, step: int, cause: str, ids: Sequence[str], log: Log) -> None:
        """Note a batch that gave no update. Raises ModelError with a diagnosis when there are too many."""
        self.skipped += 1
        self.in_a_row += 1
        self.causes[cause] = self.causes.get(cause, 0) + 1
        log(f"step {step}: {cause}; skipped the batch of {', '.join(ids[:3])}{' ...' if len(ids) > 3 else ''}")
        too_often = self.skipped > MAX_SKIPPED and self.skipped > SKIPPED_SHARE * (step + 1)
        if self.in_a_row > MAX_SKIPPED or too_often:
            seen = ", ".join(f"{name} ({count} times)" for name, count in self.causes.items())
            raise ModelError(
                f"{self.skipped} of {step + 1} batches gave no usable update: {seen}; the last: {', '.join(ids[:3])}",
                where=f"step {step}",
                fix=_ADVICE.get(cause.partition(" is ")[0], _CHECK),
            )

    def note_broken(self, found: Sequence[tuple[str, str]], of: int, step: int, log: Log) -> None:
        """Note recordings left out of a batch, each once. Raises CorpusError when they are too many of `of`."""
        for utterance_id, reason in found:
            if utterance_id not in self.broken:
                self.broken[utterance_id] = reason
                log(f"step {step}: left {utterance_id} out: {reason}")
        many = len(self.broken) > MAX_BROKEN and len(self.broken) > BROKEN_SHARE * of
        if many or len(self.broken) >= of:
            first = next(iter(self.broken))
            raise CorpusError(
                f"{len(self.broken)} of {of} recordings can no longer be read; the first: {self.broken[first]}",
                where=first,
                fix="bring them back and run the same command again: it goes on from the last checkpoint",
            )


LOSS, GRADIENTS, FEATURES = "the loss", "the gradient", "a feature"
NOTHING_READ = "none of its recordings can be read"
ELSEWHERE = "a batch of another process cannot be used"
_RATE = "lower the learning rate; the weights before the first of these steps are in the checkpoint"
_ADVICE = {
    LOSS: f"run `vizinho corpus check` on the corpus (more labels than frames give an infinite loss), or {_RATE}",
    GRADIENTS: _RATE,
}
_CHECK = "run `vizinho corpus check` on the corpus"


def bad_batch(batch: Batch, accelerator: Any) -> str:
    """Why a batch must not be computed, the same answer in every process of a run; empty where nothing is wrong."""
    cause = "" if batch.ids else NOTHING_READ
    if not cause and not bool(torch.isfinite(batch.features).all()):
        cause = f"{FEATURES} is not a number"
    if accelerator.num_processes > 1:
        # A process that left out its backward pass alone would leave the others waiting for its gradients.
        bad = accelerator.reduce(torch.tensor(float(bool(cause)), device=accelerator.device), "sum")
        cause = cause or (ELSEWHERE if float(bad) else "")
    return cause


def bad_update(loss: float, gradient_norm: float) -> str:
    """What is wrong with an update before it is made; empty where nothing is."""
    if not math.isfinite(loss):
        return f"{LOSS} is {loss}"
    return "" if math.isfinite(gradient_norm) else f"{GRADIENTS} is {gradient_norm}"


class Statistics:
    """Running means and variances of batch norms: a forward pass moves them before anyone knows whether it was good."""

    def __init__(self, model: Any) -> None:
        norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
        self._buffers = [b for norm in norms for b in norm.buffers(recurse=False)]
        self._before: list[torch.Tensor] = []

    def remember(self) -> None:
        """Note them as they are now."""
        self._before = [buffer.clone() for buffer in self._buffers]

    def put_back(self) -> None:
        """Undo what a forward pass did to them since."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(before)
