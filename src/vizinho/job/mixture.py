"""Several donors at once: their starts, which have one shape by then, are mixed, with shares that dev chooses.

Task arithmetic on whole weights (Ilharco et al. 2023, arXiv 2212.04089; for recognisers of neighbours arXiv
2601.07038), added greedily as in model soups (Wortsman et al. 2022, arXiv 2203.05482).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from vizinho.errors import SpecError
from vizinho.model.checkpoint import weights
from vizinho.plan.apply import plant
from vizinho.training.mixing import between

SHARES = (0.2, 0.35, 0.5)
"""Of one more donor in the mixture that there is; each costs one evaluation on dev."""
Weights = Mapping[str, torch.Tensor]


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
