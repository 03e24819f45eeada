import numpy as np
import pytest
import torch
from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from vizinho.audio.augment import AugmentOptions
from vizinho.audio.features import Convolution, FrontEnd, make_extractor
from vizinho.errors import AudioError

MASKS = AugmentOptions(freq_masks=1, freq_width=40, time_masks=1, time_share=0.3)
NOISE = np.random.default_rng(0).standard_normal(8000).astype(np.float32) * 0.1


def test_output_frames_follow_the_convolutions():
    front = FrontEnd(None, 1, convolutions=(Convolution(10, 5), Convolution(3, 2), Convolution(3, 2, 1)))
    assert front.subsampling == 20
    assert front.frame_seconds == pytest.approx(20 / 16000)
    layers = [torch.nn.Conv1d(1, 1, c.kernel, c.stride, c.padding) for c in front.convolutions]
    for steps in (25, 99, 100, 101, 1234):
        made = torch.zeros(1, 1, steps)
        for layer in layers:
            made = layer(made)
        assert front.output_frames(steps) == made.shape[-1]
    assert front.output_frames(3) == 0


def test_stacked_frames_are_masked_one_by_one():
    front = FrontEnd(SeamlessM4TFeatureExtractor(), 320, 240, stacked=2)
    inputs = torch.ones(40, 160)
    masked = front.mask_inputs(inputs, MASKS, np.random.default_rng(2)).reshape(80, 80)
    bands = (masked == 0).all(dim=0)
    assert 0 < int(bands.sum()) < 80
    rows = (masked == 0).all(dim=1)
    assert torch.equal(masked == 0, rows[:, None] | bands[None])


def test_features_with_a_mean_are_masked_with_it():
    front = FrontEnd(WhisperFeatureExtractor(), 160, centred=False)
    inputs = front.extract([NOISE]).features[0]
    masked = front.mask_inputs(inputs, MASKS, np.random.default_rng(2))
    changed = masked != inputs
    mean = inputs.mean(dim=0).expand_as(inputs)
    assert changed.any()
    assert torch.allclose(masked[changed], mean[changed], atol=1e-5)


def test_waveforms_are_masked_before_the_extractor_and_features_after_it():
    waveform, mel = FrontEnd(Wav2Vec2FeatureExtractor(), 1), FrontEnd(make_extractor(), 160)
    rng = np.random.default_rng
    assert not np.array_equal(waveform.masked_waveform(NOISE, MASKS, rng(1)), NOISE)
    assert np.array_equal(mel.masked_waveform(NOISE, MASKS, rng(1)), NOISE)
    inputs = waveform.extract([NOISE]).features[0]
    assert torch.equal(waveform.mask_inputs(inputs, MASKS, rng(1)), inputs)


def test_each_utterance_is_normalised_over_its_own_samples():
    front = FrontEnd(Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=False), 1)
    together, alone = front.extract([NOISE, NOISE[:3000]]), front.extract([NOISE[:3000]])
    assert torch.allclose(together.features[1, :3000], alone.features[0], atol=1e-6)
    assert together.mask.sum(dim=1).tolist() == [8000, 3000]
    assert not together.features[1, 3000:].any()


def test_audio_beyond_the_networks_positions_is_named():
    front = FrontEnd(make_extractor(), 160, max_seconds=0.4)
    with pytest.raises(AudioError, match=r"waveform 0: 0\.5 s is too long for this network .* at most 0\.4 s"):
        front.extract([NOISE])


def test_too_short_audio_is_named():
    with pytest.raises(AudioError, match=r"waveform 1: 0\.010 s of audio is too short"):
        FrontEnd(make_extractor(), 160).extract([NOISE, NOISE[:160]])
