"""Networks on whole utterances, computed faster on processors: equal results, another order of memory or of sums.

Profiling ParakeetForCTC (3 M parameters, one core) showed a third of a training step in matrix products; the rest
went to depthwise convolutions in a slow memory order, positions projected once per utterance instead of once, masks
of size T x T, and copies between layouts. `fast_forward` replaces the forward pass only; parameters, their names and
the saved files stay Hugging Face's. tests/unit/model/test_fast.py checks outputs and gradients against the original.

Of other networks (Whisper, wav2vec 2.0) it is the attention of short windows in bfloat16 that is replaced: a quarter of
a training step of Whisper went to torch's fused one, whose backward pass does not use the processor's matrix unit.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, ParakeetEncoder, ParakeetForCTC, ParakeetForRNNT, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask
from transformers.modeling_outputs import CausalLMOutput
from transformers.models.parakeet.modeling_parakeet import ParakeetEncoderModelOutput

from vizinho.model import conformer

if TYPE_CHECKING:
    from transformers.models.parakeet.modeling_parakeet import ParakeetEncoderBlock, ParakeetEncoderConvolutionModule

SHORT = 512
"""Queries and keys up to which products are faster than torch's fused attention, in bfloat16 with AMX: three times as
fast with 187, 1.6 times with 437, slower with 787."""
_ATTENTION = "vizinho"  # `attend_short`, among those of transformers


@dataclass(frozen=True, slots=True)
class Chunks:
    """How much context a frame sees when a network works on a stream (Zhang et al. 2020, arXiv 2012.05481, U2).

    It attends to all of its own chunk and `left` chunks before it; convolutions see nothing after the chunk's end
    either (Li et al. 2023, arXiv 2304.09325). model/streaming.py computes the same values chunk by chunk.
    """

    frames: int
    """Encoder frames in a chunk."""
    left: int
    """Chunks before its own that a frame attends to."""

    def allowed(self, frames: int) -> torch.Tensor:
        """(T, T) for T `frames`: true where the frame of a row attends to the frame of a column."""
        number = torch.arange(frames) // self.frames
        behind = number[:, None] - number[None]
        return (behind >= 0) & (behind <= self.left)


def can_stream(model: PreTrainedModel) -> bool:
    """Whether a network can be computed in chunks."""
    return isinstance(model, ParakeetForCTC)


def set_chunks(model: PreTrainedModel, chunks: Chunks | None) -> None:
    """Note in a model's configuration how it was trained to stream; None: it was not."""
    model.config.vizinho_chunks = asdict(chunks) if chunks else None


def chunks_of(config: Mapping[str, Any]) -> Chunks | None:
    """How a model of this configuration (config.json) streams; None where it was not trained to."""
    settings = config.get("vizinho_chunks")
    return Chunks(**settings) if settings else None


@contextmanager
def fast_forward(model: PreTrainedModel, *, everywhere: bool = False) -> Iterator[None]:
    """Within the context `model(features, attention_mask=mask).logits` is computed the fast way.

    Of a transducer it is the encoder's forward pass, of networks without a FastConformer the attention. Does nothing on
    devices other than the processor; with `everywhere` the forward pass of ParakeetForCTC is replaced on every device,
    since only this one takes `chunks`, and gives a hidden state for every block, dropped blocks included.
    """
    if not isinstance(model, ParakeetForCTC | ParakeetForRNNT):
        with _short_attention(model):
            yield
        return
    part = model.encoder if isinstance(model, ParakeetForRNNT) else model
    original = part.forward
    if everywhere and isinstance(model, ParakeetForCTC):
        model.forward = types.MethodType(_forward, model)
    make_fast(model)
    try:
        yield
    finally:
        part.forward = original


@contextmanager
def _short_attention(model: PreTrainedModel) -> Iterator[None]:
    """Attention by `attend_short` where the network attends by torch's fused function."""
    before = model.config._attn_implementation
    if before != "sdpa":  # a wish of the model's owner
        yield
        return
    model.set_attn_implementation(_ATTENTION)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attend_short(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention as two products and a softmax, where that is faster; as "sdpa" elsewhere.

    That is on processors in bfloat16, up to `SHORT` queries and keys, whose scores take little memory.

    Args:
        module: The layer, which says whether it looks back only.
        query: (B, H, L, D).
        key: (B, H, S, D).
        value: (B, H, S, D).
        attention_mask: (B or 1, H or 1, L or 1, S), true where a query attends, or added to the scores.
        scaling: Of the scores; by the root of D if None.
        dropout: Share of the attention that is dropped.
        **options: What transformers passes to "sdpa".

    Returns the values attended to (B, L, H, D), and no weights.
    """
    B, H, L, D = query.shape
    S = key.shape[2]
    looks_back = attention_mask is None and L > 1 and options.get("is_causal", getattr(module, "is_causal", True))
    short = query.device.type == "cpu" and query.dtype == torch.bfloat16 and max(L, S) <= SHORT
    if not short or looks_back or key.shape[1] != H or options.get("position_bias") is not None:
        return sdpa_attention_forward(  # type: ignore[no-any-return]
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **options
        )
    scores = torch.bmm(
        (query * (D**-0.5 if scaling is None else scaling)).reshape(B * H, L, D), key.reshape(B * H, S, D).mT
    ).view(B, H, L, S)
    if attention_mask is not None and attention_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    elif attention_mask is not None:
        scores = scores + attention_mask.to(scores.dtype)
    shares = conformer.drop(scores.softmax(dim=-1), dropout, training=True).view(B * H, L, S)
    mixed = torch.bmm(shares, value.reshape(B * H, S, D)).view(B, H, L, D)
    return mixed.transpose(1, 2).contiguous(), None


AttentionInterface.register(_ATTENTION, attend_short)
AttentionMaskInterface.register(_ATTENTION, sdpa_mask)


def make_fast(model: PreTrainedModel) -> None:
    """Replace the forward pass as `fast_forward` does, for good: for a model with one user."""
    if next(model.parameters()).device.type != "cpu":
        return
    if isinstance(model, ParakeetForCTC):
        model.forward = types.MethodType(_forward, model)
    elif isinstance(model, ParakeetForRNNT):
        model.encoder.forward = types.MethodType(_encoder_forward, model.encoder)


def _forward(
    self: ParakeetForCTC,
    input_features: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    chunks: Chunks | None = None,
    output_hidden_states: bool = False,
) -> CausalLMOutput:
    """(B, T, F) to logits (B, T', V). Padded frames have other values than the original's, which nothing reads."""
    hidden, states = _encode(self.encoder, input_features, attention_mask, chunks, output_hidden_states)
    return CausalLMOutput(logits=conformer.logits(self.ctc_head, hidden), hidden_states=states)


def _encoder_forward(
    self: ParakeetEncoder, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None
) -> ParakeetEncoderModelOutput:
    """(B, T, F) to (B, T', C), for the networks that have other layers than CTC's behind the encoder."""
    # No mask: only the official losses and `generate` read it, and they run on the original.
    return ParakeetEncoderModelOutput(last_hidden_state=_encode(self, input_features, attention_mask)[0])


def _encode(
    encoder: ParakeetEncoder,
    input_features: torch.Tensor,
    attention_mask: torch.Tensor | None,
    chunks: Chunks | None = None,
    output_hidden_states: bool = False,
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...] | None]:
    """(B, T, F) to (B, T', C), and the hidden states where they are asked for.

    Hidden states (B, T', C) are the input of the first block and the output of each block.
    """
    hidden = conformer.front_end(encoder.subsampling, input_features, attention_mask) * encoder.input_scale
    valid = None
    if attention_mask is not None and not bool(attention_mask.all()):
        valid = encoder._get_output_attention_mask(attention_mask, target_length=hidden.shape[1])
    bias = _attention_bias(hidden, valid, chunks)
    positions = encoder.encode_positions(hidden[:1])
    hidden = conformer.drop(hidden, encoder.dropout, encoder.training)
    positions = conformer.drop(positions, encoder.dropout_positions, encoder.training)
    states = []
    for block in encoder.layers:
        if output_hidden_states:
            states.append(hidden)
        # A draw from torch's generator, as in the original: a resumed run must drop the same blocks.
        if encoder.training and encoder.layerdrop > 0.0 and float(torch.rand([])) < encoder.layerdrop:
            continue
        arguments = (block, hidden, positions, valid, bias, chunks)
        if encoder.training and block.gradient_checkpointing:
            hidden = block._gradient_checkpointing_func(_run_block, *arguments)
        else:
            hidden = _run_block(*arguments)
    return hidden, (*states, hidden) if output_hidden_states else None


def _attention_bias(hidden: torch.Tensor, valid: torch.Tensor | None, chunks: Chunks | None) -> torch.Tensor | None:
    """(B or 1, T or 1, T), very negative where a frame must not be attended to; None where all frames attend to all."""
    silent = None if valid is None else ~valid[:, None]
    if chunks is not None:
        beyond = ~chunks.allowed(hidden.shape[1]).to(hidden.device)[None]
        silent = beyond if silent is None else silent | beyond
    if silent is None:
        return None
    # The least finite number, not -inf: a row of padding alone would be 0 / 0 after the softmax.
    return hidden.new_zeros(silent.shape).masked_fill_(silent, torch.finfo(hidden.dtype).min)


def _run_block(
    block: ParakeetEncoderBlock,
    hidden: torch.Tensor,
    positions: torch.Tensor,
    valid: torch.Tensor | None,
    bias: torch.Tensor | None,
    chunks: Chunks | None,
) -> torch.Tensor:
    def attend(frames: torch.Tensor) -> torch.Tensor:
        return conformer.attend(block.self_attn, frames, positions, bias)

    def convolve(frames: torch.Tensor) -> torch.Tensor:
        conv = block.conv
        gated = conformer.gate(conv, frames, valid)
        along = _by_chunk(conv, gated, chunks) if chunks else conformer.depthwise(conv, gated, conv.padding)
        return conformer.after_depthwise(conv, along)

    return conformer.run_block(block, hidden, attend, convolve)


def _by_chunk(conv: ParakeetEncoderConvolutionModule, gated: torch.Tensor, chunks: Chunks) -> torch.Tensor:
    """The depthwise convolution with each chunk computed as if nothing came after it: (B, T, C) to (B, T, C)."""
    B, T, C = gated.shape
    reach, short = conv.padding, -T % chunks.frames
    padded = F.pad(gated, (0, 0, reach, short))
    # Every chunk becomes an utterance of its own: real frames before it, zeros after it.
    windows = padded.unfold(1, reach + chunks.frames, chunks.frames).transpose(2, 3)  # (B, chunks, reach + frames, C)
    windows = F.pad(windows.reshape(-1, reach + chunks.frames, C), (0, 0, 0, reach))
    return conformer.depthwise(conv, windows, 0).reshape(B, T + short, C)[:, :T]
