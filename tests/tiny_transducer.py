"""Tiny transducers with random weights, saved by the official classes: pieces, a padding token, the blank last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as hf
from donor_zoo import parakeet_encoder_config
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

KINDS = {
    "rnnt": (hf.ParakeetRNNTConfig, hf.ParakeetForRNNT),
    "tdt": (hf.ParakeetTDTConfig, hf.ParakeetForTDT),
}
TEXTS = ["abc de", "fgh abc", "de fgh", "bad cab"]


def tiny_tokenizer(size: int = 24, texts: list[str] = TEXTS) -> hf.ParakeetTokenizer:
    """BPE pieces as Parakeet's converted checkpoints have them: `<pad>` is not the blank, the blank comes last."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<unk>", "<|nospeech|>", "<pad>"]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts * 4, trainer)
    wrapped = hf.ParakeetTokenizer(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")
    wrapped.add_special_tokens({"additional_special_tokens": ["<blank>"]})
    return wrapped


TALKATIVE = {"rnnt": (3, 0.2, 6.0), "tdt": (4, 0.5, 4.0)}
"""Seeds, deviations of the encoder's projection, and nats for the blank, of networks that say this and that."""


def tiny_model(
    kind: str, tokenizer: Any, *, blank_nats: float | None = None, encoder: Any = None, **settings: Any
) -> Any:
    """Fresh weights that write something; with an `encoder` its weights, and the others ready to learn."""
    config, network = KINDS[kind]
    seed, of_encoder, nats = TALKATIVE[kind]
    deviations = {"encoder_projector": of_encoder, "decoder.decoder_projector.weight": 2.0}
    random = parakeet_encoder_config().to_dict() | {"initializer_range": 0.3}
    torch.manual_seed(seed)
    model = network(
        config(
            encoder_config=encoder.config.to_dict() if encoder is not None else random,
            vocab_size=len(tokenizer),
            decoder_hidden_size=16 if encoder is None else 32,
            num_decoder_layers=2,
            pad_token_id=tokenizer.pad_token_id,
            blank_token_id=tokenizer.convert_tokens_to_ids("<blank>"),
            **settings,
        )
    ).eval()
    if encoder is not None:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.2)
        model.encoder.load_state_dict(encoder.state_dict())
        return model
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("encoder."):
                deviation = next((d for start, d in deviations.items() if name.startswith(start)), 0.7)
                parameter.copy_(torch.randn_like(parameter) * deviation)
        model.joint.head.bias[tokenizer.convert_tokens_to_ids("<blank>")] += nats if blank_nats is None else blank_nats
        # Neither is ever written.
        model.joint.head.bias[[0, 1, 2]] -= 20.0
    return model


def save(folder: Path, model: Any, tokenizer: Any) -> Path:
    """The folder that the official classes write."""
    kind = "tdt" if isinstance(model, hf.ParakeetForTDT) else "rnnt"
    model.generation_config.decoder_start_token_id = model.config.blank_token_id
    model.save_pretrained(folder)
    hf.ParakeetProcessor(hf.ParakeetFeatureExtractor(), tokenizer, decoder_type=kind).save_pretrained(folder)
    return folder


def tiny_transducer(folder: Path, kind: str, tokenizer: Any = None, **how: Any) -> Path:
    """A folder of a tiny transducer."""
    tokenizer = tokenizer or tiny_tokenizer()
    return save(folder, tiny_model(kind, tokenizer, **how), tokenizer)
