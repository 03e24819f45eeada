"""Starts from which one explanation of a donor's benefit is taken away, the rest left as it is."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from vizinho.model.layers import layer_of
from vizinho.text.tokens import TokenInventory

Weights = Mapping[str, torch.Tensor]


def permuted_rows(weights: Weights, tokens: TokenInventory, seed: int) -> dict[str, torch.Tensor]:
    """The output rows of the letters in another order; the encoder, blank and space stay.

    If matching rows by name is what helps, this start must lose it.
    """
    letters = [row for row, role in enumerate(tokens.roles) if role == "letter"]
    # A rotation of a random order leaves no row in its place, which a random order alone would now and then.
    order = [letters[i] for i in torch.randperm(len(letters), generator=_generator(seed)).tolist()]
    made = {name: tensor.clone() for name, tensor in weights.items()}
    for name, tensor in weights.items():
        if layer_of(name) == "head":
            made[name][order] = tensor[order[1:] + order[:1]]
    return made


def shuffled_encoder(weights: Weights, seed: int) -> dict[str, torch.Tensor]:
    """Every tensor of the encoder with its own values in random places: the same statistics to the last digit.

    If the donor only gives weights of a good size, this start is as good.
    """
    generator = _generator(seed)
    return {
        name: tensor.flatten()[torch.randperm(tensor.numel(), generator=generator)].view_as(tensor)
        if _is_encoders(name, tensor)
        else tensor.clone()
        for name, tensor in weights.items()
    }


def gaussian_encoder(weights: Weights, seed: int) -> dict[str, torch.Tensor]:
    """Every tensor of the encoder drawn from a normal distribution of its mean and deviation.

    Batch norm's running statistics are shuffled instead: a variance cannot be negative.
    """
    generator = _generator(seed)
    made = shuffled_encoder(weights, seed)
    for name, tensor in weights.items():
        if _is_encoders(name, tensor) and not name.endswith(("running_mean", "running_var")):
            noise = torch.randn(tensor.shape, generator=generator)
            made[name] = noise * tensor.std(correction=0) + tensor.mean()
    return made


def _is_encoders(name: str, tensor: torch.Tensor) -> bool:
    return layer_of(name) != "head" and tensor.is_floating_point()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
