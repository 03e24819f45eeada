"""A FastConformer on streams, for export: the next chunk of B streams at a time, with what earlier chunks left behind.

Equals model/streaming.py. There what is remembered grows until it is full; here it has its full size from the start, so
that streams of any age share a call, and masks hide what was not said yet. Shapes: B streams, N blocks, L frames that
attention looks back, R frames that convolutions look back, C channels, S feature frames of one encoder frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from vizinho.model.conformer import run_block
from vizinho.model.export_network import Attention, Convolution, ExportEncoder, ctc_head, encode_distances

if TYPE_CHECKING:
    from transformers import ParakeetForCTC

    from vizinho.model.fast import Chunks

State = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Feature frames before the chunk (B, F, S), frames to attend to (N, B, L, C) and to convolve (N, B, R, C)."""


class ExportStream(ExportEncoder):
    """The next chunk of features (B, F, T) to log-probabilities (B, T', V) in the columns of `order`, and new state."""

    def __init__(self, model: ParakeetForCTC, chunks: Chunks, order: list[int]) -> None:
        super().__init__(model.encoder, ctc_head(model, order))
        # At least one, masked where nothing is looked back to: graphs dislike empty axes.
        self.reach = int(model.encoder.layers[0].conv.padding)
        self.memory = max(1, chunks.left * chunks.frames)
        self.subsampling = int(model.config.encoder_config.subsampling_factor)
        self.size = int(model.config.encoder_config.hidden_size)

    def empty(self, streams: int, bands: int) -> State:
        """The state of streams that have not begun."""
        blocks = len(self.blocks)
        return (
            torch.zeros(streams, bands, self.subsampling),
            torch.zeros(blocks, streams, self.memory, self.size),
            torch.zeros(blocks, streams, self.reach, self.size),
        )

    def forward(
        self,
        features: torch.Tensor,
        before: torch.Tensor,
        attended: torch.Tensor,
        convolved: torch.Tensor,
        seen: torch.Tensor,
        begun: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """See the class. `seen` (B,) of the L frames are real; `begun` (B,) is 0 for the first chunk of a stream."""
        joined = torch.cat([before, features], dim=2)
        hidden = self._front(joined, begun)  # (B, T, C), T output frames
        B, T = hidden.shape[0], hidden.shape[1]
        W = self.memory + T
        positions = encode_distances(W, T, self.frequencies)
        # Key j of a stream is real from L - seen on: (B, W).
        real = (torch.arange(W) >= (self.memory - seen)[:, None]).float()
        # Linear layers work on rows, as in `ExportNetwork`.
        rows = hidden.reshape(B * T, -1)
        attended_next, convolved_next = [], []
        for number, block in enumerate(self.blocks):
            looking = _Looking(block, positions, real, attended[number], convolved[number])
            rows = run_block(block, rows, looking.attend, looking.convolve, half=1.0)
            attended_next.append(looking.attended)
            convolved_next.append(looking.convolved)
        log_probs = self.head(rows).log_softmax(dim=-1).view(B, T, -1)
        # What the front end's convolutions of the next chunk reach back to.
        left = joined[:, :, -self.subsampling :]
        return log_probs, left, torch.stack(attended_next), torch.stack(convolved_next)

    def _front(self, joined: torch.Tensor, begun: torch.Tensor) -> torch.Tensor:
        # `reached`: frames of what was before the chunk, halved by every strided convolution.
        hidden, reached = joined[:, None], self.subsampling
        layers = zip(self.front.convolutions, self.front.strides, strict=True)
        for number, (convolution, stride) in enumerate(layers):
            hidden = convolution(hidden)
            if number == 0 or stride == 1:
                hidden = hidden.relu()
            if stride > 1:
                reached //= 2
            # Before a stream's first frame there is silence at every depth, as at the edge of a whole utterance; a
            # bias would make it something else.
            early = torch.arange(hidden.shape[3]) < reached
            hidden = hidden * torch.where(early, begun[:, None], torch.ones(1))[:, None, None]
        B, C, bands, T = hidden.shape
        # The frame of what was before the chunk has not seen enough, and was given already.
        flat = hidden.permute(0, 3, 1, 2).reshape(B, T, C * bands)[:, 1:]
        return self.front.linear(flat)  # type: ignore[no-any-return]


class _Looking:
    """Attention and convolution of a block over a chunk and what was before it; keeps what the next chunk needs."""

    def __init__(
        self,
        block: nn.Module,
        positions: torch.Tensor,
        real: torch.Tensor,
        attended: torch.Tensor,
        convolved: torch.Tensor,
    ) -> None:
        self._attention: Attention = block.attention  # type: ignore[assignment]
        self._convolution: Convolution = block.convolution  # type: ignore[assignment]
        self._positions, self._real = positions, real
        self.attended, self.convolved = attended, convolved

    def attend(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (B * T, C); keys are the W remembered and new frames."""
        B, L, C = self.attended.shape
        frames = rows.view(B, -1, C)
        T = frames.shape[1]
        context = torch.cat([self.attended, frames], dim=1)
        # Always L frames long: the oldest leave as new ones come.
        self.attended = context[:, T:]
        rows_of_context = context.reshape(B * (L + T), C)
        return self._attention.attend(rows, rows_of_context, (B, T, L + T), self._positions, self._real)

    def convolve(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (B * T, C); the kernel sees R frames before the chunk and silence after it."""
        part = self._convolution
        B, R, C = self.convolved.shape
        gated = part.gated(rows).view(B, -1, C)
        joined = torch.cat([self.convolved, gated], dim=1)
        T = gated.shape[1]
        self.convolved = joined[:, T:]
        # Nothing after the chunk was heard when it was computed in training either (fast.py, `_by_chunk`).
        padded = F.pad(joined.transpose(1, 2), (0, R))
        along = F.conv1d(padded, part.along.weight, part.along.bias, groups=C)
        return part.after(along)
