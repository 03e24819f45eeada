"""A second output layer, for phones, whose rows are not learnt freely: each is computed from a phone's features.

JoinAP-linear (Zhu, An, Zheng and Ou 2021, arXiv 2107.05038). A phone that does not occur in training has a row at
once, and one map serves every language, so a transfer copies the donor's. It only helps in training: a saved network
works without it, and it has a file of its own next to the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file

from vizinho.errors import ModelError, SpecError
from vizinho.model.layers import layer_of, layer_order

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FILE = "phonemes/head.safetensors"
"""In a folder of its own: every *.safetensors file next to the weights is taken for weights."""
TOP = "top"
"""The layer that the letters are read from: the encoder's output."""
BLANK = 0
"""Row of CTC's blank, which has no features and therefore a row of its own."""


class PhonemeHead(torch.nn.Module):
    """Hidden frames (B, T, C) of one layer to logits (B, T, 1 + P): blank, then P phones by their F features.

    `weight` (1 + F, C) and `bias` (1 + F,) are what is learnt: the blank's row, then a row for each feature. A phone's
    logit is the sum of the features' rows by its values (-1, 0 or 1).
    """

    def __init__(self, width: int, vectors: torch.Tensor, layer: str, features: Sequence[str], seed: int) -> None:
        """`vectors` (P, F) are the phones' features, `width` is C."""
        super().__init__()
        self.layer, self.features = layer, tuple(features)
        self.vectors: torch.Tensor
        # Not saved: phones belong to a language, the map from features belongs to all.
        self.register_buffer("vectors", vectors.float(), persistent=False)
        rows = 1 + vectors.shape[1]
        # Normalised frames have a norm of about sqrt(C): logits begin with a deviation of at most 1.
        draw = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))
        self.weight = torch.nn.Parameter(draw / (width * vectors.shape[1]) ** 0.5)
        self.bias = torch.nn.Parameter(torch.zeros(rows))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(B, T, C) to (B, T, 1 + P)."""
        # Scores of the F features first: a phone's row of weights is never built.
        scores = F.linear(hidden, self.weight, self.bias)
        return torch.cat([scores[..., :1], scores[..., 1:] @ self.vectors.to(scores.dtype).T], dim=-1)


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network in training gives: `logits` (B, T, V) of the letters, `phonemes` (B, T, 1 + P) of the phones."""

    logits: torch.Tensor
    phonemes: torch.Tensor


def width_for(model: PreTrainedModel, layer: str) -> int:
    """Width of the frames (C) that a head on this layer reads.

    Raises SpecError for a layer that the network lacks, and for networks whose output is not their last block's.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    layers = layer_order(shapes)
    blocks = [name for name in layers if name.startswith("block")]
    if layer != TOP and layer not in blocks:
        fix = f"use one of {', '.join(blocks)}, or {TOP}"
        raise SpecError(f"no layer named {layer}", where="phonemes.layer", fix=fix)
    if TOP in layers:
        what = f"{type(model).__name__} has layers between its last block and its output"
        raise SpecError(what, where="phonemes", fix="set weight = 0 for this donor")
    # A block's output is as wide as what the head reads.
    return next(int(shape[1]) for name, shape in shapes.items() if layer_of(name) == "head" and len(shape) > 1)


@contextmanager
def with_head(model: PreTrainedModel, head: PhonemeHead) -> Iterator[None]:
    """Within the context `head` is a part of the network: it learns, is saved and averaged with it."""
    model.phonemes = head
    try:
        yield
    finally:
        del model.phonemes


@contextmanager
def phonemes_heard(model: PreTrainedModel) -> Iterator[None]:
    """Within the context the forward pass of a network with a head gives `Outputs` in training.

    Raises SpecError at the first pass for a network that does not give its blocks' outputs, frame by frame.
    """
    original, head = model.forward, model.phonemes
    # The first hidden state is the input of the first block.
    place = -1 if head.layer == TOP else 1 + int(head.layer.removeprefix("block"))

    def forward(*inputs: Any, **named: Any) -> Any:
        if not model.training:
            return original(*inputs, **named)
        outputs = original(*inputs, **named, output_hidden_states=True)
        hidden = None if outputs.hidden_states is None else outputs.hidden_states[place]
        if hidden is None or hidden.shape[1] != outputs.logits.shape[1]:
            what = f"{type(model).__name__} does not give what its blocks make, frame by frame"
            raise SpecError(what, where="phonemes", fix="set weight = 0 for this donor")
        return Outputs(outputs.logits, model.phonemes(hidden))

    model.forward = forward
    try:
        yield
    finally:
        model.forward = original


def save_head(folder: Path, head: PhonemeHead) -> None:
    """Write a head next to a model's weights."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in head.state_dict().items()}
    (folder / FILE).parent.mkdir(exist_ok=True)
    save_file(tensors, folder / FILE, metadata={"layer": head.layer, "features": " ".join(head.features)})


def take_over(head: PhonemeHead, donor: Path) -> str:
    """Load a donor's head into a fresh one. Returns why that is impossible, or "" where it was done.

    Raises ModelError for a broken file.
    """
    file = donor / FILE
    if not file.is_file():
        return "the donor has none"
    try:
        with safe_open(file, "pt") as stored:
            described = stored.metadata() or {}
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except Exception as error:  # safetensors has errors of its own
        raise ModelError(f"cannot be read ({error})", where=file, fix="copy it again, or remove it") from error
    if described.get("features", "").split() != list(head.features):
        return "the donor's is over other features"
    if described.get("layer") != head.layer:
        return f"the donor's reads another layer ({described.get('layer')})"
    if {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in head.state_dict().items()}:
        return "the donor's has other shapes"
    head.load_state_dict(tensors)
    return ""
