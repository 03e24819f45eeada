import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.model.fast import Chunks, fast_forward
from vizinho.model.presets import build_model
from vizinho.model.streaming import ChunkedEncoder


def model(tokens: str = "characters"):
    made = build_model("micro", 11, 0, tokens=tokens).eval().double()
    with torch.no_grad():  # as after training: statistics and scales that are not ones and zeros
        for module in made.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)
    return made


MODELS = {tokens: model(tokens) for tokens in ("characters", "bpe")}


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 160),
    st.integers(1, 9),
    st.integers(0, 3),
    st.sampled_from(["characters", "bpe"]),
    st.integers(0, 99),
)
def test_a_stream_gives_what_the_whole_gives_under_the_same_masks(length, frames, left, tokens, seed):
    network, chunks = MODELS[tokens], Chunks(frames, left)
    features = torch.randn(length, 80, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with torch.inference_mode(), fast_forward(network):
        whole = network(features[None], chunks=chunks).logits[0].float().log_softmax(-1)
    encoder = ChunkedEncoder(network, chunks)
    streamed = torch.cat([encoder(part) for part in features.split(encoder.chunk_features)])
    assert streamed.shape == whole.shape
    assert torch.allclose(streamed, whole, atol=1e-5)


def test_one_chunk_of_everything_is_the_network_without_chunks():
    features, mask = torch.randn(2, 90, 80, dtype=torch.float64), torch.ones(2, 90, dtype=torch.bool)
    mask[1, 60:] = False
    network = MODELS["characters"]
    with torch.inference_mode(), fast_forward(network):
        plain = network(features, attention_mask=mask).logits
        chunked = network(features, attention_mask=mask, chunks=Chunks(23, 0)).logits
    assert torch.allclose(plain[0], chunked[0]) and torch.allclose(plain[1, :15], chunked[1, :15])


@pytest.mark.parametrize("changed", [0, 1, 2])
def test_nothing_is_heard_before_its_chunk_or_too_long_after(changed):
    features = torch.randn(1, 16 * 5, 80, dtype=torch.float64)
    other = features.clone()
    other[:, 16 * changed + 15] += 1.0
    chunks, network = Chunks(4, 1), MODELS["characters"]
    with torch.inference_mode(), fast_forward(network):
        a, b = (network(f, chunks=chunks).logits[0] for f in (features, other))
    differs = [not torch.allclose(x, y, atol=1e-9) for x, y in zip(a.split(4), b.split(4), strict=True)]
    assert not any(differs[:changed]) and differs[changed]


def test_padding_changes_nothing():
    network, chunks = MODELS["characters"], Chunks(5, 2)
    features = torch.randn(1, 70, 80, dtype=torch.float64)
    padded = torch.nn.functional.pad(features, (0, 0, 0, 33), value=3.0)
    mask = torch.arange(103)[None] < 70
    with torch.inference_mode(), fast_forward(network):
        alone = network(features, chunks=chunks).logits[0]
        within = network(padded, attention_mask=mask, chunks=chunks).logits[0, : len(alone)]
    assert torch.allclose(alone, within)
