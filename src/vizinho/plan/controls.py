"""Control starts: each removes one explanation of a donor's benefit and leaves the rest as it is."""

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
    # A rotation of a random order leaves no row in its place; a random order alone sometimes would.
    order = [letters[i] for i in torch.randperm(len(letters), generator=_generator(seed)).tolist()]
    permuted = {name: tensor.clone() for name, tensor in weights.items()}
    for name, tensor in weights.items():
        if layer_of(name) == "head":
            permuted[name][order] = tensor[order[1:] + order[:1]]
    return permuted


def shuffled_encoder(weights: Weights, seed: int) -> dict[str, torch.Tensor]:
    """Every tensor of the encoder with its own values in random places: equal mean, variance and histogram.

    If the donor only gives weights of a good size, this start is as good.
    """
    # One generator for all tensors in the order of their names in the network: the seed alone decides the start.
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
    drawn = shuffled_encoder(weights, seed)
    for name, tensor in weights.items():
        if _is_encoders(name, tensor) and not name.endswith(("running_mean", "running_var")):
            # The population's deviation (no correction): a tensor of one value has one.
            noise = torch.randn(tensor.shape, generator=generator)
            drawn[name] = noise * tensor.std(correction=0) + tensor.mean()
    return drawn


def _is_encoders(name: str, tensor: torch.Tensor) -> bool:
    return layer_of(name) != "head" and tensor.is_floating_point()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
