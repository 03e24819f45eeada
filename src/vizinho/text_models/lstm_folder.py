"""A language model's folder: model.safetensors, config.json (shape, tokens), card.json (texts, options, curve)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from vizinho.errors import ModelError, VizinhoError
from vizinho.files import write_json, write_text
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text_models.lstm import Architecture, LanguageModel
from vizinho.text_models.words import TokenList
from vizinho.training.options import from_dict

FORMAT = "vizinho language model"
VERSION = 1
_FIX = "give a folder written by `vizinho lm train --kind lstm` or `vizinho lm transfer`"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model with what it needs to read text."""

    model: LanguageModel
    words: TokenList
    characters: TokenList | None
    normalizer: Normalizer
    letters: Mapping[str, float]
    """Natural logarithm of each letter's share in the training text, for words that are spelt out (`lstm_scores`)."""

    @property
    def language(self) -> str:
        """Code of the language."""
        return self.normalizer.lang


def check_destination(folder: Path) -> None:
    """Raises ModelError where something else is already, before anything is trained."""
    if folder.is_dir() and any(folder.iterdir()):
        _config(folder)
    elif folder.exists() and not folder.is_dir():
        raise ModelError("this is a file, not a folder", where=folder, fix="give another --out")


def save_model(folder: Path, trained: TrainedModel, card: Mapping[str, Any]) -> None:
    """Write the folder. config.json comes last: a folder without it is incomplete."""
    folder.mkdir(parents=True, exist_ok=True)
    # An older model here is incomplete from now on, so that a kill cannot leave its config with new weights.
    (folder / "config.json").unlink(missing_ok=True)
    weights = {name: tensor.detach().contiguous() for name, tensor in trained.model.state_dict().items()}
    writing = folder / ".model.safetensors"
    save_file(weights, writing)
    writing.replace(folder / "model.safetensors")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    write_json(folder / "card.json", {**card, "sha256": {"model.safetensors": digest}})
    config = {
        "format": FORMAT,
        "version": VERSION,
        **trained.normalizer.recorded(),
        "architecture": asdict(trained.model.shape),
        "letters": dict(trained.letters),
        "characters": list(trained.characters.tokens) if trained.characters else None,
        "words": list(trained.words.tokens),
    }
    write_text(folder / "config.json", json.dumps(config, ensure_ascii=False) + "\n")


def load_model(folder: Path) -> TrainedModel:
    """Read a model in evaluation mode. Raises ModelError naming what is missing, unknown or does not fit."""
    if not folder.is_dir():
        raise ModelError("no such folder", where=folder, fix=_FIX)
    config = _config(folder)
    try:
        shape = from_dict(Architecture, config["architecture"], where="architecture")
        if asdict(shape).keys() != config["architecture"].keys():
            raise ValueError("architecture has not all of its keys")
        words = TokenList(tuple(config["words"]))
        characters = TokenList(tuple(config["characters"])) if config["characters"] else None
        normalizer = get_normalizer(config["normalizer"], config.get("orthography"))
        letters = {str(c): float(p) for c, p in config["letters"].items()}
    except (KeyError, TypeError, AttributeError, ValueError, VizinhoError) as error:
        raise ModelError(f"does not describe a model ({error})", where=folder / "config.json", fix=_FIX) from error
    model = LanguageModel(shape, len(words), len(characters) if characters else None)
    load_weights(model, folder / "model.safetensors")
    return TrainedModel(model.eval(), words, characters, normalizer, letters)


def read_card(folder: Path) -> dict[str, Any]:
    """The card as it was written. Raises ModelError when it is missing or not JSON."""
    return read_json(folder / "card.json")


def _config(folder: Path) -> dict[str, Any]:
    config = read_json(folder / "config.json")
    if config.get("format") != FORMAT:
        raise ModelError("the folder holds no language model that vizinho wrote", where=folder, fix=_FIX)
    if config.get("version") != VERSION:
        raise ModelError(
            f"version {config.get('version')} of the format", where=folder, fix=f"this vizinho reads {VERSION}"
        )
    return config


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of a model's folder. Raises ModelError where there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"the folder has no {path.name}", where=path.parent, fix=_FIX) from error
    except ValueError as error:
        raise ModelError("not valid JSON", where=path, fix=_FIX) from error
    if not isinstance(values, dict):
        raise ModelError("not a JSON object", where=path, fix=_FIX)
    return values


def load_weights(model: nn.Module, path: Path) -> None:
    """Put a file's weights into a model. Raises ModelError where it is missing, damaged or of another shape."""
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise ModelError(f"the folder has no {path.name}", where=path.parent, fix=_FIX) from error
    except (SafetensorError, OSError) as error:
        raise ModelError(f"damaged ({error})", where=path, fix="copy the folder again") from error
    # load_state_dict would raise an error of many lines.
    expected = model.state_dict()
    for name in expected.keys() | weights.keys():
        if name not in weights or name not in expected or weights[name].shape != expected[name].shape:
            raise ModelError(
                f"{name} is missing, left over or of another shape than config.json says",
                where=path,
                fix="copy the folder again",
            )
    model.load_state_dict(weights)
