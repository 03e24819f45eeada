"""A FastConformer for export: equal results in the operations that onnxruntime is fast at.

A plain export of ParakeetForCTC spends half its time outside matrix products: masks of size T x T, positions projected
once per utterance, biases added apart from their products. Here linear layers work on rows (B * T, F), so bias and
product are one operation; what is constant is folded into weights (batch norm, the halves of the feed-forward parts,
the attention's scale, the blank's place); padding is masked only where a real frame could read it.

The order of a block is that of conformer.py, its parts are not: those of training use the memory orders and strides
that make torch's backward pass fast (`as_strided`, channels last), for which ONNX has no operation or only a slow one.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from vizinho.model.conformer import run_block

if TYPE_CHECKING:
    from transformers import ParakeetEncoder, ParakeetForCTC
    from transformers.models.parakeet.modeling_parakeet import (
        ParakeetEncoderAttention,
        ParakeetEncoderBlock,
        ParakeetEncoderConvolutionModule,
        ParakeetEncoderFeedForward,
        ParakeetEncoderSubsamplingConv2D,
    )


class ExportEncoder(nn.Module):
    """A FastConformer and a linear layer behind it; rows of padding have values that nothing reads."""

    def __init__(self, encoder: ParakeetEncoder, head: nn.Linear) -> None:
        super().__init__()
        self.front = Front(encoder.subsampling, encoder.input_scale)
        self.blocks = nn.ModuleList(Block(block) for block in encoder.layers)
        self.frequencies = constant(encoder.encode_positions.inv_freq.float())
        self.head = head

    def encode(self, audio_signal: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (B, F, T) of `length` frames each to outputs (B, T', C) and the lengths of those."""
        hidden, frames = self.front(audio_signal, length)
        B, T = hidden.shape[0], hidden.shape[1]
        inside = (torch.arange(T) < frames[:, None]).float()  # (B, T)
        positions = encode_distances(T, T, self.frequencies)
        rows = hidden.reshape(B * T, -1)
        for block in self.blocks:
            rows = block(rows, positions, inside)
        return self.head(rows).view(B, T, -1), frames


class ExportNetwork(ExportEncoder):
    """ParakeetForCTC with NeMo's interface: features (B, F, T) and lengths (B,) to log-probabilities (B, T', V).

    The columns are those of `order`, rows of the model's output layer.
    """

    def __init__(self, model: ParakeetForCTC, order: list[int]) -> None:
        super().__init__(model.encoder, ctc_head(model, order))

    def forward(self, audio_signal: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        """See the class; `length` counts feature frames."""
        log_probs: torch.Tensor = self.encode(audio_signal, length)[0].log_softmax(dim=-1)
        return log_probs


def ctc_head(model: ParakeetForCTC, order: list[int]) -> nn.Linear:
    """The output layer with its rows in another order."""
    return linear(model.ctc_head.weight.squeeze(-1)[order], model.ctc_head.bias[order])


def encode_distances(most: int, frames: int, frequencies: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of the distances `most` ... -(frames-1), interleaved as in the original: (most + frames, F).

    Computed in the graph, since lengths are known only when it runs. No two frames are `most` apart: that row is for
    the shift in `shifted`.
    """
    distances = torch.arange(most, -frames, -1).float()[:, None] * frequencies
    return torch.stack([distances.sin(), distances.cos()], dim=-1).flatten(1)


def shifted(by_position: torch.Tensor, keys: int) -> torch.Tensor:
    """(B, H, T, P) by distance to (B, H, T, W) by key, for the last T of W `keys`; P = W + T.

    `conformer.relative_shift` without strides, which ONNX does not have. Entry (i, j) is at T-i+j of row i: in one long
    row of all, at i(P-1) + T + j. (Slices like these make torch's backward pass 7 times as slow.)
    """
    B, H, T, P = by_position.shape
    flat = by_position.reshape(B, H, T * P)[:, :, T:]
    return flat.reshape(B, H, T, P - 1)[..., :keys]


class Front(nn.Module):
    """Stride-2 convolutions over (B, C, F, T): frames lie next to each other, which suits the processor."""

    def __init__(self, front: ParakeetEncoderSubsamplingConv2D, scale: float) -> None:
        super().__init__()
        layers = [_transposed(layer) for layer in front.layers if isinstance(layer, nn.Conv2d)]
        self.convolutions, self.strides = nn.ModuleList(layers), [int(layer.stride[0]) for layer in layers]
        self.linear = linear(front.linear.weight * scale, front.linear.bias * scale)

    def forward(self, features: torch.Tensor, length: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, F, T) of `length` frames each to (B, T', C) and the lengths of those."""
        hidden = features[:, None]
        for number, (convolution, stride) in enumerate(zip(self.convolutions, self.strides, strict=True)):
            if stride > 1 and number > 0:
                # A strided convolution reads one frame past the end, which must be silent as at the batch's edge.
                inside = torch.arange(hidden.shape[3]) < length[:, None]
                hidden = hidden * inside[:, None, None].float()
            hidden = convolution(hidden)
            # One ReLU after the first convolution, and one after each pair of a strided and a pointwise one.
            if number == 0 or stride == 1:
                hidden = hidden.relu()
            if stride > 1:
                length = torch.div(length + 1, 2, rounding_mode="floor")
        B, C, bands, T = hidden.shape
        return self.linear(hidden.permute(0, 3, 1, 2).reshape(B, T, C * bands)), length


class Block(nn.Module):
    """A block as `run_block` takes it; its feed-forward parts are halved already."""

    def __init__(self, block: ParakeetEncoderBlock) -> None:
        super().__init__()
        self.norm_feed_forward1, self.norm_feed_forward2 = block.norm_feed_forward1, block.norm_feed_forward2
        self.norm_self_att, self.norm_conv, self.norm_out = block.norm_self_att, block.norm_conv, block.norm_out
        self.feed_forward1, self.feed_forward2 = FeedForward(block.feed_forward1), FeedForward(block.feed_forward2)
        self.attention, self.convolution = Attention(block.self_attn), Convolution(block.conv)

    def forward(self, rows: torch.Tensor, positions: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """Rows (B * T, C) to the same; `inside` (B, T) is 1 on real frames."""

        def attend(frames: torch.Tensor) -> torch.Tensor:
            return self.attention(frames, positions, inside)  # type: ignore[no-any-return]

        def convolve(frames: torch.Tensor) -> torch.Tensor:
            return self.convolution(frames, inside)  # type: ignore[no-any-return]

        return run_block(self, rows, attend, convolve, half=1.0)


class FeedForward(nn.Module):
    """Its weights as `feed_forward` takes them."""

    activation_dropout = 0.0

    def __init__(self, part: ParakeetEncoderFeedForward) -> None:
        super().__init__()
        self.linear1 = linear(part.linear1.weight, part.linear1.bias)
        # A block adds half of this part's output: the half is a power of two, so folding it in loses no precision.
        self.linear2 = linear(part.linear2.weight / 2, None if part.linear2.bias is None else part.linear2.bias / 2)
        self.activation = part.activation


class Attention(nn.Module):
    """Relative-position attention (Dai et al. 2019, section 3.3)."""

    def __init__(self, attention: ParakeetEncoderAttention) -> None:
        super().__init__()
        self.size, scale = attention.head_dim, attention.scaling
        self.heads = attention.q_proj.out_features // self.size
        # One after another: a product of all three would have to be taken apart, which copies it.
        projections = ((attention.q_proj, scale), (attention.k_proj, 1.0), (attention.v_proj, 1.0))
        self.projections = nn.ModuleList(_scaled(layer, factor) for layer, factor in projections)
        self.by_content, self.by_position = constant(attention.bias_u * scale), constant(attention.bias_v * scale)
        self.relative = linear(attention.relative_k_proj.weight, None)
        self.mix = linear(attention.o_proj.weight, attention.o_proj.bias)

    def forward(self, rows: torch.Tensor, positions: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """As `Block.forward`."""
        return self.attend(rows, rows, (*inside.shape, inside.shape[1]), positions, inside)

    def attend(
        self,
        rows: torch.Tensor,
        context: torch.Tensor,
        shape: tuple[int, int, int],
        positions: torch.Tensor,
        real: torch.Tensor,
    ) -> torch.Tensor:
        """The last T of W frames of B utterances attend to all W.

        Args:
            rows: The T frames, (B * T, C).
            context: The W frames, (B * W, C).
            shape: (B, T, W).
            positions: Encoded distances (W + T, C), see `encode_distances`.
            real: (B, W), 1 on frames that may be attended to.
        """
        (B, T, W), H, D = shape, self.heads, self.size
        ask, offer, tell = self.projections
        query = ask(rows).view(B, T, H, D)
        key, value = (project(context).view(B, W, H, D) for project in (offer, tell))
        relative = self.relative(positions).view(-1, H, D).permute(1, 2, 0)  # (H, D, W + T)
        by_position = (query + self.by_position).transpose(1, 2) @ relative
        scores = (query + self.by_content).transpose(1, 2) @ key.permute(0, 2, 3, 1)
        scores = scores + shifted(by_position, W) + ((real - 1.0) * 1e9)[:, None, None]
        mixed = scores.softmax(dim=-1) @ value.transpose(1, 2)
        return self.mix(mixed.transpose(1, 2).reshape(B * T, H * D))  # type: ignore[no-any-return]


class Convolution(nn.Module):
    """Gate, depthwise convolution with its batch norm, and the last linear layer."""

    def __init__(self, part: ParakeetEncoderConvolutionModule) -> None:
        super().__init__()
        weight, bias = part.pointwise_conv1.weight.squeeze(-1), part.pointwise_conv1.bias
        half = weight.shape[0] // 2
        self.value = linear(weight[:half], None if bias is None else bias[:half])
        self.gate = linear(weight[half:], None if bias is None else bias[half:])
        self.along = _with_norm(part.depthwise_conv, part.norm)
        self.activation = part.activation
        self.mix = linear(part.pointwise_conv2.weight.squeeze(-1), part.pointwise_conv2.bias)

    def forward(self, rows: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """As `Block.forward`."""
        B, T = inside.shape
        return self.after(self.along((self.gated(rows).view(B, T, -1) * inside[:, :, None]).transpose(1, 2)))

    def gated(self, rows: torch.Tensor) -> torch.Tensor:
        """Up to the depthwise convolution, (B * T, C)."""
        return self.value(rows) * self.gate(rows).sigmoid()  # type: ignore[no-any-return]

    def after(self, along: torch.Tensor) -> torch.Tensor:
        """From the depthwise convolution's output (B, C, T) on, to (B * T, C)."""
        return self.mix(self.activation(along).transpose(1, 2).flatten(0, 1))  # type: ignore[no-any-return]


def _with_norm(convolution: nn.Conv1d, norm: nn.BatchNorm1d) -> nn.Conv1d:
    """A depthwise convolution that does its batch norm too (evaluation mode): y = (w x + b - mean) * slope + shift."""
    mean, variance, size = norm.running_mean, norm.running_var, convolution.kernel_size[0]
    assert mean is not None and variance is not None
    slope = norm.weight / torch.sqrt(variance + norm.eps)
    bias = convolution.bias if convolution.bias is not None else torch.zeros_like(slope)
    channels, padding = convolution.in_channels, int(convolution.padding[0])
    folded = nn.Conv1d(channels, channels, size, padding=padding, groups=channels)
    folded.weight.data = (convolution.weight * slope[:, None, None]).detach().clone()
    folded.bias.data = ((bias - mean) * slope + norm.bias).detach().clone()  # type: ignore[union-attr]
    return folded


def _transposed(convolution: nn.Conv2d) -> nn.Conv2d:
    """A convolution with equal results for images whose two axes changed places; kernels here are square."""
    turned = copy.deepcopy(convolution)
    turned.weight.data = convolution.weight.detach().transpose(2, 3).clone()
    return turned


def _scaled(layer: nn.Linear, factor: float) -> nn.Linear:
    bias = layer.bias if layer.bias is not None else torch.zeros(layer.out_features)
    return linear(layer.weight * factor, bias * factor)


def linear(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    """A layer with copies of a weight (out, in) and a bias (out,)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight.detach().clone()
    if bias is not None:
        layer.bias.data = bias.detach().clone()
    return layer


def constant(values: torch.Tensor) -> nn.Parameter:
    """A copy that is written into the graph."""
    return nn.Parameter(values.detach().clone(), requires_grad=False)
