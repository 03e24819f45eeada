"""Exports a model to ONNX: one folder that this package, sherpa-onnx and plain onnxruntime read.

`vizinho.recognition.engines` describes the folder.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError
from vizinho.files import json_object, move_folder, scratch_folder, write_json, write_text
from vizinho.recognition.graphs import (
    FORMAT,
    GRAPHS,
    OPSET,
    SETTINGS,
    TOKENS,
    TOLERANCE,
    describe_graph,
    open_session,
    quantize,
    token_lines,
)

_EXPORTED = ("parakeet_ctc", "parakeet_rnnt", "parakeet_tdt")
_LARGEST = 2**31 - 2**24
"""Bytes of weights: a graph is one protobuf message, which cannot be larger than 2 GiB."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how far its log-probabilities are from the original's on random features."""

    folder: Path
    precision: str
    megabytes: float
    largest_difference: float


def export(
    model: Path, out: Path, precision: str = "fp32", records: Mapping[str, Mapping[str, Any]] | None = None
) -> Exported:
    """Export a model folder to `out`, which must not exist; it appears whole, by one rename.

    `records` are further files of JSON by name.

    Raises ModelError for a model that cannot be exported, or whose export does not compute what the model does, and
    for an `out` that exists or cannot be written.
    """
    if out.exists():
        raise ModelError("the folder exists", where=out, fix="remove it or choose another")
    try:
        with scratch_folder(out.parent, out.name) as place:
            folder = place / "export"
            folder.mkdir()
            difference = _write(model, folder, precision)
            for name, values in (records or {}).items():
                write_json(folder / name, values)
            move_folder(folder, out)
    except OSError as error:
        what = f"the export cannot be written ({error.strerror or error})"
        raise ModelError(what, where=out, fix="choose a writable folder") from error
    size = sum(graph.stat().st_size for graph in out.glob("*.onnx"))
    return Exported(out, precision, size / 1e6, difference)


def _write(model: Path, folder: Path, precision: str) -> float:
    """Write graph, tokens and settings; returns the largest difference from the model."""
    from vizinho.model.checkpoint import load_checkpoint
    from vizinho.model.networks import is_transducer

    checkpoint = load_checkpoint(model)
    if is_transducer(checkpoint.model):
        from vizinho.recognition.export_transducer import write_transducer

        return write_transducer(checkpoint, folder, precision, model)
    _check(checkpoint, model)
    inventory, blank = checkpoint.inventory, int(checkpoint.tokenizer.pad_token_id)
    # NeMo's graphs, and so sherpa-onnx, have the blank last.
    order = [*(row for row in range(len(inventory.tokens)) if row != blank), blank]
    graph = folder / GRAPHS["fp32"]
    _write_graph(checkpoint, order, graph)
    difference = _difference(checkpoint, order, graph)
    if difference > TOLERANCE:
        what = f"the exported graph differs from the model by {difference:.1e}"
        raise ModelError(what, where=model, fix="use --engine torch")
    if precision == "int8":
        quantize(graph, folder / GRAPHS["int8"])
        graph.unlink()
        difference = _difference(checkpoint, order, folder / GRAPHS["int8"])
    write_text(folder / TOKENS, token_lines(inventory, order))
    settings = {
        "format": FORMAT,
        "precision": precision,
        "subsampling": checkpoint.subsampling,
        "features": checkpoint.extractor.to_dict(),
        "tokens": inventory.tokens,
        "roles": inventory.roles,
        "blank": blank,
        "rows": order,
    }
    write_json(folder / SETTINGS, settings)
    return difference


def can_export(model: Path) -> bool:
    """Whether a model folder holds a network that can be exported; archives and other kinds work in torch."""
    size = sum(file.stat().st_size for file in model.glob("*.safetensors"))  # of one file or of shards
    return json_object(model / "config.json").get("model_type") in _EXPORTED and size < _LARGEST


def _check(checkpoint: Any, where: Path) -> None:
    """Raises ModelError for networks and features that the export would compute wrongly."""
    from transformers import ParakeetFeatureExtractor, ParakeetForCTC

    config: Any = getattr(checkpoint.model.config, "encoder_config", None)
    if not isinstance(checkpoint.model, ParakeetForCTC) or config.num_key_value_heads != config.num_attention_heads:
        fix = "`vizinho transcribe` and `serve` compute it without an export; transformers loads the folder"
        raise ModelError(f"{type(checkpoint.model).__name__} cannot be exported", where=where, fix=fix)
    if not isinstance(checkpoint.extractor, ParakeetFeatureExtractor):
        what = f"features of {type(checkpoint.extractor).__name__} cannot be computed without torch"
        raise ModelError(what, where=where, fix="use --engine torch")


def _write_graph(checkpoint: Any, order: list[int], path: Path) -> None:
    import torch

    from vizinho.model.export_network import ExportNetwork

    network = ExportNetwork(checkpoint.model, order).eval()
    bands = checkpoint.extractor.feature_size
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter warns about constants, which this network has on purpose, and about its successor, which fails.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, bands, 300), torch.tensor([300, 200])),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=["audio_signal", "length"],
            output_names=["logprobs"],
            dynamic_axes={"audio_signal": {0: "B", 2: "T"}, "length": {0: "B"}, "logprobs": {0: "B", 1: "T_out"}},
        )
    describe_graph(path, checkpoint, len(order), "EncDecCTCModelBPE")


def _difference(checkpoint: Any, order: list[int], path: Path) -> float:
    """Largest difference between graph and model over real frames of a padded batch of random features."""
    import torch

    generator = torch.Generator().manual_seed(1)
    lengths = torch.tensor([211, 83])  # of one batch, so that padding is tested too
    features = torch.randn(2, 211, checkpoint.extractor.feature_size, generator=generator)
    mask = torch.arange(211) < lengths[:, None]
    features = features * mask[:, :, None]
    with torch.inference_mode():
        expected = checkpoint.model(features, attention_mask=mask).logits.log_softmax(dim=-1)[:, :, order].numpy()
    inputs = {"audio_signal": features.transpose(1, 2).contiguous().numpy(), "length": lengths.numpy()}
    log_probs = open_session(path, 1).run(None, inputs)[0]
    frames = [checkpoint.front.output_frames(int(n)) for n in lengths]
    return max(float(abs(log_probs[i, :n] - expected[i, :n]).max()) for i, n in enumerate(frames))
