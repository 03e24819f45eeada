"""Mixes trained weights with those they started from, as dev chooses (WiSE-FT: Wortsman et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from vizinho.model.checkpoint import weights
from vizinho.plan.apply import plant
from vizinho.training.selection import FitResult

Weights = Mapping[str, torch.Tensor]


def between(start: Weights, end: Weights, place: float) -> dict[str, torch.Tensor]:
    """Weights at a place from 0 (start) to 1 (end); whole numbers, such as counters, are the end's."""
    return {
        name: torch.lerp(start[name], tensor, place) if tensor.is_floating_point() else tensor
        for name, tensor in end.items()
    }


def mix_with_start(
    model: Any,
    start: Weights,
    shares: Sequence[float],
    result: FitResult,
    measure: Callable[[], float],
    log: Callable[[str], None],
) -> FitResult:
    """Set `model` to the mixture that `measure` (dev CER of the model as it is) finds best, and log it.

    `shares` of the start's weights are tried as well as none; of equals the one with least of the start is taken, as
    the trained weights have seen the target. Where dev chose the start itself, the best trained weights are mixed with
    it: half of an overfitted network is often better than either.
    """
    chosen = {name: tensor.clone() for name, tensor in weights(model).items()}
    if result.trained:
        # By the network's own names: a phone classifier that was trained beside it is gone by now.
        plant(model, {name: result.trained[name] for name in chosen})
    end = {name: tensor.clone() for name, tensor in weights(model).items()}
    best_share, best_cer = 0.0, result.dev_score
    for share in sorted(shares):  # from least to most, so that equal scores leave the least
        plant(model, between(start, end, 1.0 - share))
        cer = measure()
        log(f"with {share:g} of the start's weights: dev CER {cer:.3f}")
        if best_cer is None or cer < best_cer:
            best_share, best_cer = share, cer
    plant(model, between(start, end, 1.0 - best_share) if best_share else chosen)
    if not best_share:
        return result
    what = "the best later step" if result.trained else result.chosen
    return replace(result, chosen=f"{what}, {best_share:g} of the start mixed in", dev_score=best_cer)
