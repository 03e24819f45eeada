import pytest
import torch

from vizinho.plan.controls import gaussian_encoder, permuted_rows, shuffled_encoder
from vizinho.text.tokens import TokenInventory

TOKENS = TokenInventory(("<pad>", "<unk>", "|", *"abcdef"), ("blank", "unknown", "space", *["letter"] * 6))


@pytest.fixture
def weights():
    torch.manual_seed(1)
    return {
        "encoder.layers.0.linear.weight": torch.randn(40, 30) * 3 + 1,
        "encoder.layers.0.norm.running_var": torch.rand(50) + 0.1,
        "encoder.layers.0.norm.num_batches_tracked": torch.tensor(7),
        "ctc_head.weight": torch.arange(9.0)[:, None].expand(9, 4).clone(),
        "ctc_head.bias": torch.arange(9.0),
    }


def test_permuting_moves_every_letters_row_and_nothing_else(weights):
    for seed in range(20):
        made = permuted_rows(weights, TOKENS, seed)
        head = made["ctc_head.bias"]
        assert head[:3].tolist() == [0, 1, 2]
        assert sorted(head.tolist()) == list(range(9))
        assert all(head[row] != row for row in range(3, 9))
        assert torch.equal(made["ctc_head.weight"][:, 0], head), "weights and biases move together"
        assert torch.equal(made["encoder.layers.0.linear.weight"], weights["encoder.layers.0.linear.weight"])


def test_shuffling_keeps_each_tensors_values(weights):
    made = shuffled_encoder(weights, 3)
    for name in ("encoder.layers.0.linear.weight", "encoder.layers.0.norm.running_var"):
        assert not torch.equal(made[name], weights[name])
        assert torch.equal(made[name].flatten().sort().values, weights[name].flatten().sort().values)
    for name in ("encoder.layers.0.norm.num_batches_tracked", "ctc_head.weight", "ctc_head.bias"):
        assert torch.equal(made[name], weights[name])


def test_gaussian_weights_have_the_same_mean_and_deviation(weights):
    name = "encoder.layers.0.linear.weight"
    made = gaussian_encoder(weights, 3)
    assert float(made[name].mean()) == pytest.approx(float(weights[name].mean()), abs=0.3)
    assert float(made[name].std()) == pytest.approx(float(weights[name].std()), rel=0.1)
    assert not torch.equal(made[name].flatten().sort().values, weights[name].flatten().sort().values)
    assert (made["encoder.layers.0.norm.running_var"] > 0).all()
    assert torch.equal(made["ctc_head.weight"], weights["ctc_head.weight"])


@pytest.mark.parametrize("make", [shuffled_encoder, gaussian_encoder])
def test_a_seed_gives_the_same_start_again_and_others_another(weights, make):
    name = "encoder.layers.0.linear.weight"
    assert torch.equal(make(weights, 1)[name], make(weights, 1)[name])
    assert not torch.equal(make(weights, 1)[name], make(weights, 2)[name])
