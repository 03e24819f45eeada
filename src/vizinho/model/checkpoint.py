"""Loads and saves recogniser folders; the only file that opens checkpoints, ours or other people's."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCTC, AutoProcessor, ParakeetProcessor

from vizinho.errors import ModelError
from vizinho.text.tokens import TokenInventory, inventory_of


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network with what it needs to read audio and write text."""

    model: Any
    extractor: Any
    tokenizer: Any

    @property
    def inventory(self) -> TokenInventory:
        """Tokens in the order of the output rows, with roles."""
        return inventory_of(self.tokenizer)

    @property
    def subsampling(self) -> int:
        """Feature frames per output frame."""
        return int(self.model.config.encoder_config.subsampling_factor)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Load a folder that AutoModelForCTC and AutoProcessor can read, in float32 and evaluation mode.

    Raises ModelError when a file is missing, when weights are missing, left over or of another shape than
    config.json says, or when tokens and output rows differ in number.
    """
    _require(folder, "config.json", "model.safetensors", "tokenizer.json")
    _quiet()
    try:
        model, info = AutoModelForCTC.from_pretrained(
            folder,
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
        )
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library raises many kinds for a broken folder; all mean the same to a user
        raise ModelError(
            f"cannot be loaded ({_first_line(error)})",
            where=folder,
            fix="give a folder written by `vizinho train` or by save_pretrained",
        ) from error
    _check_keys(folder, info)
    found = Checkpoint(model.eval(), processor.feature_extractor, processor.tokenizer)
    if len(found.inventory.tokens) != model.config.vocab_size:
        raise ModelError(
            f"{len(found.inventory.tokens)} tokens but {model.config.vocab_size} output rows",
            where=folder,
            fix="the tokeniser belongs to another model; restore the right tokenizer.json",
        )
    return found


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write weights (safetensors), configuration, features and tokens into an existing or new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _quiet()
    checkpoint.model.save_pretrained(folder, safe_serialization=True)
    ParakeetProcessor(checkpoint.extractor, checkpoint.tokenizer, decoder_type="ctc").save_pretrained(folder)


def weights(model: Any) -> dict[str, torch.Tensor]:
    """Every parameter and saved buffer by name, detached; a view, not a copy."""
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}


def _require(folder: Path, *names: str) -> None:
    if not folder.is_dir():
        raise ModelError("no such model folder", where=folder, fix="see `vizinho models list`")
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking:
        raise ModelError(
            f"the folder lacks {', '.join(lacking)}",
            where=folder,
            fix="give a complete folder written by `vizinho train` or by save_pretrained",
        )


def _check_keys(folder: Path, info: dict[str, Any]) -> None:
    for kind, words in (
        ("missing_keys", "weights are missing"),
        ("unexpected_keys", "weights have no place"),
        ("mismatched_keys", "weights have another shape than config.json says"),
    ):
        keys = [str(key) for key in info.get(kind) or []]
        if keys:
            shown = ", ".join(sorted(keys)[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
            raise ModelError(
                f"{words}: {shown}",
                where=folder / "model.safetensors",
                fix="the weights are incomplete or of another model; copy the folder again",
            )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _quiet() -> None:
    """The library prints bars and reports of its own; ours says the same in one place."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
