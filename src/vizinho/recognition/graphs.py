"""ONNX graphs of an export: the folder's files, sessions and their inputs, and what is written beside the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import ModelError, first_line
from vizinho.parallel import usable_cores
from vizinho.text.tokens import PIECE_SPACE, TokenInventory

FORMAT = 1
"""Version of an export's folder; part of the cache's keys, so a change makes new exports."""
SETTINGS = "vizinho.json"
TOKENS = "tokens.txt"
GRAPHS = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
TOLERANCE = 1e-4
"""Largest difference of a log-probability from the original's that counts as rounding."""
OPSET = 17


def feature_inputs(features: Sequence[npt.NDArray[Any]], subsampling: int) -> dict[str, npt.NDArray[Any]]:
    """Features of utterances, each (F, T), as a graph's inputs: padded (B, F, T) and lengths (B,)."""
    lengths = np.array([bands.shape[1] for bands in features], np.int64)
    width = max(lengths.max(), subsampling + 1)  # the graph's relative positions need two output frames
    if len(features) == 1 and width == lengths[0]:
        return {"audio_signal": features[0][None], "length": lengths}  # one utterance needs no padded copy
    batch = np.zeros((len(features), features[0].shape[0], width), np.float32)
    for row, bands in zip(batch, features, strict=True):
        row[:, : bands.shape[1]] = bands
    return {"audio_signal": batch, "length": lengths}


def open_session(path: Path, threads: int) -> Any:
    """An onnxruntime session of a graph that will see inputs of many lengths. Raises ModelError for a broken file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = min(threads, usable_cores()), 1
    options.log_severity_level = 3
    # A plan of memory would be kept for every length of input that ever came.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises kinds of its own for each cause
        raise ModelError(
            f"cannot be loaded ({first_line(error)})", where=path, fix="write it again with `vizinho export`"
        ) from error


def describe_graph(
    path: Path, checkpoint: Any, tokens: int, kind: str, more: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write into a graph what sherpa-onnx reads there: how to compute the features, and that the tokens are NeMo's."""
    import onnx

    graph = onnx.load(str(path))
    properties = {
        "vocab_size": str(tokens - 1), "subsampling_factor": str(checkpoint.subsampling),
        "normalize_type": "per_feature", "model_type": kind, "version": str(FORMAT),
        "model_author": "vizinho", "comment": "FastConformer",
    }  # fmt: skip
    onnx.helper.set_model_props(graph, properties | dict(more))
    onnx.save(graph, str(path))


def quantize(source: Path, target: Path) -> None:
    """Weights of matrix products in 8 bits; activations are quantised at each call."""
    import logging

    from onnxruntime.quantization import QuantType, quantize_dynamic

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the library advises on the root logger to preprocess a graph that needs none
    try:
        quantize_dynamic(
            str(source), str(target), weight_type=QuantType.QInt8, per_channel=True, reduce_range=True,
            op_types_to_quantize=["MatMul"],
        )  # fmt: skip
    finally:
        root.setLevel(level)


def token_lines(inventory: TokenInventory, order: list[int]) -> str:
    """The file of tokens that sherpa-onnx reads: a token and its column per line."""
    names = {"blank": "<blk>", "space": PIECE_SPACE}
    tokens = [names.get(inventory.roles[row], inventory.tokens[row]) for row in order]
    return "".join(f"{token} {column}\n" for column, token in enumerate(tokens))
