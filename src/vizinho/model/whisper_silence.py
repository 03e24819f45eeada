"""Whisper's window of 30 s at a fraction of its cost: the silence after the speech is computed at a few places.

Whisper reads 30 s of audio whatever was said, and what it makes of the speech depends on the silence after it: with
shorter windows it loops. But all of that silence is one value, at 50 positions a second that hardly differ. So one
position in `STRIDE` is computed, and its place in every attention counts for the `STRIDE` it stands for: the logarithm
of that number is added to its scores, which is what so many equal keys would come to. Nothing is learnt and the weights
stay as they are; whoever computes the whole window (transformers, CTranslate2) gets the values that this approximates.

On 47 Portuguese words of about a second (dev of the words track) Whisper base has CER .335 in whole windows and .340
so, in 16 % of the time (bench/whisper_silence.py). It is an approximation: on 55 other words the untouched network
looped in it (.708 against .364), after training it did not (.119 against .136). So training computes this way; what is
served does too, with guards against loops (`recognition/whisper.py`); the last word on dev is spoken in whole windows.
"""

from __future__ import annotations

import math
import types
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutput

from vizinho.model.frontends import WINDOWS

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STRIDE = 16
"""Positions of silence, of 20 ms each, that one stands for."""
AFTER = 4
"""Positions computed after a window, of which the second is silence for both convolutions."""
_PER_SECOND = 50
"""Positions of the encoder in a second."""


def pool_silence(model: PreTrainedModel) -> None:
    """Let a Whisper accept the windows of WINDOWS as if 30 s of them had been computed."""
    encoder = model.model.encoder
    encoder.forward = types.MethodType(_encode, encoder)
    positions = int(model.config.max_source_positions)
    for layer in model.model.decoder.layers:
        attention = layer.encoder_attn
        attention.forward = types.MethodType(_attend(type(attention).forward, positions), attention)


def _places(computed: int, positions: int) -> torch.Tensor:
    """The positions of silence that are computed after so many in full, each in the middle of those it stands for."""
    return torch.tensor(range(computed + STRIDE // 2, positions, STRIDE), dtype=torch.long)


def _bias(computed: int, positions: int, like: torch.Tensor) -> torch.Tensor | None:
    """What is added to the scores of each key (1, 1, 1, S): 0 for those in full, the logarithm of the number of the
    others that each stands for. None where all are computed."""
    places = len(_places(computed, positions))
    if not places:
        return None
    bias = torch.zeros(computed + places, dtype=like.dtype, device=like.device)
    bias[computed:] = math.log((positions - computed) / places)
    return bias[None, None, None]


def _computed(size: int, positions: int) -> int:
    """How many of an encoding's positions are computed in full; all of an encoding that is not pooled."""
    sizes = (round(seconds * _PER_SECOND) for seconds in WINDOWS)
    return next((n for n in sizes if n < positions and n + len(_places(n, positions)) == size), size)


def _encode(
    encoder: Any, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **options: Any
) -> BaseModelOutput:
    """Log-mel features (B, F, T) to hidden states (B, S, width); S is T / 2 and the places of silence after them."""
    table, positions = encoder.embed_positions.weight, encoder.embed_positions.num_embeddings
    computed = input_features.shape[2] // 2
    bias = _bias(computed, positions, input_features)
    if bias is not None:
        # The last frame is silence, and what the convolutions see after the window must be silence too, not zeros.
        last = input_features[:, :, -1:].expand(-1, -1, 2 * AFTER)
        input_features = torch.cat([input_features, last], dim=2)
    hidden = nn.functional.gelu(encoder.conv1(input_features))
    hidden = nn.functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
    silence = hidden[:, computed + 1 : computed + 2]  # sees silence alone, and not yet the end of the frames
    hidden = hidden[:, :computed] + table[:computed]
    if bias is not None:
        hidden = torch.cat([hidden, silence + table[_places(computed, positions)]], dim=1)
    hidden = nn.functional.dropout(hidden, p=encoder.dropout, training=encoder.training)
    for layer in encoder.layers:
        if encoder.training and encoder.layerdrop > 0.0 and float(torch.rand([])) < encoder.layerdrop:
            continue
        hidden = layer(hidden, _for_queries(bias, hidden))
    return BaseModelOutput(last_hidden_state=encoder.layer_norm(hidden))


def _for_queries(bias: torch.Tensor | None, queries: torch.Tensor) -> torch.Tensor | None:
    """A mask (B, 1, L, S) as the attention takes it."""
    return None if bias is None else bias.expand(queries.shape[0], 1, queries.shape[1], -1)


def _attend(official: Any, positions: int) -> Any:
    """The decoder's attention to the encoding, in which each place of the silence counts for those it stands for."""

    def forward(attention: Any, hidden_states: torch.Tensor, key_value_states: torch.Tensor, **options: Any) -> Any:
        computed = _computed(key_value_states.shape[1], positions)
        bias = _bias(computed, positions, hidden_states) if computed < key_value_states.shape[1] else None
        options |= {"attention_mask": _for_queries(bias, hidden_states)}
        return official(attention, hidden_states, key_value_states=key_value_states, **options)

    return forward
