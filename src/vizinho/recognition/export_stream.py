"""Exports a model that was trained to stream to ONNX, chunk by chunk with its state. Only this package reads it.

stream.onnx (`vizinho.model.export_stream`) and stream.json: how chunks are cut, and how large the state is.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError
from vizinho.files import move_folder, scratch_folder, write_json
from vizinho.recognition.graphs import TOLERANCE, open_session
from vizinho.recognition.live import GRAPH, STREAM, STREAM_FORMAT, OnnxChunks

_OPSET = 17
_CHECKED_CHUNKS = 5
_INPUTS = ("features", "before", "attended", "convolved", "seen", "begun")
_OUTPUTS = ("log_probs", "before_next", "attended_next", "convolved_next")


def export(model: Path, out: Path, precision: str = "stream") -> None:
    """Write the folder, which must not exist; it appears whole. `precision` names the kind of export in the cache.

    Raises ModelError for a model that was not trained to stream, and for an export that computes something else.
    """
    from vizinho.model.checkpoint import load_checkpoint
    from vizinho.model.fast import chunks_of

    checkpoint = load_checkpoint(model)
    chunks = chunks_of(checkpoint.model.config.to_dict())
    if chunks is None:
        raise ModelError("it was not trained to stream", where=model, fix="transfer it with [streaming] in the recipe")
    with scratch_folder(out.parent, out.name) as place:
        folder = place / "export"
        folder.mkdir()
        settings = _write_graph(checkpoint, chunks, folder / GRAPH)
        write_json(folder / STREAM, settings | {"format": STREAM_FORMAT, "precision": precision})
        difference = _difference(checkpoint, chunks, folder)
        if difference > TOLERANCE:
            what = f"the exported graph differs from the model by {difference:.1e}"
            raise ModelError(what, where=model, fix="use --engine torch")
        move_folder(folder, out)


def _write_graph(checkpoint: Any, chunks: Any, path: Path) -> dict[str, Any]:
    """Write the graph; returns the settings that whoever runs it needs."""
    import torch

    from vizinho.model.export_stream import ExportStream

    vocabulary = int(checkpoint.model.config.vocab_size)
    network = ExportStream(checkpoint.model, chunks, list(range(vocabulary))).eval()
    # Two streams, so that the exporter does not take an axis of length one for a constant.
    bands, streams = checkpoint.extractor.feature_size, 2
    state = network.empty(streams, bands)
    features = torch.zeros(streams, bands, chunks.frames * checkpoint.subsampling)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # as in export.py
        torch.onnx.export(
            network,
            (features, *state, torch.tensor([0, 1]), torch.tensor([0.0, 1.0])),
            str(path),
            dynamo=False,
            opset_version=_OPSET,
            input_names=list(_INPUTS),
            output_names=list(_OUTPUTS),
            dynamic_axes={
                "features": {0: "B", 2: "T"},
                **{name: {0: "B"} for name in ("before", "seen", "begun", "before_next")},
                **{name: {1: "B"} for name in ("attended", "convolved", "attended_next", "convolved_next")},
                "log_probs": {0: "B", 1: "T_out"},
            },
        )
    return {
        "features": checkpoint.extractor.to_dict(),
        "chunk_features": chunks.frames * checkpoint.subsampling,
        "remembered": chunks.left * chunks.frames,
        "vocabulary": vocabulary,
        "state": [list(tensor.shape) for tensor in network.empty(1, bands)],
    }


def _difference(checkpoint: Any, chunks: Any, folder: Path) -> float:
    """Largest difference between graph and model over a stream of random features whose last chunk is short."""
    import torch

    from vizinho.model.streaming import ChunkedEncoder

    settings = json.loads((folder / STREAM).read_text(encoding="utf-8"))
    size = settings["chunk_features"]
    frames = torch.randn(
        _CHECKED_CHUNKS * size - size // 2,  # the last chunk is half as long
        checkpoint.extractor.feature_size,
        generator=torch.Generator().manual_seed(1),
    )
    expected, graph = ChunkedEncoder(checkpoint.model, chunks), OnnxChunks(open_session(folder / GRAPH, 1), settings)
    parts = (frames[first : first + size] for first in range(0, len(frames), size))
    memory = graph.begin()
    return max(float(abs(graph.encode([p.numpy()], [memory])[0] - expected(p).numpy()).max()) for p in parts)
