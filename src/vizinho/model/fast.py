"""The same FastConformer, computed faster on processors: equal results, other order of memory.

Profiling ParakeetForCTC (3 M parameters, one core) showed a third of a training step in matrix products; the rest
went to depthwise convolutions in a slow memory order, positions projected once per utterance instead of once, masks
of size T x T, and copies between layouts. `fast_forward` replaces the forward pass only; parameters, their names and
the saved files stay Hugging Face's. tests/unit/model/test_fast.py holds outputs and gradients equal to the original.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from transformers import ParakeetForCTC
from transformers.modeling_outputs import CausalLMOutput


@contextmanager
def fast_forward(model: Any) -> Iterator[None]:
    """Within the context `model(features, attention_mask=mask).logits` is computed the fast way.

    Does nothing for networks other than ParakeetForCTC and on devices other than the processor.
    """
    original = model.forward
    make_fast(model)
    try:
        yield
    finally:
        model.forward = original


def make_fast(model: Any) -> None:
    """The same for good, for a model with one user."""
    if isinstance(model, ParakeetForCTC) and next(model.parameters()).device.type == "cpu":
        model.forward = types.MethodType(_forward, model)


def _forward(self: Any, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None) -> CausalLMOutput:
    """(B, T, F) to logits (B, T', V). Padded frames hold other values than the original's, which nothing reads."""
    encoder = self.encoder
    hidden = _front(encoder.subsampling, input_features, attention_mask) * encoder.input_scale
    valid = None
    if attention_mask is not None and not bool(attention_mask.all()):
        valid = encoder._get_output_attention_mask(attention_mask, target_length=hidden.shape[1])
    positions = encoder.encode_positions(hidden[:1])
    hidden = _drop(hidden, encoder.dropout, self.training)
    positions = _drop(positions, encoder.dropout_positions, self.training)
    for block in encoder.layers:
        if self.training and encoder.layerdrop > 0.0 and float(torch.rand([])) < encoder.layerdrop:
            continue
        hidden = _block(block, hidden, positions, valid)
    head = self.ctc_head
    return CausalLMOutput(logits=F.linear(hidden, head.weight.squeeze(-1), head.bias))


def _front(front: Any, features: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The stride-2 convolutions with channels last in memory: their backward pass is several times faster so."""
    hidden = features.unsqueeze(1).contiguous(memory_format=torch.channels_last)
    lengths = mask.sum(-1) if mask is not None else None
    padded = mask is not None and not bool(mask.all())
    for layer in front.layers:
        if not isinstance(layer, torch.nn.Conv2d):
            hidden = layer(hidden)
            continue
        weight = layer.weight.contiguous(memory_format=torch.channels_last)
        hidden = F.conv2d(hidden, weight, layer.bias, layer.stride, layer.padding, groups=layer.groups)
        if padded:
            lengths = front._get_output_length(lengths, layer)
            inside = torch.arange(hidden.shape[2]) < lengths[:, None]
            hidden = hidden * inside[:, None, :, None]
    B, C, T, bands = hidden.shape
    return F.linear(hidden.permute(0, 2, 1, 3).reshape(B, T, C * bands), front.linear.weight, front.linear.bias)


def _block(block: Any, hidden: torch.Tensor, positions: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    hidden = hidden.add(block.feed_forward1(block.norm_feed_forward1(hidden)), alpha=0.5)
    hidden = hidden + _attend(block.self_attn, block.norm_self_att(hidden), positions, valid)
    hidden = hidden + _convolve(block.conv, block.norm_conv(hidden), valid)
    hidden = hidden.add(block.feed_forward2(block.norm_feed_forward2(hidden)), alpha=0.5)
    return block.norm_out(hidden)  # type: ignore[no-any-return]


def _attend(attention: Any, hidden: torch.Tensor, positions: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """Relative-position attention (Dai et al. 2019, section 3.3); positions are projected once for the batch."""
    B, T, _ = hidden.shape
    D = attention.head_dim
    H = attention.q_proj.out_features // D
    query, key, value = (
        projection(hidden).view(B, T, H, D).permute(2, 0, 1, 3)
        for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
    )  # each (H, B, T, D)
    relative = attention.relative_k_proj(positions)[0].view(-1, H, D).permute(1, 2, 0)  # (H, D, 2T-1)
    by_position = (query + attention.bias_v[:, None, None]).reshape(H, B * T, D) @ relative
    shifted = _relative_shift(by_position.view(H * B, T, 2 * T - 1))
    by_content = (query + attention.bias_u[:, None, None]).reshape(H * B, T, D)
    scores = torch.baddbmm(
        shifted, by_content, key.reshape(H * B, T, D).transpose(1, 2), beta=attention.scaling, alpha=attention.scaling
    )
    if valid is not None:
        bias = scores.new_zeros(B, 1, T).masked_fill_(~valid[:, None], torch.finfo(scores.dtype).min)
        scores = (scores.view(H, B, T, T) + bias).view(H * B, T, T)
    shares = _drop(scores.softmax(dim=-1), attention.attention_dropout, attention.training)
    mixed = (shares @ value.reshape(H * B, T, D)).view(H, B, T, D).permute(1, 2, 0, 3).reshape(B, T, H * D)
    return attention.o_proj(mixed)  # type: ignore[no-any-return]


def _relative_shift(scores: torch.Tensor) -> torch.Tensor:
    """(N, T, 2T-1) by relative position to (N, T, T) by key: entry (i, j) is read at T-1-i+j, without a padded copy."""
    N, T, P = scores.shape
    return scores.as_strided((N, T, T), (T * P, P - 1, 1), T - 1)


def _convolve(conv: Any, hidden: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """The convolution module without leaving (B, T, C): pointwise convolutions are matrix products."""
    hidden = F.glu(F.linear(hidden, conv.pointwise_conv1.weight.squeeze(-1), conv.pointwise_conv1.bias), dim=-1)
    if valid is not None:
        hidden = hidden * valid[:, :, None]
    B, T, C = hidden.shape
    depthwise = conv.depthwise_conv
    # (B, T, C) read as an image of height 1 with channels last: no copy, and the fast backward pass.
    image = hidden.reshape(B, 1, T, C).permute(0, 3, 1, 2)
    image = F.conv2d(image, depthwise.weight.unsqueeze(2), depthwise.bias, padding=(0, conv.padding), groups=C)
    rows = conv.norm(image.permute(0, 2, 3, 1).reshape(B * T, C))
    hidden = conv.activation(rows).view(B, T, C)
    return F.linear(hidden, conv.pointwise_conv2.weight.squeeze(-1), conv.pointwise_conv2.bias)


def _drop(values: torch.Tensor, share: float, training: bool) -> torch.Tensor:
    return F.dropout(values, p=share, training=True) if training and share > 0.0 else values
