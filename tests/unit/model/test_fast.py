import copy

import pytest
import torch

from vizinho.audio.features import make_extractor
from vizinho.model.ctc import ctc_loss
from vizinho.model.fast import fast_forward
from vizinho.model.frontends import front_end
from vizinho.model.presets import build_model


def batch(lengths):
    torch.manual_seed(0)
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return torch.randn(len(lengths), longest, 80, dtype=torch.float64) * mask[:, :, None], mask


@pytest.mark.parametrize("lengths", [(80, 80), (203, 150, 99, 13, 1), (401,)])
@pytest.mark.parametrize("tokens", ["characters", "bpe"])
def test_loss_gradients_and_statistics_equal_the_original(lengths, tokens):
    # Double precision: in single precision the two orders of summation differ by rounding alone.
    original = build_model("micro", 20, 0, tokens=tokens).double().train()
    ours = copy.deepcopy(original)
    features, mask = batch(lengths)
    labels, label_lengths = torch.full((len(lengths),), 3), torch.ones(len(lengths), dtype=torch.long)
    front = front_end(original.config, make_extractor())

    def loss(model):
        logits = model(features, attention_mask=mask).logits
        frames = torch.tensor([front.output_frames(int(n)) for n in mask.sum(dim=1)])
        return ctc_loss(logits, frames, labels, label_lengths, blank=0)

    loss(original).backward()
    with fast_forward(ours):
        loss(ours).backward()
    # The loss itself is computed in single precision.
    for (name, a), b in zip(original.named_parameters(), ours.parameters(), strict=True):
        assert torch.allclose(a.grad, b.grad, rtol=1e-4, atol=1e-5), name
    for (name, a), b in zip(original.named_buffers(), ours.buffers(), strict=True):
        assert torch.allclose(a.double(), b.double(), atol=1e-9), name


def test_real_frames_equal_the_original_in_evaluation():
    model = build_model("micro", 20, 0).double().eval()
    features, mask = batch((120, 77))
    with torch.inference_mode():
        expected = model(features, attention_mask=mask).logits
        with fast_forward(model):
            found = model(features, attention_mask=mask).logits
    assert torch.allclose(expected[0], found[0])
    assert torch.allclose(expected[1, :20], found[1, :20])


def test_the_original_forward_comes_back():
    model = build_model("micro", 20, 0)
    before = model.forward
    with fast_forward(model):
        assert model.forward != before
    assert model.forward == before
