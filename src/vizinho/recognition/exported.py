"""The form of an exported model, known to what writes it and to what runs it.

    model.onnx or model.int8.onnx   features (B, F, T), lengths (B,) to log-probabilities (B, T', V), as NeMo's
    tokens.txt                      a token and its column per line, blank last, as sherpa-onnx wants it
    vizinho.json                    what a transcriber needs besides: features, roles of tokens, rows of the model

The graph's columns are the model's rows with the blank moved to the end; `rows` in vizinho.json says where each went.
"""

from __future__ import annotations

FORMAT = 1
"""Version of the folder; part of the cache's keys, so a change makes new exports."""
SETTINGS = "vizinho.json"
TOKENS = "tokens.txt"
GRAPHS = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
