"""Loads and saves recogniser folders and donors; with `formats`, the only place that opens checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from transformers import ParakeetFeatureExtractor, ParakeetProcessor, Wav2Vec2Processor

from vizinho.errors import ModelError
from vizinho.model.formats.huggingface import read_folder
from vizinho.model.formats.nemo import read_archive
from vizinho.model.parts import Checkpoint, Donor, weights
from vizinho.model.sources import is_archive
from vizinho.progress import quiet_transformers

__all__ = [
    "Checkpoint",
    "Donor",
    "like",
    "load_checkpoint",
    "load_donor",
    "processor_of",
    "save_checkpoint",
    "weights",
    "weights_digest",
]

NO_TOKENS = "an encoder without an output layer cannot write; it can only be the start of a transfer"


def load_donor(path: Path, adapter: str | None = None) -> Donor:
    """Open a model folder or a .nemo archive as the start of a transfer, in float32 and evaluation mode.

    `adapter` names the language of a network with an adapter per language (MMS). Raises ModelError naming what is
    missing, left over, of another shape, or not known.
    """
    if is_archive(path):
        if adapter is not None:
            raise ModelError(f"no adapter {adapter!r}", where=path, fix="it has none; leave --adapter out")
        return read_archive(path)
    return read_folder(path, adapter)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Open a recogniser: a folder that AutoModelForCTC and AutoProcessor can read, or a .nemo archive.

    Raises ModelError as `load_donor` does, and for encoders without an output layer.
    """
    donor = load_donor(folder)
    if donor.tokenizer is None:
        raise ModelError(NO_TOKENS, where=folder, fix="run `vizinho transfer` from it")
    return donor.recogniser


def like(donor: Any, tokenizer: Any, seed: int) -> Any:
    """A fresh network of the donor's shape with one output row per token of `tokenizer`.

    Raises ModelError for an architecture that its configuration alone cannot build.
    """
    config = type(donor.config).from_dict(donor.config.to_dict())
    config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
    torch.manual_seed(seed)
    try:
        return type(donor)(config).eval()
    except Exception as error:
        raise ModelError(f"the donor's architecture cannot be built anew ({error})", fix="use another donor") from error


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write weights (safetensors), configuration, features and tokens into an existing or new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    quiet_transformers()
    checkpoint.model.save_pretrained(folder, safe_serialization=True)
    processor_of(checkpoint).save_pretrained(folder)


def processor_of(checkpoint: Checkpoint) -> Any:
    """Features and tokens as one, of a class that AutoProcessor finds; Wav2Vec2Processor takes any of both."""
    if isinstance(checkpoint.extractor, ParakeetFeatureExtractor):
        return ParakeetProcessor(checkpoint.extractor, checkpoint.tokenizer, decoder_type="ctc")
    return Wav2Vec2Processor(checkpoint.extractor, checkpoint.tokenizer)


def weights_digest(path: Path) -> str:
    """SHA-256 of a donor's weights: of its one file, or of the digests of several in the order of their names."""
    if path.is_file():
        files = [path]
    else:
        files = sorted(path.glob("*.safetensors")) or sorted(path.glob("pytorch_model*.bin"))
    digests = []
    for file in files:
        with file.open("rb") as stream:
            digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
