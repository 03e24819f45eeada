"""FastConformer CTC sizes (Rekesh et al. 2023, arXiv 2305.05084) as Hugging Face's ParakeetForCTC."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import ParakeetCTCConfig, ParakeetEncoderConfig, ParakeetForCTC

from vizinho.audio.features import MEL_CHANNELS
from vizinho.errors import ModelError, SpecError
from vizinho.model.frontends import TRANSDUCERS


@dataclass(frozen=True, slots=True)
class Preset:
    """One size of network. Dropout and layer drop are explicit: the library's defaults are 0.1 each."""

    hidden: int
    """Width of the encoder (F after the front end)."""
    layers: int
    heads: int
    channels: int
    """Channels of the convolutional front end."""
    kernel: int
    """Width of the depthwise convolution in frames."""
    dropout: float


PRESETS = {
    "micro": Preset(hidden=32, layers=2, heads=2, channels=8, kernel=5, dropout=0.0),
    "tiny": Preset(hidden=144, layers=6, heads=4, channels=48, kernel=9, dropout=0.0),
    "small": Preset(hidden=256, layers=12, heads=4, channels=128, kernel=9, dropout=0.1),
    "base": Preset(hidden=512, layers=17, heads=8, channels=256, kernel=9, dropout=0.1),
    "large": Preset(hidden=1024, layers=24, heads=8, channels=256, kernel=9, dropout=0.1),
}
"""micro (60 k parameters) is for tests; tiny (3 M) trains on two cores; small 19 M, base 82 M, large 0.6 G."""

SUBSAMPLING = {"characters": 4, "written": 4, "bpe": 8}
"""Frames merged into one: characters need 40 ms, because fast speech has more letters than 80 ms frames."""


def build_model(
    preset: str, vocabulary: int, blank: int, *, tokens: str = "characters", seed: int = 1
) -> ParakeetForCTC:
    """A freshly initialised ParakeetForCTC with `vocabulary` (V) outputs; `blank` is the row of CTC's blank.

    Raises SpecError for an unknown preset or kind of tokens.
    """
    if preset not in PRESETS:
        raise SpecError(f"unknown preset {preset!r}", fix=f"choose one of {', '.join(PRESETS)}")
    if tokens not in SUBSAMPLING:
        raise SpecError(f"unknown kind of tokens {tokens!r}", fix=f"choose one of {', '.join(SUBSAMPLING)}")
    torch.manual_seed(seed)
    return ParakeetForCTC(_config(PRESETS[preset], SUBSAMPLING[tokens], vocabulary, blank))


def _config(size: Preset, subsampling: int, vocabulary: int, blank: int) -> ParakeetCTCConfig:
    encoder = ParakeetEncoderConfig(
        hidden_size=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.hidden,
        conv_kernel_size=size.kernel,
        subsampling_factor=subsampling,
        subsampling_conv_channels=size.channels,
        num_mel_bins=MEL_CHANNELS,
        # Scaling the input by sqrt(hidden) makes the first gradients of small networks explode.
        scale_input=False,
        dropout=size.dropout,
        activation_dropout=size.dropout,
        attention_dropout=size.dropout,
        layerdrop=0.0,
    )
    return ParakeetCTCConfig(
        vocab_size=vocabulary,
        pad_token_id=blank,
        encoder_config=encoder,
        # Labels longer than the frames are found before training, so an infinite loss must not be hidden.
        ctc_zero_infinity=False,
        ctc_loss_reduction="mean",
    )


DonorKind = Literal["recogniser", "encoder", "whisper"]
"""A network with rows for tokens (CTC, transducers); one whose encoder gets a new output layer; Whisper whole."""


def donor_kind(folder: Path, head: str = "auto") -> DonorKind:
    """What a donor is, by its configuration; with head "ctc" a Whisper or a transducer is an encoder.

    A transducer has rows for tokens as a CTC network has. NeMo archives are recognisers: their readers say if they are
    none. Raises ModelError for a broken configuration.
    """
    configuration = _configuration(folder)
    if configuration.get("model_type") == "whisper" and head != "ctc":
        return "whisper"
    if configuration.get("model_type") in TRANSDUCERS and head != "ctc":
        return "recogniser"
    classes = configuration.get("architectures")
    ctc = not isinstance(classes, list) or any("ForCTC" in str(name) for name in classes)
    return "recogniser" if ctc else "encoder"


def check_preset(folder: Path, preset: str) -> None:
    """Raise SpecError unless a model folder has the size of a preset: a transfer cannot change the size.

    Raises ModelError for a broken configuration.
    """
    if preset not in PRESETS:
        raise SpecError(f"unknown preset {preset!r}", fix=f"choose one of {', '.join(PRESETS)}")
    encoder = _configuration(folder).get("encoder_config")
    names = ("hidden_size", "num_hidden_layers")
    width, blocks = (encoder.get(name) if isinstance(encoder, dict) else None for name in names)
    size = PRESETS[preset]
    if (width, blocks) != (size.hidden, size.layers):
        what = f"the donor has width {width} and {blocks} blocks, preset {preset} has {size.hidden} and {size.layers}"
        raise SpecError(what, where=folder, fix="leave --preset out: the target takes the donor's size")


def _configuration(folder: Path) -> dict[str, Any]:
    """A folder's config.json; empty for what has none, such as an archive."""
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise ModelError(f"not JSON ({error})", where=path, fix="copy the model folder again") from error
    if not isinstance(values, dict):
        raise ModelError("not a JSON object", where=path, fix="copy the model folder again")
    return values
