"""Recognisers and donors in memory; opens and saves their folders. `formats` has one module for each kind of file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from vizinho.audio.features import FrontEnd
from vizinho.errors import ModelError
from vizinho.files import sha256
from vizinho.model.frontends import front_end, is_whole_whisper
from vizinho.model.layers import layer_of
from vizinho.model.transducer import begin_with_blank, durations_of, is_transducer
from vizinho.progress import quiet_transformers
from vizinho.text.tokens import TokenInventory, inventory_of

if TYPE_CHECKING:
    from transformers import FeatureExtractionMixin, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network with what it needs to read audio and write text."""

    model: PreTrainedModel
    extractor: FeatureExtractionMixin
    tokenizer: PreTrainedTokenizerBase

    @property
    def inventory(self) -> TokenInventory:
        """Tokens in the order of the output rows, with roles."""
        blank = self.blank if is_transducer(self.model) else None
        return inventory_of(self.tokenizer, int(self.model.config.vocab_size), blank)

    @property
    def blank(self) -> int:
        """Row of the blank: of CTC the pad token's, of transducers one of its own."""
        config = self.model.config
        return int(config.blank_token_id if is_transducer(self.model) else self.tokenizer.pad_token_id)

    @property
    def front(self) -> FrontEnd:
        """How the network wants its audio."""
        return front_end(self.model.config, self.extractor)

    @property
    def subsampling(self) -> int:
        """Input steps (feature frames, samples) per output frame."""
        return self.front.subsampling


@dataclass(frozen=True, slots=True)
class Donor:
    """A network to start from: what becomes a CTC network or transducer with the target's tokens, or Whisper."""

    model: PreTrainedModel
    """A network with a CTC output layer, which means nothing without tokens of the donor's, or one with a decoder."""
    extractor: FeatureExtractionMixin
    kind: str
    """What it was saved as: a class of transformers or of NeMo."""
    tokenizer: PreTrainedTokenizerBase | None = None
    """None: the donor has no output layer that could be used."""
    lacking: Mapping[str, str] = field(default_factory=dict)
    """Parameters of the network that its file lacks, each with the reason why that does no harm."""
    unused: Mapping[str, tuple[Shape, str]] = field(default_factory=dict)
    """What its file has and a CTC network has no place for: shape and reason by name."""
    notes: tuple[str, ...] = ()
    """What a user should know about how it was read."""

    @property
    def inventory(self) -> TokenInventory:
        """Tokens of the output layer; none without one."""
        return self.recogniser.inventory if self.tokenizer is not None else TokenInventory((), ())

    @property
    def recogniser(self) -> Checkpoint:
        """The donor as a recogniser; only a donor with tokens can be one."""
        return Checkpoint(self.model, self.extractor, self.tokenizer)

    def weights(self) -> dict[str, torch.Tensor]:
        """Parameters and buffers by the network's names, without what the file lacks."""
        usable = {name: tensor for name, tensor in weights(self.model).items() if name not in self.lacking}
        if self.tokenizer is None:
            return {name: tensor for name, tensor in usable.items() if layer_of(name) != "head"}
        return usable

    def describe(self) -> dict[str, Any]:
        """Facts for people and JSON: kind, size, and tokens by role."""
        inventory = self.inventory
        roles: dict[str, list[str]] = {}
        for token, role in zip(inventory.tokens, inventory.roles, strict=True):
            roles.setdefault(role, []).append(token)
        front = front_end(self.model.config, self.extractor)
        return {
            "kind": self.kind,
            "parameters": sum(tensor.numel() for tensor in self.weights().values()),
            "hears": "waveforms" if front.waveform else f"log-mel features every {front.step_seconds * 1000:g} ms",
            "frame_ms": round(front.frame_seconds * 1000, 3),
            "padding_masked": front.masked,
            "tokens": len(inventory.tokens),
            "roles": roles,
            "notes": list(self.notes),
        }


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and saved buffer by name, detached; a view, not a copy. Tied tensors stand under one name."""
    unique: dict[str, torch.Tensor] = {}
    places: set[int] = set()
    for name, tensor in model.state_dict().items():
        place = tensor.data_ptr()
        if not (place and place in places):  # tensors without numbers have no place
            unique[name] = tensor.detach()
            places.add(place)
    return unique


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
