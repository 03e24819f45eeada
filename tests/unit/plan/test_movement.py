import pytest
import torch

from vizinho.errors import ModelError
from vizinho.plan.movement import movement


def two_layers(front: float, head: float):
    return {
        "subsampling.w": torch.full((4,), float(front)),
        "ctc_head.weight": torch.full((2, 2), float(head)),
        "block.norm.running_mean": torch.ones(3),
    }


def test_nothing_moved():
    found = movement(two_layers(1, 1), two_layers(1, 1))
    assert (found.moved_share, found.relative_distance, found.batch_norm_drift) == (0, 0, 0)
    assert found.weights == 8


def test_distance_is_relative_and_per_layer():
    found = movement(two_layers(1, 2), two_layers(1.5, 2))
    layers = {layer.layer: layer for layer in found.layers}
    assert layers["front"].relative_distance == pytest.approx(0.5)
    assert layers["front"].moved_share == 1
    assert layers["head"].relative_distance == 0
    assert found.encoder_distance == pytest.approx(0.5)
    assert found.moved_share == pytest.approx(0.5)


def test_small_changes_do_not_count_as_moved_but_have_a_distance():
    found = movement(two_layers(1, 1), two_layers(1.05, 1))
    assert found.moved_share == 0
    assert found.relative_distance > 0


def test_statistics_are_reported_apart():
    after = two_layers(1, 1)
    after["block.norm.running_mean"] = torch.full((3,), 2.0)
    found = movement(two_layers(1, 1), after)
    assert found.batch_norm_drift == pytest.approx(1.0)
    assert found.relative_distance == 0


def test_other_shapes_are_refused_by_name():
    after = two_layers(1, 1) | {"ctc_head.weight": torch.zeros(3, 2)}
    with pytest.raises(ModelError, match=r"ctc_head\.weight"):
        movement(two_layers(1, 1), after)
