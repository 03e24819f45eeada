"""What the networks of nemo_reference.py and nemo_train.py have in common, as NeMo's FastConformer examples have it."""

from __future__ import annotations

from typing import Any

SAMPLE_RATE = 16000
PREPROCESSOR: dict[str, Any] = {
    "_target_": "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor",
    "sample_rate": SAMPLE_RATE,
    "normalize": "per_feature",
    "window_size": 0.025,
    "window_stride": 0.01,
    "window": "hann",
    "features": 80,
    "n_fft": 512,
    "frame_splicing": 1,
    "dither": 0.00001,
    "pad_to": 0,
}
ENCODER: dict[str, Any] = {
    "_target_": "nemo.collections.asr.modules.ConformerEncoder",
    "feat_in": 80,
    "feat_out": -1,
    "subsampling": "dw_striding",
    "causal_downsampling": False,
    "self_attention_model": "rel_pos",
    "att_context_size": [-1, -1],
    "att_context_style": "regular",
    "untie_biases": True,
    "pos_emb_max_len": 5000,
    "conv_kernel_size": 9,
    "conv_norm_type": "batch_norm",
    "conv_context_size": None,
    "dropout_emb": 0.0,
}
"""Size, subsampling and dropout are each network's own."""
