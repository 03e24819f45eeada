"""How each family of networks wants its audio, read from its configuration and its feature extractor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from transformers import WhisperForConditionalGeneration

from vizinho.audio.features import Convolution, FrontEnd
from vizinho.audio.io import SAMPLE_RATE
from vizinho.errors import ModelError

if TYPE_CHECKING:
    from transformers import FeatureExtractionMixin, PreTrainedConfig

WAVEFORM = ("wav2vec2", "wav2vec2-conformer", "hubert", "wavlm", "unispeech", "unispeech-sat", "data2vec-audio")
"""Model types that read waveforms through a chain of convolutions (Baevski et al. 2020, arXiv 2006.11477)."""
LEAKY = ("wav2vec2-conformer", "data2vec-audio")
"""Those of them whose convolutions at or in the blocks read padding, with or without a mask (tests check it)."""
STACKED = ("wav2vec2-bert",)
"""Model types that read pairs of log-mel frames side by side (Seamless Communication 2023, arXiv 2312.05187)."""
FASTCONFORMER = ("parakeet_ctc",)
TRANSDUCERS = ("parakeet_rnnt", "parakeet_tdt")
"""Model types with a prediction and a joint network, which are trained with the encoder."""
WHISPER = ("whisper_ctc",)
WHOLE_WHISPER = ("whisper",)
"""Model types with a decoder, which is trained with the encoder."""
WINDOWS = (2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 20.0, 24.0, 30.0)
"""Seconds of Whisper computed in full (`whisper_silence`): the shortest that holds the speech and MARGIN.

They are few, so that batches fall into groups.
"""
MARGIN = 0.2
"""Seconds of silence that must follow the speech, so that the end of the window is silence and nothing else."""
FAMILIES = (*FASTCONFORMER, *WAVEFORM, *STACKED, *WHISPER)
"""Model types that can be trained with CTC here."""


def is_whole_whisper(model: Any) -> bool:
    """Whether a network is a Whisper with its decoder."""
    return isinstance(model, WhisperForConditionalGeneration)


def front_end(config: PreTrainedConfig, extractor: FeatureExtractionMixin) -> FrontEnd:
    """The front end of a network. Raises ModelError for an unknown family or another sampling rate."""
    rate = getattr(extractor, "sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise ModelError(f"the model works at {rate} Hz", fix=f"only models of {SAMPLE_RATE} Hz can be used")
    if config.model_type in (*FASTCONFORMER, *TRANSDUCERS):
        return _fastconformer(config.encoder_config, extractor)
    if config.model_type in WAVEFORM:
        # Read from the configuration, as Hugging Face's documentation of the extractor says, not from the extractor's
        # return_attention_mask: that is only a default and many saved extractors contradict the network.
        masked = getattr(config, "feat_extract_norm", "layer") != "group"
        chain = [Convolution(*pair) for pair in zip(config.conv_kernel, config.conv_stride, strict=True)]
        adapter = _adapter(config)
        # Their convolutions read padding that no mask removes, so utterances of different lengths are not batched.
        alone = not masked or bool(adapter) or config.model_type in LEAKY
        return FrontEnd(extractor, 1, convolutions=(*chain, *adapter), masked=masked, alone=alone)
    if config.model_type in STACKED:
        # Kaldi's frames: only whole windows of 25 ms.
        hop, window, stacked = SAMPLE_RATE // 100, SAMPLE_RATE // 40, extractor.stride
        adapter = _adapter(config)
        return FrontEnd(extractor, stacked * hop, window - hop, adapter, alone=bool(adapter), stacked=stacked)
    if config.model_type in (*WHISPER, *WHOLE_WHISPER):
        # Two convolutions, the second of stride 2; one position per output frame, so positions limit the length.
        halving = (Convolution(3, 1, 1), Convolution(3, 2, 1))
        seconds = config.max_source_positions * 2 * extractor.hop_length / SAMPLE_RATE
        whole = config.model_type in WHOLE_WHISPER
        # With its decoder Whisper hears the silence after the speech; without, padding is masked.
        return FrontEnd(
            extractor,
            extractor.hop_length,
            0,
            halving,
            masked=not whole,
            centred=False,
            max_seconds=seconds,
            windows=WINDOWS if whole else (),
            margin_seconds=MARGIN if whole else 0.0,
        )
    raise ModelError(f"networks of type {config.model_type!r} are not known", fix=f"known types: {', '.join(FAMILIES)}")


def _fastconformer(config: PreTrainedConfig, extractor: FeatureExtractionMixin) -> FrontEnd:
    halvings = round(math.log2(config.subsampling_factor))
    kernel, stride = config.subsampling_conv_kernel_size, config.subsampling_conv_stride
    convolution = Convolution(kernel, stride, (kernel - 1) // 2)
    return FrontEnd(extractor, extractor.hop_length, 0, (convolution,) * halvings)


def _adapter(config: PreTrainedConfig) -> tuple[Convolution, ...]:
    """The strided convolutions that some networks have after the encoder."""
    if not getattr(config, "add_adapter", False):
        return ()
    padding = config.adapter_stride // 2 if config.model_type in STACKED else 1
    return (Convolution(config.adapter_kernel_size, config.adapter_stride, padding),) * int(config.num_adapter_layers)
