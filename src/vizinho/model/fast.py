"""The same FastConformer, computed faster on processors: equal results, other order of memory.

Profiling ParakeetForCTC (3 M parameters, one core) showed a third of a training step in matrix products; the rest
went to depthwise convolutions in a slow memory order, positions projected once per utterance instead of once, masks
of size T x T, and copies between layouts. `fast_forward` replaces the forward pass only; parameters, their names and
the saved files stay Hugging Face's. tests/unit/model/test_fast.py holds outputs and gradients equal to the original.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers import ParakeetForCTC
from transformers.modeling_outputs import CausalLMOutput


@dataclass(frozen=True, slots=True)
class Chunks:
    """What a frame may hear when a network works on a stream (Zhang et al. 2020, arXiv 2012.05481, U2).

    All of its own chunk and `left` chunks before it; convolutions see nothing after the chunk's end either (Li et al.
    2023, arXiv 2304.09325). model/streaming.py does the same chunk by chunk.
    """

    frames: int
    """Encoder frames in a chunk."""
    left: int
    """Chunks before its own that a frame attends to."""

    def allowed(self, frames: int) -> torch.Tensor:
        """(T, T) for T `frames`: true where the frame of a row hears the one of a column."""
        number = torch.arange(frames) // self.frames
        behind = number[:, None] - number[None]
        return (behind >= 0) & (behind <= self.left)


def can_stream(model: Any) -> bool:
    """Whether a network can be computed in chunks."""
    return isinstance(model, ParakeetForCTC)


def set_chunks(model: Any, chunks: Chunks | None) -> None:
    """Note in a model's configuration how it was trained to stream; None: it was not."""
    model.config.vizinho_chunks = asdict(chunks) if chunks else None


def chunks_of(config: Mapping[str, Any]) -> Chunks | None:
    """How a model of this configuration (config.json) streams; None where it was not trained to."""
    found = config.get("vizinho_chunks")
    return Chunks(**found) if found else None


@contextmanager
def fast_forward(model: Any, *, everywhere: bool = False) -> Iterator[None]:
    """Within the context `model(features, attention_mask=mask).logits` is computed the fast way.

    Does nothing for networks other than ParakeetForCTC and on devices other than the processor; with `everywhere` the
    forward pass is replaced on every device, since only this one takes `chunks`, and gives a hidden state for every
    block, those that were dropped too.
    """
    original = model.forward
    if everywhere and isinstance(model, ParakeetForCTC):
        model.forward = types.MethodType(_forward, model)
    make_fast(model)
    try:
        yield
    finally:
        model.forward = original


def make_fast(model: Any) -> None:
    """The same for good, for a model with one user."""
    if isinstance(model, ParakeetForCTC) and next(model.parameters()).device.type == "cpu":
        model.forward = types.MethodType(_forward, model)


def _forward(
    self: Any,
    input_features: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    chunks: Chunks | None = None,
    output_hidden_states: bool = False,
) -> CausalLMOutput:
    """(B, T, F) to logits (B, T', V). Padded frames hold other values than the original's, which nothing reads.

    Hidden states (B, T', C), if asked for, are what goes into the first block and what comes out of each.
    """
    encoder = self.encoder
    hidden = _front(encoder.subsampling, input_features, attention_mask) * encoder.input_scale
    valid = None
    if attention_mask is not None and not bool(attention_mask.all()):
        valid = encoder._get_output_attention_mask(attention_mask, target_length=hidden.shape[1])
    bias = _attention_bias(hidden, valid, chunks)
    positions = encoder.encode_positions(hidden[:1])
    hidden = _drop(hidden, encoder.dropout, self.training)
    positions = _drop(positions, encoder.dropout_positions, self.training)
    states = []
    for block in encoder.layers:
        if output_hidden_states:
            states.append(hidden)
        if self.training and encoder.layerdrop > 0.0 and float(torch.rand([])) < encoder.layerdrop:
            continue
        arguments = (block, hidden, positions, valid, bias, chunks)
        if self.training and block.gradient_checkpointing:
            hidden = block._gradient_checkpointing_func(_block, *arguments)
        else:
            hidden = _block(*arguments)
    head = self.ctc_head
    logits = F.linear(hidden, head.weight.squeeze(-1), head.bias)
    return CausalLMOutput(logits=logits, hidden_states=(*states, hidden) if output_hidden_states else None)


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
            inside = torch.arange(hidden.shape[2], device=hidden.device) < lengths[:, None]
            hidden = hidden * inside[:, None, :, None]
    B, C, T, bands = hidden.shape
    return F.linear(hidden.permute(0, 2, 1, 3).reshape(B, T, C * bands), front.linear.weight, front.linear.bias)


def _attention_bias(hidden: torch.Tensor, valid: torch.Tensor | None, chunks: Chunks | None) -> torch.Tensor | None:
    """(B or 1, T or 1, T), very negative where a frame must not be heard; None where all are heard by all."""
    silent = None if valid is None else ~valid[:, None]
    if chunks is not None:
        beyond = ~chunks.allowed(hidden.shape[1]).to(hidden.device)[None]
        silent = beyond if silent is None else silent | beyond
    if silent is None:
        return None
    return hidden.new_zeros(silent.shape).masked_fill_(silent, torch.finfo(hidden.dtype).min)


def _block(
    block: Any,
    hidden: torch.Tensor,
    positions: torch.Tensor,
    valid: torch.Tensor | None,
    bias: torch.Tensor | None,
    chunks: Chunks | None,
) -> torch.Tensor:
    hidden = hidden.add(block.feed_forward1(block.norm_feed_forward1(hidden)), alpha=0.5)
    hidden = hidden + _attend(block.self_attn, block.norm_self_att(hidden), positions, bias)
    gated = _gate(block.conv, block.norm_conv(hidden), valid)
    along = _along_chunks(block.conv, gated, chunks) if chunks else _along(block.conv, gated, block.conv.padding)
    hidden = hidden + _after(block.conv, along)
    hidden = hidden.add(block.feed_forward2(block.norm_feed_forward2(hidden)), alpha=0.5)
    return block.norm_out(hidden)  # type: ignore[no-any-return]


def _attend(
    attention: Any,
    hidden: torch.Tensor,
    positions: torch.Tensor,
    bias: torch.Tensor | None,
    memory: torch.Tensor | None = None,
) -> torch.Tensor:
    """Relative-position attention (Dai et al. 2019, section 3.3); positions are projected once for the batch.

    `memory` (B, L, C) are frames before `hidden` (B, T, C) that are heard but not computed anew; `positions` are those
    of W = L + T frames, `bias` is (B or 1, T or 1, W).
    """
    heard = hidden if memory is None else torch.cat([memory, hidden], dim=1)
    B, T, _ = hidden.shape
    D = attention.head_dim
    H = attention.q_proj.out_features // D
    W = heard.shape[1]
    query = attention.q_proj(hidden).view(B, T, H, D).permute(2, 0, 1, 3)  # (H, B, T, D)
    key, value = (p(heard).view(B, W, H, D).permute(2, 0, 1, 3) for p in (attention.k_proj, attention.v_proj))
    relative = attention.relative_k_proj(positions)[0].view(-1, H, D).permute(1, 2, 0)  # (H, D, 2W-1)
    by_position = (query + attention.bias_v[:, None, None]).reshape(H, B * T, D) @ relative
    shifted = _relative_shift(by_position.view(H * B, T, 2 * W - 1))
    by_content = (query + attention.bias_u[:, None, None]).reshape(H * B, T, D)
    scores = torch.baddbmm(
        shifted, by_content, key.reshape(H * B, W, D).transpose(1, 2), beta=attention.scaling, alpha=attention.scaling
    )
    if bias is not None:
        scores = (scores.view(H, B, T, W) + bias).view(H * B, T, W)
    shares = _drop(scores.softmax(dim=-1), attention.attention_dropout, attention.training)
    mixed = (shares @ value.reshape(H * B, W, D)).view(H, B, T, D).permute(1, 2, 0, 3).reshape(B, T, H * D)
    return attention.o_proj(mixed)  # type: ignore[no-any-return]


def _relative_shift(scores: torch.Tensor) -> torch.Tensor:
    """(N, T, 2W-1) by relative position to (N, T, W) by key, for the last T of W frames, without a padded copy.

    Query i of them is frame W-T+i; its entry for key j stands at T-1-i+j.
    """
    N, T, P = scores.shape
    return scores.as_strided((N, T, (P + 1) // 2), (T * P, P - 1, 1), T - 1)


def _gate(conv: Any, hidden: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
    """The convolution module up to its depthwise part, (B, T, C): a pointwise convolution is a matrix product."""
    hidden = F.glu(F.linear(hidden, conv.pointwise_conv1.weight.squeeze(-1), conv.pointwise_conv1.bias), dim=-1)
    return hidden if valid is None else hidden * valid[:, :, None]


def _along(conv: Any, gated: torch.Tensor, padding: int) -> torch.Tensor:
    """The depthwise convolution along time: (B, T, C) to (B, T', C), T' frames where the kernel fits."""
    B, T, C = gated.shape
    depthwise = conv.depthwise_conv
    # (B, T, C) read as an image of height 1 with channels last: no copy, and the fast backward pass.
    image = gated.reshape(B, 1, T, C).permute(0, 3, 1, 2)
    image = F.conv2d(image, depthwise.weight.unsqueeze(2), depthwise.bias, padding=(0, padding), groups=C)
    return image.permute(0, 2, 3, 1).reshape(B, -1, C)


def _along_chunks(conv: Any, gated: torch.Tensor, chunks: Chunks) -> torch.Tensor:
    """The same with each chunk computed as if nothing came after it: (B, T, C) kept."""
    B, T, C = gated.shape
    reach, short = conv.padding, -T % chunks.frames
    padded = F.pad(gated, (0, 0, reach, short))
    windows = padded.unfold(1, reach + chunks.frames, chunks.frames).transpose(2, 3)  # (B, chunks, reach + frames, C)
    windows = F.pad(windows.reshape(-1, reach + chunks.frames, C), (0, 0, 0, reach))
    return _along(conv, windows, 0).reshape(B, T + short, C)[:, :T]


def _after(conv: Any, along: torch.Tensor) -> torch.Tensor:
    """Batch norm, activation and the last pointwise convolution: (B, T, C) kept."""
    B, T, C = along.shape
    hidden = conv.activation(conv.norm(along.reshape(B * T, C))).view(B, T, C)
    return F.linear(hidden, conv.pointwise_conv2.weight.squeeze(-1), conv.pointwise_conv2.bias)


def _drop(values: torch.Tensor, share: float, training: bool) -> torch.Tensor:
    return F.dropout(values, p=share, training=True) if training and share > 0.0 else values
