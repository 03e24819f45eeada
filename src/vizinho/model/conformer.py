"""The parts of a FastConformer (Rekesh et al. 2023, arXiv 2305.05084), computed with the weights of ParakeetForCTC.

Shared by whole utterances (fast.py) and streams (streaming.py); export_network.py shares the order of a block. Shapes:
B utterances, T frames, C channels, V tokens, H heads of D channels each. Parameters keep Hugging Face's names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from transformers.models.parakeet.modeling_parakeet import (
        ParakeetEncoderAttention,
        ParakeetEncoderConvolutionModule,
        ParakeetEncoderCTCHead,
        ParakeetEncoderSubsamplingConv2D,
    )

Part = Callable[[torch.Tensor], torch.Tensor]
"""A part of a block, from and to the block's frames."""


def front_end(
    subsampling: ParakeetEncoderSubsamplingConv2D, features: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """The stride-2 convolutions, (B, T, F) to (B, T', C); `mask` (B, T) is true on real frames."""
    # Channels last in memory: the backward pass of depthwise convolutions is several times faster so.
    hidden = features.unsqueeze(1).contiguous(memory_format=torch.channels_last)
    lengths = mask.sum(-1) if mask is not None else None
    padded = mask is not None and not bool(mask.all())
    for layer in subsampling.layers:
        if not isinstance(layer, torch.nn.Conv2d):
            hidden = layer(hidden)
            continue
        weight = layer.weight.contiguous(memory_format=torch.channels_last)
        with precise_on_cpu(hidden):
            hidden = F.conv2d(hidden, weight, layer.bias, layer.stride, layer.padding, groups=layer.groups)
        if padded:
            # A bias makes padding non-zero, and the next convolution would read it into the last real frame.
            lengths = subsampling._get_output_length(lengths, layer)
            inside = torch.arange(hidden.shape[2], device=hidden.device) < lengths[:, None]
            hidden = hidden * inside[:, None, :, None]
    B, C, T, bands = hidden.shape
    linear = subsampling.linear
    return F.linear(hidden.permute(0, 2, 1, 3).reshape(B, T, C * bands), linear.weight, linear.bias)


def run_block(block: Any, hidden: torch.Tensor, attend: Part, convolve: Part, half: float = 0.5) -> torch.Tensor:
    """One block (Gulati et al. 2020, arXiv 2005.08100): attention, convolution, half a feed-forward part on each side.

    `attend` and `convolve` take normalised frames; `half` is 1 where the halving is folded into the weights.
    """
    hidden = hidden.add(feed_forward(block.feed_forward1, block.norm_feed_forward1(hidden)), alpha=half)
    hidden = hidden + attend(block.norm_self_att(hidden))
    hidden = hidden + convolve(block.norm_conv(hidden))
    hidden = hidden.add(feed_forward(block.feed_forward2, block.norm_feed_forward2(hidden)), alpha=half)
    return block.norm_out(hidden)  # type: ignore[no-any-return]


def feed_forward(part: Any, hidden: torch.Tensor) -> torch.Tensor:
    """A feed-forward part (ParakeetEncoderFeedForward, or one with its attributes), (B, T, C) to (B, T, C)."""
    inner = drop(part.activation(part.linear1(hidden)), part.activation_dropout, part.training)
    return part.linear2(inner)  # type: ignore[no-any-return]


def attend(
    attention: ParakeetEncoderAttention,
    hidden: torch.Tensor,
    positions: torch.Tensor,
    bias: torch.Tensor | None,
    memory: torch.Tensor | None = None,
) -> torch.Tensor:
    """Relative-position attention (Dai et al. 2019, section 3.3); positions are projected once for the batch.

    Args:
        attention: Weights.
        hidden: Frames (B, T, C).
        positions: Encoded distances (1, 2W - 1, C) between the W = L + T frames, the largest first.
        bias: (B or 1, T or 1, W), added to the scores; None where every frame attends to all.
        memory: Frames (B, L, C) before `hidden` that are attended to but not computed again.
    """
    context = hidden if memory is None else torch.cat([memory, hidden], dim=1)
    B, T, _ = hidden.shape
    D = attention.head_dim
    H = attention.q_proj.out_features // D
    W = context.shape[1]
    query = attention.q_proj(hidden).view(B, T, H, D).permute(2, 0, 1, 3)  # (H, B, T, D)
    key, value = (p(context).view(B, W, H, D).permute(2, 0, 1, 3) for p in (attention.k_proj, attention.v_proj))
    relative = attention.relative_k_proj(positions)[0].view(-1, H, D).permute(1, 2, 0)  # (H, D, 2W-1)
    # score(i, j) = scale * ((q_i + u) k_j + (q_i + v) r_{i-j}); heads come first, so that r has no batch axis.
    by_position = (query + attention.bias_v[:, None, None]).reshape(H, B * T, D) @ relative
    shifted = relative_shift(by_position.view(H * B, T, 2 * W - 1))
    by_content = (query + attention.bias_u[:, None, None]).reshape(H * B, T, D)
    # One product that adds and scales too, instead of three passes over (H * B, T, W).
    scores = torch.baddbmm(
        shifted, by_content, key.reshape(H * B, W, D).transpose(1, 2), beta=attention.scaling, alpha=attention.scaling
    )
    if bias is not None:
        scores = (scores.view(H, B, T, W) + bias).view(H * B, T, W)
    shares = drop(scores.softmax(dim=-1), attention.attention_dropout, attention.training)
    mixed = (shares @ value.reshape(H * B, W, D)).view(H, B, T, D).permute(1, 2, 0, 3).reshape(B, T, H * D)
    return attention.o_proj(mixed)  # type: ignore[no-any-return]


def relative_shift(scores: torch.Tensor) -> torch.Tensor:
    """(N, T, 2W-1) by relative position to (N, T, W) by key, for the last T of W frames, without a padded copy.

    Query i of them is frame W-T+i; its entry for key j is at T-1-i+j.
    """
    N, T, P = scores.shape
    # Each row starts one entry earlier than the row before: a row stride of P - 1 instead of P.
    return scores.as_strided((N, T, (P + 1) // 2), (T * P, P - 1, 1), T - 1)


def gate(conv: ParakeetEncoderConvolutionModule, hidden: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """The convolution module up to its depthwise part, (B, T, C); frames outside `valid` (B, T) become zero."""
    # A pointwise convolution is a matrix product.
    hidden = F.glu(F.linear(hidden, conv.pointwise_conv1.weight.squeeze(-1), conv.pointwise_conv1.bias), dim=-1)
    return hidden if valid is None else hidden * valid[:, :, None]


def depthwise(conv: ParakeetEncoderConvolutionModule, gated: torch.Tensor, padding: int) -> torch.Tensor:
    """The depthwise convolution along time: (B, T, C) to (B, T', C), T' frames where the kernel fits."""
    B, T, C = gated.shape
    kernel = conv.depthwise_conv
    # (B, T, C) read as an image of height 1 with channels last: no copy, and the fast backward pass.
    image = gated.reshape(B, 1, T, C).permute(0, 3, 1, 2)
    with precise_on_cpu(image):
        image = F.conv2d(
            image.to(kernel.weight.dtype), kernel.weight.unsqueeze(2), kernel.bias, padding=(0, padding), groups=C
        )
    return image.permute(0, 2, 3, 1).reshape(B, -1, C)


def after_depthwise(conv: ParakeetEncoderConvolutionModule, hidden: torch.Tensor) -> torch.Tensor:
    """Batch norm, activation and the last pointwise convolution: (B, T, C) to (B, T, C)."""
    B, T, C = hidden.shape
    hidden = conv.activation(conv.norm(hidden.reshape(B * T, C))).view(B, T, C)
    return F.linear(hidden, conv.pointwise_conv2.weight.squeeze(-1), conv.pointwise_conv2.bias)


def logits(head: ParakeetEncoderCTCHead, hidden: torch.Tensor) -> torch.Tensor:
    """The output layer, (B, T, C) to (B, T, V)."""
    return F.linear(hidden, head.weight.squeeze(-1), head.bias)


def precise_on_cpu(values: torch.Tensor) -> torch.autocast:
    """Outside autocast on processors: depthwise convolutions take twice as long backwards in bfloat16 there."""
    device = values.device.type
    return torch.autocast(device, enabled=torch.is_autocast_enabled(device) and device != "cpu")


def drop(values: torch.Tensor, share: float, training: bool) -> torch.Tensor:
    """Dropout, which does nothing outside training; `share` counts in steps of 1/65536 on processors."""
    if not training or share <= 0.0:
        return values
    if values.device.type != "cpu":
        return F.dropout(values, p=share, training=True)
    # torch draws one number after the other, which was an eighth of a training step; this draws four at once. The seed
    # comes from torch's generator, so a resumed run and recomputed blocks drop the same values.
    generator = np.random.SFC64(int(torch.randint(2**62, ())))
    numbers = generator.random_raw(-(-values.numel() // 4)).view(np.uint16)[: values.numel()]
    stays = torch.from_numpy(numbers >= round(share * 65536)).view(values.shape)
    return values * (stays.to(values.dtype) / (1.0 - share))
