"""Exports a transducer to ONNX: encoder, decoder and joiner, as sherpa-onnx wants NeMo's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vizinho.errors import ModelError
from vizinho.files import write_json, write_text
from vizinho.recognition.graphs import (
    FORMAT,
    OPSET,
    SETTINGS,
    TOKENS,
    TOLERANCE,
    describe_graph,
    open_session,
    quantize,
    token_lines,
)
from vizinho.recognition.transducer_onnx import DECODER, ENCODERS, JOINER, OnnxPredicting

_STATES = ("states.1", "states.2")


def write_transducer(checkpoint: Any, folder: Path, precision: str, where: Path) -> float:
    """Write graphs, tokens and settings; returns the largest difference from the model.

    Raises ModelError for features or durations that other engines do not have, and for a graph that differs.
    """
    from transformers import ParakeetFeatureExtractor

    from vizinho.model.networks import durations_of

    durations = durations_of(checkpoint.model)
    if durations != tuple(range(len(durations))):
        # sherpa-onnx takes the number of the best duration's row for the duration.
        what = f"durations of {', '.join(map(str, durations))} frames cannot be exported"
        raise ModelError(what, where=where, fix="use --engine torch")
    if not isinstance(checkpoint.extractor, ParakeetFeatureExtractor):
        what = f"features of {type(checkpoint.extractor).__name__} cannot be computed without torch"
        raise ModelError(what, where=where, fix="use --engine torch")
    inventory, blank = checkpoint.inventory, checkpoint.blank
    order = [*(row for row in range(len(inventory.tokens)) if row != blank), blank]
    _write_graphs(checkpoint, order, folder)
    difference = _difference(checkpoint, order, folder, "fp32")
    if difference > TOLERANCE:
        raise ModelError(
            f"the exported graphs differ from the model by {difference:.1e}", where=where, fix="use --engine torch"
        )
    if precision == "int8":
        # The encoder has nearly all of the weights, and the other two run for every token.
        quantize(folder / ENCODERS["fp32"], folder / ENCODERS["int8"])
        (folder / ENCODERS["fp32"]).unlink()
        difference = _difference(checkpoint, order, folder, "int8")
    write_text(folder / TOKENS, token_lines(inventory, order))
    lstm = checkpoint.model.decoder.lstm
    settings = {
        "format": FORMAT,
        "kind": "transducer",
        "precision": precision,
        "subsampling": checkpoint.subsampling,
        "features": checkpoint.extractor.to_dict(),
        "tokens": [inventory.tokens[row] for row in order],
        "roles": [inventory.roles[row] for row in order],
        "durations": durations,
        "most_at_once": int(checkpoint.model.config.max_symbols_per_step),
        "state": [lstm.num_layers, lstm.hidden_size],
    }
    write_json(folder / SETTINGS, settings)
    return difference


def _write_graphs(checkpoint: Any, order: Sequence[int], folder: Path) -> None:
    import torch

    from vizinho.model.export_transducer import TransducerFrames, TransducerJoint, TransducerPrediction
    from vizinho.model.networks import durations_of

    model = checkpoint.model.eval()
    tokens, durations = list(order), len(durations_of(model))
    outputs = [*tokens, *range(len(tokens), len(tokens) + durations)]
    bands, width = checkpoint.extractor.feature_size, model.joint.head.in_features
    state = torch.zeros(model.decoder.lstm.num_layers, 2, model.decoder.lstm.hidden_size)
    features = torch.zeros(2, bands, 300), torch.tensor([300, 200])
    axes = {"audio_signal": {0: "B", 2: "T"}, "length": {0: "B"}, "outputs": {0: "B", 2: "T_out"}}
    _write_graph(
        TransducerFrames(model), features, folder / ENCODERS["fp32"], ["audio_signal", "length"],
        ["outputs", "encoded_lengths"], axes | {"encoded_lengths": {0: "B"}},
    )  # fmt: skip
    last = torch.zeros(2, 1, dtype=torch.int32), torch.ones(2, dtype=torch.int32), state, state
    after = ["outputs", "prednet_lengths", "states.3", "states.4"]
    of_batch = {name: {1: "B"} for name in (*_STATES, *after[2:])}
    _write_graph(
        TransducerPrediction(model, tokens), last, folder / DECODER, ["targets", "target_length", *_STATES], after,
        {name: {0: "B"} for name in ("targets", "target_length", *after[:2])} | of_batch,
    )  # fmt: skip
    sides = ["encoder_outputs", "decoder_outputs"]
    _write_graph(
        TransducerJoint(model, outputs), (torch.zeros(2, width, 1),) * 2, folder / JOINER, sides, ["logits"],
        {name: {0: "B"} for name in (*sides, "logits")},
    )  # fmt: skip
    lstm = model.decoder.lstm
    # sherpa-onnx reads the prediction network's sizes from the encoder, and knows TDT by the letters "tdt" in "url".
    sizes = {"pred_rnn_layers": str(lstm.num_layers), "pred_hidden": str(lstm.hidden_size), "feat_dim": str(bands)}
    sizes |= {"url": "vizinho-tdt"} if durations else {}
    describe_graph(folder / ENCODERS["fp32"], checkpoint, len(tokens), "EncDecRNNTBPEModel", sizes)


def _write_graph(
    network: Any,
    inputs: tuple[Any, ...],
    path: Path,
    names: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
) -> None:
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        # The exporter warns about constants, of batches other than one in an LSTM, and about its successor.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(), inputs, str(path), dynamo=False, opset_version=OPSET,
            input_names=list(names), output_names=list(outputs), dynamic_axes=axes,
        )  # fmt: skip


def _difference(checkpoint: Any, order: Sequence[int], folder: Path, precision: str) -> float:
    """Largest difference of a logit from the model's, over real frames of a padded batch and a few random tokens."""
    import torch

    model, generator = checkpoint.model, torch.Generator().manual_seed(1)
    lengths = torch.tensor([211, 83])
    features = torch.randn(2, 211, checkpoint.extractor.feature_size, generator=generator)
    mask = torch.arange(211) < lengths[:, None]
    features = features * mask[:, :, None]
    columns = torch.randint(len(order), (2, 5), generator=generator)
    rows = torch.tensor(list(order))[columns]
    # The graphs' tokens have the blank last; the durations' columns follow in both.
    outputs = [*order, *range(len(order), model.joint.head.out_features)]
    with torch.inference_mode():
        encoded = model.get_audio_features(features, mask)
        expected = model(encoder_outputs=encoded, decoder_input_ids=rows).logits[..., outputs].numpy()
    session = open_session(folder / ENCODERS[precision], 1)
    inputs = {"audio_signal": features.transpose(1, 2).contiguous().numpy(), "length": lengths.numpy()}
    frames, counts = session.run(None, inputs)
    network = OnnxPredicting(open_session(folder / DECODER, 1), open_session(folder / JOINER, 1), _state_of(model))
    state, largest = network.start(2), 0.0
    for step, column in enumerate(columns.T.numpy()):
        predicted, state = network.predict(column, state)
        for frame in range(0, int(counts.min()), 3):
            logits = network.join(np.ascontiguousarray(frames[:, :, frame]), predicted)
            largest = max(largest, float(np.abs(logits - expected[:, frame, step]).max()))
    return largest


def _state_of(model: Any) -> tuple[int, int]:
    return model.decoder.lstm.num_layers, model.decoder.lstm.hidden_size
