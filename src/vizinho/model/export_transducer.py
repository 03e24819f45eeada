"""The three graphs of a transducer, with NeMo's interface, which sherpa-onnx reads.

The projections of the joint network are in the graphs before it, so each frame and each token is projected once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from vizinho.model.export_network import ExportEncoder, linear

if TYPE_CHECKING:
    from transformers import ParakeetForRNNT


class TransducerFrames(ExportEncoder):
    """The encoder: features (B, F, T) and lengths (B,) to frames (B, J, T') and the lengths of those."""

    def __init__(self, model: ParakeetForRNNT) -> None:
        super().__init__(model.encoder, linear(model.encoder_projector.weight, model.encoder_projector.bias))

    def forward(self, audio_signal: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See the class."""
        frames, lengths = self.encode(audio_signal, length)
        return frames.transpose(1, 2), lengths


class TransducerPrediction(nn.Module):
    """The prediction network, whose tokens are those of `order`."""

    def __init__(self, model: ParakeetForRNNT, order: list[int]) -> None:
        super().__init__()
        self.rows = nn.Parameter(model.decoder.embedding.weight.detach()[order].clone(), requires_grad=False)
        self.lstm, self.project = model.decoder.lstm, model.decoder.decoder_projector

    def forward(
        self, targets: torch.Tensor, target_length: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The last tokens (B, 1) and states (L, B, H) to predictions (B, J, 1), their lengths and the states after."""
        output, (hidden, cell) = self.lstm(self.rows[targets.long()], (hidden, cell))
        # NeMo's graphs have the lengths, and whoever runs them gives and takes them; nothing depends on them.
        return self.project(output).transpose(1, 2), target_length + 0, hidden, cell


class TransducerJoint(nn.Module):
    """The joint network, whose columns are those of `order`, rows of its output layer."""

    def __init__(self, model: ParakeetForRNNT, order: list[int]) -> None:
        super().__init__()
        self.activation = model.joint.activation
        self.head = linear(model.joint.head.weight[order], model.joint.head.bias[order])

    def forward(self, encoder_outputs: torch.Tensor, decoder_outputs: torch.Tensor) -> torch.Tensor:
        """A frame (B, J, 1) and a prediction (B, J, 1) to logits (B, 1, 1, V + D)."""
        logits: torch.Tensor = self.head(self.activation(encoder_outputs + decoder_outputs).squeeze(2))
        return logits[:, None, None]
