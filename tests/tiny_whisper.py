"""A tiny Whisper with random weights, saved by the official classes: all special tokens, timestamps included."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

LANGUAGES = ("en", "es", "pt")
SYMBOLS = sorted(ByteLevel.alphabet())
PIECES = ("Ġa", "Ġo", "Ġc", "Ġe", "as", "Ġcas", "Ã£", "Ã£o")


def tiny_tokenizer(languages: tuple[str, ...] = LANGUAGES, late: tuple[str, ...] = ()) -> WhisperTokenizer:
    """Bytes, a few pieces, and Whisper's special tokens in its order; `late` languages come after the timestamps."""
    merges = [("Ġ", "a"), ("Ġ", "o"), ("Ġ", "c"), ("Ġ", "e"), ("a", "s"), ("Ġc", "as"), ("Ã", "£"), ("Ã£", "o")]
    vocabulary = {token: row for row, token in enumerate([*SYMBOLS, *PIECES])}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=merges)
    names = ["startoftranscript", *languages, "translate", "transcribe", "startoflm", "startofprev", "nospeech"]
    tokenizer.add_tokens([AddedToken(f"<|{name}|>", special=True) for name in (*names, "notimestamps")])
    tokenizer.add_tokens([AddedToken(f"<|{i * 0.02:.2f}|>", special=False) for i in range(1501)])
    tokenizer.add_tokens([AddedToken(f"<|{name}|>", special=True) for name in late])
    return tokenizer


def tiny_model(tokenizer: WhisperTokenizer, seed: int = 0, scale: float = 1.0) -> WhisperForConditionalGeneration:
    """Fresh weights; `scale` above 1 makes the network surer of what it says, and repeat itself."""
    row = tokenizer.convert_tokens_to_ids
    end = row("<|endoftext|>")
    late = [token[2:-2] for token in ("<|ast|>",) if token in tokenizer.get_vocab()]
    config = WhisperConfig(
        vocab_size=len(tokenizer), d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_target_positions=448,
        pad_token_id=end, bos_token_id=end, eos_token_id=end, decoder_start_token_id=row("<|startoftranscript|>"),
        begin_suppress_tokens=[row("Ġ"), end], init_std=0.3,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.model.decoder.layer_norm.weight.mul_(scale)
        # Letters and the end are what it says: of other tokens only their place in prompts matters.
        rows = model.model.decoder.embed_tokens.weight
        rows[end + 1 :] *= 0.05
        rows[[row(token) for token in SYMBOLS if not token.isascii() or not token.isalpha()]] *= 0.05
        rows[row("Ġ")] *= 1.5
        rows[[row(f"<|{language}|>") for language in (*LANGUAGES, *late)]] *= 10.0
        # The end is the padding too, and rows of padding begin as zeros.
        rows[[end, row("<|nospeech|>")]] = torch.randn(2, config.d_model) * config.init_std
    languages = [t for t in tokenizer.get_vocab() if t.startswith("<|") and 2 <= len(t) - 4 <= 3 and t[2:-2].isalpha()]
    suppressed = ["startoftranscript", "translate", "transcribe", "startoflm", "startofprev", "nospeech"]
    model.generation_config = GenerationConfig(
        bos_token_id=end, eos_token_id=end, pad_token_id=end, max_length=448,
        decoder_start_token_id=row("<|startoftranscript|>"), begin_suppress_tokens=[row("Ġ"), end],
        suppress_tokens=[row(f"<|{name}|>") for name in suppressed], is_multilingual=True,
        lang_to_id={t: row(t) for t in languages},
        task_to_id={t: row(f"<|{t}|>") for t in ("translate", "transcribe")},
        no_timestamps_token_id=row("<|notimestamps|>"), prev_sot_token_id=row("<|startofprev|>"),
        alignment_heads=[[1, 0], [1, 1]], return_timestamps=False,
    )  # fmt: skip
    return model


def save(
    folder: Path,
    model: WhisperForConditionalGeneration,
    tokenizer: WhisperTokenizer,
    *,
    language: str | None = None,
) -> Path:
    """The folder that the official classes write."""
    if language is not None:
        model.generation_config.language = language
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(feature_size=80), tokenizer).save_pretrained(folder)
    return folder


def tiny_whisper(folder: Path, *, seed: int = 0, scale: float = 1.0, late: tuple[str, ...] = (), **how: object) -> Path:
    """A folder of a tiny Whisper."""
    tokenizer = tiny_tokenizer(late=late)
    return save(folder, tiny_model(tokenizer, seed, scale), tokenizer, **how)


def lean(model: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, token: str, nats: float) -> None:
    """Make a token likelier at every place."""
    with torch.no_grad():
        row = model.model.decoder.embed_tokens.weight[tokenizer.convert_tokens_to_ids(token)]
        model.model.decoder.layer_norm.bias += nats * row / row.square().sum()
