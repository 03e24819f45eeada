from vizinho.audio.features import make_extractor
from vizinho.model.frontends import front_end
from vizinho.model.layers import layer_of, layer_order
from vizinho.model.networks import weights
from vizinho.model.presets import build_model


def test_layers_of_a_fastconformer():
    names = weights(build_model("micro", 9, 0))
    assert layer_order(names) == ["front", "block0", "block1", "head"]


def test_layers_of_a_wav2vec2():
    assert layer_of("wav2vec2.feature_extractor.conv_layers.0.conv.weight") == "front"
    assert layer_of("wav2vec2.encoder.layers.11.attention.k_proj.weight") == "block11"
    assert layer_of("lm_head.bias") == "head"
    assert layer_of("wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original0") == "front"
    assert layer_of("wav2vec2.encoder.layers.3.adapter_layer.linear_1.weight") == "block3"


def test_adapters_after_the_blocks_are_the_top():
    names = ["wav2vec2.adapter.layers.0.conv.weight", "lm_head.bias", "wav2vec2.encoder.layers.0.attention.k_proj.bias"]
    assert layer_order(names) == ["block0", "top", "head"]


def test_output_frames_agree_with_the_network():
    model = build_model("micro", 9, 0)
    import torch

    front = front_end(model.config, make_extractor())
    for frames in range(1, 60):
        assert int(model._get_subsampling_output_length(torch.tensor([frames]))[0]) == front.output_frames(frames)
