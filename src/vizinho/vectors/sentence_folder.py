"""The layout of a sentence-transformers folder: read without that package, and written so that it reads ours.

modules.json                    [{"idx", "name", "path", "type"}, ...]: Transformer, Pooling, perhaps Normalize
sentence_bert_config.json       max_seq_length, do_lower_case
1_Pooling/config.json           which means of the word pieces are taken
config.json, tokenizer.json ... the encoder, here or in the folder that modules.json names
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError
from vizinho.files import write_json

POOLINGS = ("cls", "mean", "max", "mean_sqrt_len_tokens")
"""Kinds of pooling that are understood; several are put side by side in this order of the configuration."""
_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
}
_REFUSED = ("pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken")


@dataclass(frozen=True, slots=True)
class SentenceSettings:
    """How an encoder's states become one vector a sentence."""

    pooling: tuple[str, ...] = ("mean",)
    normalized: bool = True
    max_pieces: int | None = None
    """Pieces of a sentence, marks included; None: as the tokeniser says."""
    lower_case: bool = False
    encoder: str = ""
    """Folder of the encoder, relative to the folder that was read."""


def read_settings(folder: Path) -> SentenceSettings:
    """Settings of a folder; those of a plain encoder (mean, normalised) where it has no modules.json.

    Raises ModelError for a file that is no JSON of the expected form, and for modules or poolings that are not known:
    leaving one out would give other vectors than the model's maker meant.
    """
    if not (folder / "modules.json").is_file():
        return SentenceSettings()
    modules = _read(folder / "modules.json")
    try:
        kinds = {str(module["type"]).rsplit(".", 1)[-1]: str(module["path"]) for module in modules}
    except (TypeError, KeyError) as error:
        raise ModelError("not a list of modules", where=folder / "modules.json", fix="copy the folder again") from error
    unknown = sorted(set(kinds) - {"Transformer", "Pooling", "Normalize"})
    if unknown or not {"Transformer", "Pooling"} <= set(kinds):
        raise ModelError(
            f"modules {', '.join(kinds)}",
            where=folder / "modules.json",
            fix="only Transformer and Pooling, with or without Normalize, are understood",
        )
    encoder = folder / kinds["Transformer"]
    limits = encoder / "sentence_bert_config.json"
    # Older folders have no such file.
    general: Any = _read(limits) if limits.is_file() else {}
    return SentenceSettings(
        _pooling(folder / kinds["Pooling"] / "config.json"),
        "Normalize" in kinds,
        general.get("max_seq_length"),
        bool(general.get("do_lower_case", False)),
        kinds["Transformer"],
    )


def write_settings(folder: Path, dim: int, max_pieces: int) -> None:
    """Write the files that sentence-transformers needs next to an encoder: mean pooling, normalised."""
    kinds = ("Transformer", "Pooling", "Normalize")
    paths = ("", "1_Pooling", "2_Normalize")
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
    ]
    write_json(folder / "modules.json", modules)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_pieces, "do_lower_case": False})
    pooling: dict[str, Any] = {key: name == "mean" for key, name in _KEYS.items()}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": dim, **pooling})
    (folder / "2_Normalize").mkdir(exist_ok=True)


def _pooling(path: Path) -> tuple[str, ...]:
    values = _read(path)
    refused = [key for key in _REFUSED if values.get(key)]
    named = values.get("pooling_mode")  # newer files name the kind, or list several
    if named is None:
        kinds = tuple(name for key, name in _KEYS.items() if values.get(key))
    else:
        kinds = (named,) if isinstance(named, str) else tuple(map(str, named))
    if refused or not kinds or set(kinds) - set(POOLINGS):
        what = f"pooling {', '.join([*refused, *kinds]) or 'of no kind'}"
        raise ModelError(what, where=path, fix=f"use a model with {', '.join(POOLINGS)}")
    return kinds


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError("no such file", where=path, fix="copy the folder again") from error
    except ValueError as error:
        raise ModelError(f"not JSON ({error})", where=path, fix="copy the folder again") from error
