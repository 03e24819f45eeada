"""Recomputed blocks: the same outputs, gradients and statistics as kept ones, in the fast and the original order."""

import copy
from contextlib import nullcontext

import pytest
import torch

from vizinho.errors import ModelError
from vizinho.model.fast import fast_forward
from vizinho.model.presets import build_model
from vizinho.model.recompute import recomputed_blocks
from vizinho.training.norms import RunningStatistics


@pytest.mark.parametrize("order", [fast_forward, nullcontext])
def test_gradients_and_statistics_are_those_of_kept_blocks(order):
    kept = build_model("micro", 7, 0).train()
    for block in kept.encoder.layers:
        block.self_attn.attention_dropout = 0.3
    kept.encoder.layers[0].requires_grad_(False)
    again = copy.deepcopy(kept)
    features, mask = torch.randn(2, 60, 80), torch.arange(60) < torch.tensor([[60], [41]])
    calls = []
    again.encoder.layers[1].norm_feed_forward1.register_forward_hook(lambda *_: calls.append(True))
    for model in (kept, again):
        torch.manual_seed(3)
        around = recomputed_blocks(model, RunningStatistics(model).still) if model is again else nullcontext()
        with around, order(model):
            model(features, attention_mask=mask).logits.square().mean().backward()
    assert len(calls) == 2
    for (name, ours), theirs in zip(again.named_parameters(), kept.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), name
        assert ours.grad is None or torch.equal(ours.grad, theirs.grad), name
    for (name, ours), theirs in zip(again.named_buffers(), kept.buffers(), strict=True):
        assert not ours.is_floating_point() or torch.equal(ours, theirs), name
    again(features, attention_mask=mask)
    assert len(calls) == 3, "afterwards nothing is recomputed"


def test_a_network_that_cannot_is_refused():
    class Plain(torch.nn.Module):
        def gradient_checkpointing_enable(self, _options):
            raise ValueError("no blocks")

        def gradient_checkpointing_disable(self):
            pass

    with pytest.raises(ModelError, match="cannot be recomputed"), recomputed_blocks(Plain(), nullcontext):
        pass
