"""How many weights moved in training and how far, per layer, against where they started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vizinho.errors import ModelError
from vizinho.model.layers import layer_of, layer_order

if TYPE_CHECKING:
    import torch  # results are read without it: it takes two seconds to import

THRESHOLD = 0.1
"""A weight has moved when it changed by more than this share of its tensor's root mean square."""


@dataclass(frozen=True, slots=True)
class LayerMovement:
    """Movement of one layer: its number of weights, the share that moved, and |after - before| / |before|."""

    layer: str
    weights: int
    moved_share: float
    relative_distance: float


@dataclass(frozen=True, slots=True)
class Movement:
    """Movement of the whole network, its layers, its encoder alone, and the drift of batch-norm statistics."""

    weights: int
    moved_share: float
    relative_distance: float
    encoder_distance: float
    """Relative distance without the head, which has other rows in another language."""
    batch_norm_drift: float
    """Relative distance of running means and variances; 0 where there are none."""
    layers: tuple[LayerMovement, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values for results.json and the card."""
        return asdict(self)


def movement(
    before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor], threshold: float = THRESHOLD
) -> Movement:
    """Compare two sets of weights with equal names and shapes; ModelError names the first that differs.

    `before` is the planted start (the donor's weights, its output rows put in the target's order), so a fresh row
    counts from its random start.
    """
    for name in before.keys() | after.keys():
        if name not in before or name not in after or before[name].shape != after[name].shape:
            fix = "compare models of one lineage and one alphabet"
            raise ModelError("the two models differ in shape", where=name, fix=fix)
    trained = [n for n, t in before.items() if t.is_floating_point() and not _is_statistic(n)]
    # Of each layer: weights, weights that moved, |after - before|^2, |before|^2. Sums, so that layers add up.
    tallies = {layer: [0.0, 0.0, 0.0, 0.0] for layer in layer_order(trained)}
    for name in trained:
        # Double precision: a sum of a million small squares loses its last terms in single.
        old, new = before[name].double(), after[name].double()
        change = (new - old).abs()
        reach = threshold * float(old.square().mean().sqrt())
        moved = int((change > reach).sum())
        sums = (old.numel(), moved, float(change.square().sum()), float(old.square().sum()))
        tallies[layer_of(name)] = [total + value for total, value in zip(tallies[layer_of(name)], sums, strict=True)]
    whole = [sum(values) for values in zip(*tallies.values(), strict=True)]
    # Heads have other rows in another language, so the encoder alone is what two donors can be compared by.
    encoder = [sum(values) for values in zip(*(t for layer, t in tallies.items() if layer != "head"), strict=True)]
    return Movement(
        weights=int(whole[0]),
        moved_share=whole[1] / max(whole[0], 1),
        relative_distance=_distance(whole),
        encoder_distance=_distance(encoder) if encoder else 0.0,
        batch_norm_drift=_statistics_drift(before, after),
        layers=tuple(
            LayerMovement(layer, int(t[0]), t[1] / max(t[0], 1), _distance(t)) for layer, t in tallies.items()
        ),
    )


def _distance(tally: list[float]) -> float:
    return float((tally[2] / tally[3]) ** 0.5) if tally[3] else 0.0


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def _statistics_drift(before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]) -> float:
    # Batch norm's statistics are not trained: they follow the data, and drift even where every weight is frozen.
    names = [n for n in before if n.endswith(("running_mean", "running_var"))]
    change = sum(float((after[n].double() - before[n].double()).square().sum()) for n in names)
    size = sum(float(before[n].double().square().sum()) for n in names)
    return float((change / size) ** 0.5) if size else 0.0
