import pytest
import torch

from vizinho.model.export_network import ExportNetwork
from vizinho.model.fast import fast_forward
from vizinho.model.presets import build_model


@pytest.mark.parametrize("tokens", ["characters", "bpe"])
@pytest.mark.parametrize("lengths", [(1,), (4, 2), (5, 1), (8, 9), (61, 17, 40)])
def test_it_gives_the_log_probabilities_of_the_model_from_a_single_frame_on(tokens, lengths):
    model = build_model("micro", 7, 0, tokens=tokens).eval()
    with torch.no_grad():  # as after training: statistics and scales that are not ones and zeros
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)
    order = [1, 2, 3, 4, 5, 6, 0]
    network = ExportNetwork(model, order)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    features = torch.randn(len(lengths), max(lengths), 80) * mask[:, :, None]
    with torch.inference_mode(), fast_forward(model):
        expected = model(features, attention_mask=mask).logits.log_softmax(-1)[..., order]
        exported = network(features.transpose(1, 2), torch.tensor(lengths))
    assert exported.shape == expected.shape
    for row, length in enumerate(lengths):
        frames = -(-length // model.config.encoder_config.subsampling_factor)
        assert torch.allclose(exported[row, :frames], expected[row, :frames], atol=1e-5)
