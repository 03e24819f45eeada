import copy

import pytest
import torch
from donor_zoo import RECOGNISERS, whisper
from transformers import AutoModelForCTC, WhisperForConditionalGeneration
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from vizinho.audio.features import make_extractor
from vizinho.model import conformer
from vizinho.model.fast import SHORT, attend_short, fast_forward
from vizinho.model.frontends import front_end
from vizinho.model.presets import build_model
from vizinho.model.whisper_silence import pool_silence
from vizinho.training.losses import ctc_loss


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


def test_dropout_drops_its_share_and_keeps_the_mean():
    torch.manual_seed(3)
    values = torch.ones(301, 1001)
    dropped = conformer.drop(values, 0.1, training=True)
    share = float((dropped == 0).double().mean())
    # Three standard deviations of a share of 301,301 draws.
    assert abs(share - 0.1) < 3 * (0.1 * 0.9 / values.numel()) ** 0.5
    assert torch.allclose(dropped[dropped > 0], torch.tensor(1.0 / 0.9))
    assert conformer.drop(values, 0.1, training=False) is values


def test_dropout_follows_torchs_seed():
    def drawn(seed):
        torch.manual_seed(seed)
        return [conformer.drop(torch.ones(7, 3), 0.5, training=True) for _ in range(2)]

    first, second = drawn(1)
    assert torch.equal(first, drawn(1)[0])
    assert torch.equal(second, drawn(1)[1])
    assert not torch.equal(first, second)


def test_bfloat16_is_near_float32_and_convolutions_stay_precise():
    model = build_model("micro", 20, 0).train()
    features, mask = (tensor.float() if tensor.is_floating_point() else tensor for tensor in batch((203, 150)))
    seen = []
    model.encoder.layers[0].conv.norm.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].dtype))
    logits = {}
    for precise in (True, False):
        with fast_forward(model), torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            logits[precise] = model(features, attention_mask=mask).logits
    assert seen == [torch.float32, torch.float32]
    assert torch.allclose(logits[True], logits[False].float(), atol=0.1)
    logits[False].float().sum().backward()
    assert all(p.grad.dtype == torch.float32 for p in model.parameters() if p.grad is not None)


MASKS = {
    "none": lambda items, queries, keys: None,
    "added": lambda items, queries, keys: torch.randn(1, 1, 1, keys).expand(items, 1, queries, keys),
    "true and false": lambda items, queries, keys: (
        torch.arange(keys)[None, None, None] < torch.randint(1, keys + 1, (items, 1, 1, 1))
    ),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("queries", "keys"), [(37, 37), (5, 61), (1, 9)])
def test_short_attention_is_that_of_torch(queries, keys, mask):
    torch.manual_seed(0)
    drawn = [torch.randn(3, 2, n, 16) for n in (queries, keys, keys)]
    added, layer, grad = MASKS[mask](3, queries, keys), torch.nn.Module(), torch.randn(3, queries, 2, 16)
    expected, *exact = _attended(sdpa_attention_forward, layer, drawn, added, grad)
    bf16 = [values.bfloat16() for values in drawn]
    result, *gradients = _attended(attend_short, layer, bf16, added, grad.bfloat16())
    assert result.dtype == torch.bfloat16
    for near, of in zip((result, *gradients), (expected, *exact), strict=True):
        assert torch.allclose(near.float(), of, atol=0.05)
    # In single precision it is torch's own.
    assert torch.equal(attend_short(layer, *drawn, added, scaling=0.3, is_causal=False)[0], expected)


def _attended(attend, layer, inputs, mask, grad):
    """The values attended to, and the gradients of queries, keys and values."""
    inputs = [values.clone().requires_grad_() for values in inputs]
    result, _ = attend(layer, *inputs, mask, scaling=0.3, is_causal=False)
    result.backward(grad)
    return result.detach(), *(values.grad for values in inputs)


def test_what_looks_back_and_what_is_long_stay_with_torch():
    torch.manual_seed(0)
    layer = torch.nn.Module()
    for length, causal in ((20, True), (SHORT + 1, False)):
        inputs = [torch.randn(1, 2, length, 8).bfloat16() for _ in range(3)]
        same = [f(layer, *inputs, None, is_causal=causal)[0] for f in (attend_short, sdpa_attention_forward)]
        assert torch.equal(*same)


@pytest.mark.parametrize("kind", ["whisper", "wav2vec2 layer", "wavlm"])
def test_other_networks_attend_so_while_they_learn_and_are_saved_as_they_were(tmp_path, kind, monkeypatch):
    calls, drop = [], conformer.drop
    monkeypatch.setattr(conformer, "drop", lambda *arguments, **named: calls.append(1) or drop(*arguments, **named))
    if kind == "whisper":
        model = WhisperForConditionalGeneration.from_pretrained(whisper(tmp_path / "donor")).eval()
        inputs = {"input_features": torch.randn(2, 80, 3000)[..., :200], "decoder_input_ids": torch.ones(2, 3).long()}
        pool_silence(model)
    else:
        model = AutoModelForCTC.from_pretrained(RECOGNISERS[kind](tmp_path / "donor")).eval()
        inputs = {"input_values": torch.randn(2, 4000)}
    before = model.config._attn_implementation
    with torch.autocast("cpu", torch.bfloat16):
        expected = model(**inputs).logits
        with fast_forward(model):
            logits = model(**inputs).logits
    assert torch.allclose(logits, expected, atol=0.02)
    assert bool(calls) == (before == "sdpa")
    assert model.config._attn_implementation == before
    model.save_pretrained(tmp_path / "saved")
    assert "vizinho" not in (tmp_path / "saved" / "config.json").read_text()
