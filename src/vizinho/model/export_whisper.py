"""Whisper's encoder for export: which positions it computes, and what each counts for, are inputs of the graph.

So one graph computes whole windows and windows whose silence is pooled; see `whisper_silence`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class EncoderGraph(nn.Module):
    """Features (B, F, T) to encodings (B, S, width) at S positions.

    `source` (S,) says after which of the convolutions' T / 2 outputs a position comes, `places` (S,) its place in time,
    and `bias` (S,) is added to the scores of every attention to it.
    """

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, features: torch.Tensor, source: torch.Tensor, places: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        """See the class."""
        encoder = self.encoder
        hidden = nn.functional.gelu(encoder.conv1(features))
        hidden = nn.functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
        hidden = hidden[:, source] + encoder.embed_positions.weight[places]
        mask = bias[None, None, None].expand(hidden.shape[0], 1, hidden.shape[1], -1)  # (B, 1, S, S)
        for layer in encoder.layers:
            hidden = layer(hidden, mask)
        encoded: torch.Tensor = encoder.layer_norm(hidden)
        return encoded
