"""Activation checkpointing: the backward pass computes each block's forward pass again instead of storing it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from vizinho.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def recomputed_blocks(model: PreTrainedModel, again: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Within the context the blocks of a network in training are recomputed; `again` is entered for the second pass.

    Raises ModelError for a network whose class cannot do this.
    """
    # Transformers 5.23 has a new name for it and warns of the old one.
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    disable = getattr(model, "activation_checkpointing_disable", None) or model.gradient_checkpointing_disable
    try:
        enable({"use_reentrant": False, "context_fn": lambda: (nullcontext(), again())})
    except ValueError as error:
        raise ModelError(
            f"the blocks of {type(model).__name__} cannot be recomputed",
            where="activation_checkpointing",
            fix="leave it out",
        ) from error
    try:
        yield
    finally:
        disable()
