import pytest
import torch

from vizinho.model.export_stream import ExportStream
from vizinho.model.fast import Chunks
from vizinho.model.presets import build_model
from vizinho.model.streaming import ChunkedEncoder


def model(tokens):
    network = build_model("micro", 11, 0, tokens=tokens).eval()
    with torch.no_grad():  # as after training: statistics and scales that are not ones and zeros
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize("tokens", ["characters", "bpe"])
@pytest.mark.parametrize("chunks", [Chunks(4, 2), Chunks(3, 0), Chunks(5, 1), Chunks(1, 3)])
@torch.no_grad()
def test_streams_of_any_age_share_a_call_and_give_what_each_gives_alone(tokens, chunks):
    network = model(tokens)
    graph = ExportStream(network, chunks, list(range(11))).eval()
    encoders = [ChunkedEncoder(network, chunks) for _ in range(3)]
    size, left = encoders[0].chunk_features, chunks.frames * chunks.left
    ages, states = [0, 0, 0], [graph.empty(1, 80) for _ in range(3)]
    # The second stream begins a chunk later than the first, the third two chunks later; the last chunk is short.
    for turn in range(6):
        listening = [number for number in range(3) if turn >= number]
        features = torch.randn(len(listening), 80, size if turn < 5 else size - 2)
        axes = (0, 1, 1)
        state = [torch.cat([states[n][part] for n in listening], dim=axis) for part, axis in enumerate(axes)]
        seen = torch.tensor([min(ages[n], left) for n in listening])
        begun = torch.tensor([float(ages[n] > 0) for n in listening])
        log_probs, *after = graph(features, *state, seen, begun)
        for row, number in enumerate(listening):
            expected = encoders[number](features[row].T)
            assert torch.allclose(log_probs[row], expected, atol=1e-5)
            ages[number] += log_probs.shape[1]
            states[number] = tuple(part.narrow(axis, row, 1) for part, axis in zip(after, axes, strict=True))
