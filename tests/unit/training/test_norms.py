"""Running statistics: a step of several batches moves them once, and what is computed again not at all."""

import pytest
import torch

from vizinho.training.norms import RunningStatistics


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_step_of_several_batches_moves_them_by_the_mean_of_all(count):
    norm = torch.nn.BatchNorm1d(3, momentum=0.1).train()
    norm.running_mean += 1.0
    batches = [torch.randn(8, 3) * (n + 1) + n for n in range(count)]
    means = torch.stack([b.mean(dim=0) for b in batches])
    variances = torch.stack([b.var(dim=0) for b in batches])
    statistics = RunningStatistics(norm)
    statistics.begin(count)
    for batch in batches:
        norm(batch)
        statistics.note()
    statistics.move()
    assert torch.allclose(norm.running_mean, 0.9 * torch.ones(3) + 0.1 * means.mean(dim=0), atol=1e-6)
    assert torch.allclose(norm.running_var, 0.9 * torch.ones(3) + 0.1 * variances.mean(dim=0), atol=1e-6)


def test_a_batch_that_a_block_did_not_see_takes_nothing_from_the_others():
    norm = torch.nn.BatchNorm1d(3, momentum=0.1).train()
    statistics = RunningStatistics(norm)
    batch = torch.randn(8, 3) + 4
    statistics.begin(2)
    norm(batch)
    statistics.note()
    statistics.note()  # layer drop left the block out of the second batch
    statistics.move()
    assert torch.allclose(norm.running_mean, 0.05 * batch.mean(dim=0), atol=1e-6)
    assert norm.num_batches_tracked == 1


def test_a_step_that_is_not_finished_leaves_no_trace():
    norm = torch.nn.BatchNorm1d(3).train()
    statistics = RunningStatistics(norm)
    statistics.begin(1)
    norm(torch.full((8, 3), float("nan")))
    statistics.note()
    assert torch.equal(norm.running_mean, torch.zeros(3))


def test_they_stay_where_they_are_while_something_is_computed_again():
    norm = torch.nn.BatchNorm1d(3).train()
    statistics = RunningStatistics(norm)
    before = norm.running_mean.clone()
    with statistics.still():
        norm(torch.randn(8, 3) + 5)
    assert torch.equal(norm.running_mean, before)
    norm(torch.randn(8, 3) + 5)
    assert not torch.equal(norm.running_mean, before)


def test_those_of_frozen_layers_are_not_averaged():
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3))
    model[0].eval()
    assert [id(b) for b in RunningStatistics(model).moving()] == [id(model[1].running_mean), id(model[1].running_var)]
