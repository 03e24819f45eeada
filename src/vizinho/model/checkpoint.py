"""Recognisers and donors in memory; opens and saves their folders. `formats` has one module for each kind of file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from vizinho.errors import ModelError
from vizinho.files import sha256
from vizinho.model.frontends import is_whole_whisper
from vizinho.model.networks import Checkpoint, Donor, begin_with_blank, durations_of, is_transducer
from vizinho.progress import quiet_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin


def load_donor(path: Path, adapter: str | None = None, *, ctc: bool = False) -> Donor:
    """Open a model folder or a .nemo archive as the start of a transfer, in float32 and evaluation mode.

    `adapter` names the language of a network with an adapter per language (MMS). Whisper and transducers keep their
    decoder unless `ctc` asks for the encoder alone. Raises ModelError naming what is missing, left over, of another
    shape, or not known.
    """
    # Each format needs libraries of its own, so only the one at hand is imported.
    if path.suffix == ".nemo":
        if adapter is not None:
            raise ModelError(f"no adapter {adapter!r}", where=path, fix="it has none; leave --adapter out")
        from vizinho.model.formats.nemo import read_archive

        return read_archive(path, ctc=ctc)
    from vizinho.model.formats.huggingface import read_folder

    return read_folder(path, adapter, ctc=ctc)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Open a recogniser: a folder of transformers (a CTC network, Whisper or a transducer), or a .nemo archive.

    Raises ModelError as `load_donor` does, and for encoders without an output layer.
    """
    donor = load_donor(folder)
    if donor.tokenizer is None:
        raise ModelError(
            "an encoder without an output layer cannot write; it can only be the start of a transfer",
            where=folder,
            fix="run `vizinho transfer` from it",
        )
    return donor.recogniser


def like(donor: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None, seed: int) -> PreTrainedModel:
    """A fresh network of the donor's shape with one output row per token of `tokenizer`; None: with the donor's rows.

    Raises ModelError for an architecture that its configuration alone cannot build.
    """
    config = type(donor.config).from_dict(donor.config.to_dict())
    if tokenizer is not None:
        config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
        if is_transducer(donor):
            config.blank_token_id = tokenizer.pad_token_id
    torch.manual_seed(seed)
    try:
        network = type(donor)(config).eval()
        if is_transducer(network):
            begin_with_blank(network)
        return network
    except Exception as error:
        raise ModelError(
            f"the donor's architecture cannot be built from its configuration ({error})", fix="use another donor"
        ) from error


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write weights (safetensors), configuration, features and tokens into an existing or new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    quiet_transformers()
    checkpoint.model.save_pretrained(folder, safe_serialization=True)
    processor_of(checkpoint).save_pretrained(folder)


def processor_of(checkpoint: Checkpoint) -> ProcessorMixin:
    """Features and tokens as one, of a class that AutoProcessor finds; Wav2Vec2Processor takes any but Whisper's."""
    from transformers import ParakeetFeatureExtractor, ParakeetProcessor, Wav2Vec2Processor, WhisperProcessor

    if is_whole_whisper(checkpoint.model):
        return WhisperProcessor(checkpoint.extractor, checkpoint.tokenizer)
    if is_transducer(checkpoint.model):
        blank = checkpoint.tokenizer.convert_ids_to_tokens(checkpoint.blank) or "<blank>"
        kind = "tdt" if durations_of(checkpoint.model) else "rnnt"
        return ParakeetProcessor(checkpoint.extractor, checkpoint.tokenizer, blank_token=blank, decoder_type=kind)
    if isinstance(checkpoint.extractor, ParakeetFeatureExtractor):
        return ParakeetProcessor(checkpoint.extractor, checkpoint.tokenizer, decoder_type="ctc")
    return Wav2Vec2Processor(checkpoint.extractor, checkpoint.tokenizer)


def weights_digest(path: Path) -> str:
    """SHA-256 of a donor's weights: of its one file, or of the digests of several in the order of their names."""
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors")) or sorted(path.glob("pytorch_model*.bin"))
    digests = [sha256(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
