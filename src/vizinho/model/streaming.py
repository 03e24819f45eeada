"""A FastConformer on a stream: each chunk is computed once, with what earlier chunks left behind.

Equals the whole forward pass under the same masks (`model(features, chunks=...)` within `fast_forward`); held by
tests/unit/model/test_streaming.py.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from vizinho.model.fast import Chunks, _after, _along, _attend, _front, _gate


class ChunkedEncoder:
    """One stream through a ParakeetForCTC in evaluation mode; the model may be shared by any number of streams."""

    def __init__(self, model: Any, chunks: Chunks) -> None:
        self.chunks = chunks
        self._model, self._encoder = model, model.encoder
        self._subsampling = int(model.config.encoder_config.subsampling_factor)
        self._features: torch.Tensor | None = None
        """The last feature frames of the chunk before: the front end's convolutions reach back into them."""
        self._heard = [_empty(model) for _ in self._encoder.layers]
        """Of each block: what its attention still hears of earlier chunks, (1, L, C)."""
        self._gated: list[torch.Tensor | None] = [None for _ in self._encoder.layers]
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
                hidden = self._block(number, block, hidden)
            head = self._model.ctc_head
            logits = F.linear(hidden, head.weight.squeeze(-1), head.bias)
            found: torch.Tensor = logits[0].float().log_softmax(dim=-1)
            return found

    def _front(self, features: torch.Tensor) -> torch.Tensor:
        before, self._features = self._features, features[-self._subsampling :]
        joined = features if before is None else torch.cat([before, features])
        hidden: torch.Tensor = _front(self._encoder.subsampling, joined[None], None) * self._encoder.input_scale
        # One frame's worth of features before the chunk makes one frame more, which has not seen enough.
        return hidden if before is None else hidden[:, 1:]

    def _block(self, number: int, block: Any, hidden: torch.Tensor) -> torch.Tensor:
        hidden = hidden.add(block.feed_forward1(block.norm_feed_forward1(hidden)), alpha=0.5)
        query: torch.Tensor = block.norm_self_att(hidden)
        heard = torch.cat([self._heard[number], query], dim=1)
        positions = self._encoder.encode_positions(heard)
        hidden = hidden + _attend(block.self_attn, query, positions, None, self._heard[number])
        kept = self.chunks.left * self.chunks.frames
        self._heard[number] = heard[:, max(0, heard.shape[1] - kept) :] if kept else heard[:, :0]
        gated = _gate(block.conv, block.norm_conv(hidden), None)
        hidden = hidden + _after(block.conv, self._along(number, block.conv, gated))
        hidden = hidden.add(block.feed_forward2(block.norm_feed_forward2(hidden)), alpha=0.5)
        normed: torch.Tensor = block.norm_out(hidden)
        return normed

    def _along(self, number: int, conv: Any, gated: torch.Tensor) -> torch.Tensor:
        reach = conv.padding
        before = self._gated[number]
        if before is None:
            before = gated.new_zeros(1, reach, gated.shape[2])
        joined = torch.cat([before, gated], dim=1)
        self._gated[number] = joined[:, joined.shape[1] - reach :]
        return _along(conv, F.pad(joined, (0, 0, 0, reach)), 0)


def _empty(model: Any) -> torch.Tensor:
    width = int(model.config.encoder_config.hidden_size)
    parameter: torch.Tensor = next(model.parameters())
    return parameter.new_zeros(1, 0, width)
