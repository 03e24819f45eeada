"""Weights mixed by shares that dev chooses: starts from several donors, and trained weights with their start.

The starts, which have one shape by then, are mixed by task arithmetic on whole weights (Ilharco et al. 2023, arXiv
2212.04089; for recognisers of neighbours arXiv 2601.07038), added greedily as in model soups (Wortsman et al. 2022,
arXiv 2203.05482). Trained weights are mixed with their start as in WiSE-FT (Wortsman et al. 2022, arXiv 2109.01903).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from vizinho.errors import SpecError
from vizinho.model.networks import weights
from vizinho.plan.apply import plant
from vizinho.training.selection import FitResult

Weights = Mapping[str, torch.Tensor]
SHARES = (0.2, 0.35, 0.5)
"""Of one more donor in the mixture that there is; each costs one evaluation on dev."""


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


def mix(starts: Sequence[Weights], shares: Sequence[float]) -> dict[str, torch.Tensor]:
    """Starts of one shape, weighed by shares that sum to 1; whole numbers, such as counters, are the first's."""
    return {
        name: sum(share * start[name] for share, start in zip(shares, starts, strict=True))  # type: ignore[misc]
        if tensor.is_floating_point()
        else tensor
        for name, tensor in starts[0].items()
    }


def check_shapes(starts: Sequence[Weights], names: Sequence[str]) -> None:
    """Raises SpecError for a donor whose network is not of the first one's kind and size."""
    shapes = [{key: tensor.shape for key, tensor in start.items()} for start in starts]
    for name, other in zip(names, shapes, strict=True):
        if other != shapes[0]:
            what = f"its network is of another kind or size than that of {names[0]}"
            raise SpecError(what, where=name, fix="mix donors of one preset")


def choose_shares(
    model: torch.nn.Module, starts: Sequence[Weights], measure: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Shares of the starts, and what each is alone, by `measure`: dev CER of `model` with the weights that it has.

    The best start alone is the first mixture, so that the chosen one is never worse on dev; then the others are tried
    in it, from the best to the worst. `model` is left as it was.
    """
    before = {name: tensor.clone() for name, tensor in weights(model).items()}

    def cer(start: Weights) -> float:
        plant(model, start)
        return measure()

    alone = [cer(start) for start in starts]
    # From the best to the worst: what a neighbour adds is seen beside those that are nearer.
    order = sorted(range(len(starts)), key=lambda n: alone[n])
    shares, best = [float(n == order[0]) for n in range(len(starts))], alone[order[0]]
    mixture: Weights = starts[order[0]]
    for number in order[1:]:
        added = 0.0
        for share in SHARES:
            if (value := cer(between(mixture, starts[number], share))) < best:
                best, added = value, share
        if added:
            # The shares that there were give way evenly.
            mixture = between(mixture, starts[number], added)
            shares = [(1 - added) * share + added * (n == number) for n, share in enumerate(shares)]
    plant(model, before)
    return shares, alone
