"""A FastConformer on a stream: each chunk is computed once, with what earlier chunks left behind.

Equals the whole forward pass under the same masks (`model(features, chunks=...)` within `fast_forward`); checked by
tests/unit/model/test_streaming.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from vizinho.model import conformer
from vizinho.model.fast import Chunks

if TYPE_CHECKING:
    from transformers import ParakeetForCTC
    from transformers.models.parakeet.modeling_parakeet import ParakeetEncoderBlock


class ChunkedEncoder:
    """One stream through a ParakeetForCTC in evaluation mode; the model may be shared by any number of streams."""

    def __init__(self, model: ParakeetForCTC, chunks: Chunks) -> None:
        self.chunks = chunks
        self._model, self._encoder = model, model.encoder
        self._subsampling = int(model.config.encoder_config.subsampling_factor)
        self._features: torch.Tensor | None = None
        """The last feature frames of the chunk before: the front end's convolutions reach back into them."""
        empty = next(model.parameters()).new_zeros(1, 0, int(model.config.encoder_config.hidden_size))
        self._attended = [empty for _ in self._encoder.layers]
        """Of each block: the frames of earlier chunks that its attention still sees, (1, L, C)."""
        self._convolved: list[torch.Tensor | None] = [None for _ in self._encoder.layers]
        """Of each block: the last frames that its convolution reaches back to."""

    @property
    def chunk_features(self) -> int:
        """Feature frames in a chunk."""
        return self.chunks.frames * self._subsampling

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Features (T, F) of the next chunk to log-probabilities (T', V).

        T is `chunk_features`; the last chunk of a stream may be shorter, and must be the last.
        """
        with torch.inference_mode():
            hidden = self._front(features)
            for number, block in enumerate(self._encoder.layers):
                hidden = self._run_block(number, block, hidden)
            logits = conformer.logits(self._model.ctc_head, hidden)
            return logits[0].float().log_softmax(dim=-1)

    def _front(self, features: torch.Tensor) -> torch.Tensor:
        before, self._features = self._features, features[-self._subsampling :]
        joined = features if before is None else torch.cat([before, features])
        hidden: torch.Tensor = conformer.front_end(self._encoder.subsampling, joined[None], None)
        hidden = hidden * self._encoder.input_scale
        # One frame's worth of features before the chunk makes one frame more, which has not seen enough.
        return hidden if before is None else hidden[:, 1:]

    def _run_block(self, number: int, block: ParakeetEncoderBlock, hidden: torch.Tensor) -> torch.Tensor:
        def attend(frames: torch.Tensor) -> torch.Tensor:
            memory = self._attended[number]
            context = torch.cat([memory, frames], dim=1)
            # Distances grow until the memory is full, so positions are encoded for the length at hand.
            positions = self._encoder.encode_positions(context)
            remembered = self.chunks.left * self.chunks.frames
            self._attended[number] = context[:, max(0, context.shape[1] - remembered) :] if remembered else memory
            return conformer.attend(block.self_attn, frames, positions, None, memory)

        def convolve(frames: torch.Tensor) -> torch.Tensor:
            gated = conformer.gate(block.conv, frames, None)
            reach, before = block.conv.padding, self._convolved[number]
            # Before the stream's first frame there are zeros, as at the start of a whole utterance.
            joined = torch.cat([gated.new_zeros(1, reach, gated.shape[2]) if before is None else before, gated], dim=1)
            self._convolved[number] = joined[:, joined.shape[1] - reach :]
            along = conformer.depthwise(block.conv, F.pad(joined, (0, 0, 0, reach)), 0)
            return conformer.after_depthwise(block.conv, along)

        return conformer.run_block(block, hidden, attend, convolve)
