"""A tiny random network of every kind that can be a donor, saved by the official classes as its authors would."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as hf
from safetensors.torch import save_file

CONVOLUTIONS = {"conv_dim": (8, 8, 8), "conv_kernel": (10, 8, 4), "conv_stride": (5, 8, 8)}
"""320 samples a frame as in the real ones, with three layers instead of seven."""
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
POSITIONS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}
LETTERS = "abcdefgh"


def vocabulary(letters: str = LETTERS) -> dict[str, int]:
    """As the wav2vec 2.0 models of the hub have it."""
    return {token: row for row, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", "|", *letters])}


def _tokenizer(folder: Path, letters: Any = None, **options: Any) -> Any:
    path = folder / "vocab.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(letters or vocabulary()))
    return hf.Wav2Vec2CTCTokenizer(str(path), **options)


def _waveform_extractor(masked: bool) -> Any:
    return hf.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=masked)


def _save(folder: Path, model: Any, processor: Any) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _raw(config: type, network: type, **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.manual_seed(0)
        tokenizer = _tokenizer(folder)
        settings = config(**SMALL, **CONVOLUTIONS, vocab_size=len(tokenizer), pad_token_id=0, **POSITIONS | options)
        masked = getattr(settings, "feat_extract_norm", "layer") != "group"
        processor = hf.Wav2Vec2Processor(_waveform_extractor(masked), tokenizer)
        return _save(folder, network(settings), processor)

    return make


def _headless(config: type, network: type, **options: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.manual_seed(0)
        settings = config(**SMALL, **CONVOLUTIONS, **POSITIONS, **options)
        return _save(folder, network(settings), _waveform_extractor(True))

    return make


def mms(folder: Path) -> Path:
    """A network with an adapter and an output layer per language, and a nested vocabulary."""
    torch.manual_seed(0)
    nested = {"eng": vocabulary("abcd"), "spa": vocabulary("abcdefghñ")}
    tokenizer = _tokenizer(folder, nested, target_lang="eng")
    settings = hf.Wav2Vec2Config(
        **SMALL,
        **CONVOLUTIONS,
        **POSITIONS,
        vocab_size=len(nested["eng"]),
        pad_token_id=0,
        adapter_attn_dim=4,
        do_stable_layer_norm=True,
        feat_extract_norm="layer",
        output_hidden_size=16,
    )
    model = hf.Wav2Vec2ForCTC(settings)
    for language, letters in nested.items():
        weights = {name: torch.randn_like(tensor) * 0.1 for name, tensor in model._get_adapters().items()}
        weights["lm_head.weight"], weights["lm_head.bias"] = torch.randn(len(letters), 16), torch.zeros(len(letters))
        save_file(weights, folder / f"adapter.{language}.safetensors")
    return _save(folder, model, hf.Wav2Vec2Processor(_waveform_extractor(True), tokenizer))


def wav2vec2_bert(folder: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = _tokenizer(folder)
    settings = hf.Wav2Vec2BertConfig(
        **SMALL,
        vocab_size=len(tokenizer),
        pad_token_id=0,
        feature_projection_input_dim=160,
        add_adapter=True,
        num_adapter_layers=1,
        output_hidden_size=16,
        conv_depthwise_kernel_size=5,
    )
    processor = hf.Wav2Vec2BertProcessor(hf.SeamlessM4TFeatureExtractor(), tokenizer)
    return _save(folder, hf.Wav2Vec2BertForCTC(settings), processor)


def parakeet_encoder_config() -> Any:
    return hf.ParakeetEncoderConfig(
        **SMALL, num_mel_bins=80, subsampling_factor=8, subsampling_conv_channels=8, conv_kernel_size=5
    )


def parakeet(folder: Path, tokenizer: Any = None) -> Path:
    from vizinho.text.tokens import bpe_tokenizer

    torch.manual_seed(0)
    tokenizer = tokenizer or bpe_tokenizer(["abc de", "fgh abc", "de fgh"] * 4, 24)
    settings = hf.ParakeetCTCConfig(
        encoder_config=parakeet_encoder_config().to_dict(),
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
    )
    processor = hf.ParakeetProcessor(hf.ParakeetFeatureExtractor(), tokenizer, decoder_type="ctc")
    return _save(folder, hf.ParakeetForCTC(settings), processor)


def parakeet_encoder(folder: Path) -> Path:
    torch.manual_seed(0)
    return _save(folder, hf.ParakeetEncoder(parakeet_encoder_config()), hf.ParakeetFeatureExtractor())


def parakeet_tdt(folder: Path) -> Path:
    torch.manual_seed(0)
    settings = hf.ParakeetTDTConfig(
        encoder_config=parakeet_encoder_config().to_dict(), vocab_size=9, decoder_hidden_size=8, pad_token_id=0
    )
    return _save(folder, hf.ParakeetForTDT(settings), hf.ParakeetFeatureExtractor())


def whisper(folder: Path) -> Path:
    torch.manual_seed(0)
    settings = hf.WhisperConfig(
        d_model=16,
        encoder_layers=2,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        vocab_size=60,
        pad_token_id=1,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=4,
        max_source_positions=1500,
    )
    return _save(folder, hf.WhisperForConditionalGeneration(settings), hf.WhisperFeatureExtractor())


_STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
RECOGNISERS: dict[str, Callable[[Path], Path]] = {
    "wav2vec2 group": _raw(hf.Wav2Vec2Config, hf.Wav2Vec2ForCTC),
    "wav2vec2 layer": _raw(hf.Wav2Vec2Config, hf.Wav2Vec2ForCTC, **_STABLE),
    "wav2vec2 adapter": _raw(hf.Wav2Vec2Config, hf.Wav2Vec2ForCTC, **_STABLE, add_adapter=True, num_adapter_layers=1),
    "hubert group": _raw(hf.HubertConfig, hf.HubertForCTC),
    "hubert batch norm": _raw(hf.HubertConfig, hf.HubertForCTC, **_STABLE, conv_pos_batch_norm=True),
    "wavlm": _raw(hf.WavLMConfig, hf.WavLMForCTC, **_STABLE),
    "unispeech": _raw(hf.UniSpeechConfig, hf.UniSpeechForCTC, **_STABLE),
    "unispeech-sat": _raw(hf.UniSpeechSatConfig, hf.UniSpeechSatForCTC, **_STABLE),
    "data2vec-audio": _raw(
        hf.Data2VecAudioConfig, hf.Data2VecAudioForCTC, conv_pos_kernel_size=3, num_conv_pos_embeddings=2
    ),
    "wav2vec2-conformer": _raw(
        hf.Wav2Vec2ConformerConfig, hf.Wav2Vec2ConformerForCTC, feat_extract_norm="layer", conv_depthwise_kernel_size=5
    ),
    "wav2vec2-bert": wav2vec2_bert,
    "mms": mms,
    "parakeet": parakeet,
}
"""Networks with an output layer and tokens."""
ENCODERS: dict[str, Callable[[Path], Path]] = {
    "wav2vec2 encoder": _headless(hf.Wav2Vec2Config, hf.Wav2Vec2Model, **_STABLE),
    "wav2vec2 pre-training": _headless(hf.Wav2Vec2Config, hf.Wav2Vec2ForPreTraining, **_STABLE),
    "hubert encoder": _headless(hf.HubertConfig, hf.HubertModel, **_STABLE),
    "parakeet encoder": parakeet_encoder,
    "parakeet tdt": parakeet_tdt,
    "whisper": whisper,
}
"""Networks that can only be the start of a transfer."""
