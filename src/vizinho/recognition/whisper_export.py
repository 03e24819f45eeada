"""Converts a Whisper model for CTranslate2: one folder that this package and faster-whisper read.

model.bin, config.json, vocabulary.json     CTranslate2's own
tokenizer.json, preprocessor_config.json    the model's tokens and features
encoder.onnx                                the encoder once more, in float32: see `whisper_encoder`
vizinho.json                                what else a recogniser needs: sizes and languages
"""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.errors import ModelError, first_line
from vizinho.files import json_object, move_folder, scratch_folder, write_json
from vizinho.recognition.graphs import open_session
from vizinho.recognition.whisper_encoder import PooledEncoder

FORMAT = 2
"""Version of the folder; part of the cache's keys, so a change makes new conversions."""
KIND = "whisper"
START = "<|startoftranscript|>"
ENCODER_RATE = 50
"""Frames that the encoder returns for each second."""
ENCODER = "encoder.onnx"
_LARGEST_ENCODER = 120_000_000
"""Numbers in the encoder (small has 88 million); a larger one is left to CTranslate2, in 8 bits and whole windows."""
_TOLERANCE = 1e-3  # of encodings, whose numbers are of the order of 1


def is_whisper(folder: Path) -> bool:
    """Whether a folder holds an encoder-decoder network of Whisper's kind."""
    return json_object(folder / "config.json").get("model_type") == "whisper"


def is_converted(folder: Path) -> bool:
    """Whether a folder is one that `export` wrote."""
    return json_object(folder / "vizinho.json").get("kind") == KIND


def export(model: Path, out: Path, precision: str = "int8") -> None:
    """Convert a folder of WhisperForConditionalGeneration to the new folder `out`.

    `precision` is a type of CTranslate2's, "int8" or "float32". Raises ModelError for a folder that is not whole, and
    ModuleNotFoundError without CTranslate2.
    """
    from ctranslate2.converters import TransformersConverter

    from vizinho.model.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(model)
    network, tokenizer = checkpoint.model, checkpoint.tokenizer
    settings = _settings(network, tokenizer)

    class Converter(TransformersConverter):  # type: ignore[misc]
        """CTranslate2's converter, of what was opened and checked above."""

        def load_model(self, *_: Any, **__: Any) -> Any:
            return copy.deepcopy(network)  # it changes the weights in place, and the encoder is still to be written

        def load_tokenizer(self, *_: Any, **__: Any) -> Any:
            return tokenizer

    with scratch_folder(out.parent, out.name) as scratch:
        # First of all: CTranslate2 rounds the weights where they are.
        if sum(p.numel() for p in network.model.encoder.parameters()) <= _LARGEST_ENCODER:
            _write_encoder(network, scratch / ENCODER, model)
        folder = scratch / "converted"
        try:
            Converter(str(model)).convert(str(folder), quantization=None if precision == "float32" else precision)
        except OSError:
            raise
        except Exception as error:  # the converter raises what its loaders do, KeyError and AttributeError among them
            what = f"CTranslate2 cannot convert it ({first_line(error)})"
            raise ModelError(what, where=model, fix="use --engine torch") from error
        if (scratch / ENCODER).is_file():
            (scratch / ENCODER).rename(folder / ENCODER)
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        write_json(folder / "preprocessor_config.json", {"feature_size": settings["bands"]})
        write_json(folder / "vizinho.json", {"format": FORMAT, "kind": KIND, "precision": precision, **settings})
        move_folder(folder, out)


def _write_encoder(network: Any, path: Path, model: Path) -> None:
    """Write the encoder's graph. Raises ModelError where it does not compute what the network does."""
    import torch

    from vizinho.model.export_whisper import EncoderGraph

    network.set_attn_implementation("eager")  # whose operations ONNX has
    places = torch.arange(20)
    example = (torch.zeros(2, network.config.num_mel_bins, 60), places, places, torch.zeros(20))
    axes = {"features": {0: "B", 2: "T"}, "encoded": {0: "B", 1: "S"}}
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter warns about constants, which this network has on purpose, and about its successor, which fails.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            EncoderGraph(network.model.encoder),
            example,
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["features", "source", "places", "bias"],
            output_names=["encoded"],
            dynamic_axes=axes | {name: {0: "S"} for name in ("source", "places", "bias")},
        )
    difference = _difference(network, path)
    if difference > _TOLERANCE:
        raise ModelError(f"the exported encoder differs by {difference:.1e}", where=model, fix="use --engine torch")


def _difference(network: Any, path: Path) -> float:
    """Largest difference of the graph's encoding from the network's, of a second of noise and the silence after it."""
    import torch

    count = int(network.config.max_source_positions)
    features = torch.randn(network.config.num_mel_bins, 2 * count, generator=torch.Generator().manual_seed(1))
    features[:, 2 * ENCODER_RATE :] = -1.0
    encoder = PooledEncoder(open_session(path, 1), _silence(), count)
    layout = encoder.positions(1.0)
    window = 2 * int((layout.source == layout.places).sum())
    with torch.inference_mode():
        expected = network.model.encoder(features[None, :, :window]).last_hidden_state
    return float(abs(encoder(features.numpy(), 1.0) - np.repeat(expected.numpy(), layout.times, axis=1)).max())


def _silence() -> dict[str, Any]:
    from vizinho.model.frontends import MARGIN, WINDOWS
    from vizinho.model.whisper_silence import AFTER, STRIDE

    return {"windows": WINDOWS, "margin": MARGIN, "stride": STRIDE, "after": AFTER}


def _settings(network: Any, tokenizer: Any) -> dict[str, Any]:
    from vizinho.model.whisper import language_of, languages_of

    config, vocabulary = network.config, tokenizer.get_vocab()
    multilingual = getattr(network.generation_config, "lang_to_id", None)
    return {
        "bands": config.num_mel_bins,
        "positions": config.max_target_positions,
        "seconds": config.max_source_positions / ENCODER_RATE,
        # By the tokens themselves: the settings may lack a language that was added later.
        "languages": {code: vocabulary[f"<|{code}|>"] for code in sorted(languages_of(vocabulary)) if multilingual},
        "language": language_of(network),
        "silence": _silence(),
    }
