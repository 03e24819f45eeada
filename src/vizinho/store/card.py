"""The card beside a model's weights: donor, plan, data, recipe, scores, hashes; and the README made from it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizinho.errors import ModelError
from vizinho.files import sha256

if TYPE_CHECKING:
    from vizinho.text.normalize import Normalizer

FORMAT = 1
"""Version of card.json; readers refuse others."""
DECODER = "decoder"
"""Folder of the search that belongs to a model. Its files have hashes of their own and are replaced after the card."""
CARD, README = "card.json", "README.md"
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Card:
    """Everything that led to a model. `version` is given by the store."""

    name: str
    language: str
    created: str
    """UTC, ISO 8601."""
    tokens: int
    normalizer: str
    steps: int
    seed: int
    version: int = 0
    format: int = FORMAT
    donor: Mapping[str, Any] | None = None
    """{"ref", "language", "weights_sha256"}; None from scratch."""
    plan: Sequence[Mapping[str, Any]] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    """{"fingerprint", "utterances", "minutes", "speakers", "practice" (the same three), "dev_utterances",
    "dev_held_out", "set_aside", "set_aside_count", "sources" (`vizinho.store.rights`)}."""
    curve: Sequence[Mapping[str, Any]] = ()
    scores: Sequence[Mapping[str, Any]] = ()
    """Each {"split", "cer", ..., "signature"}; dev scores were used for choosing."""
    movement: Mapping[str, Any] | None = None
    job: Mapping[str, Any] = field(default_factory=dict)
    """What `recipe` lacks to run the job again (`vizinho.job.card`); empty in cards written before this field."""
    command: Sequence[str] = ()
    software: Mapping[str, str] = field(default_factory=dict)
    """Versions by name."""
    machine: Mapping[str, str] = field(default_factory=dict)
    """Processor, threads, accelerator; empty in older cards."""
    licence: str = ""
    notes: str = ""
    run: str = ""
    """Random name of the training run: a run that is killed while it publishes must not publish twice."""
    orthography: Mapping[str, Any] | None = None
    """How the normaliser spells, from its version 2 on (`vizinho.text.orthography`)."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every other file of the folder."""

    def text_normalizer(self) -> Normalizer:
        """The normaliser that the model's texts went through. Raises TextError for a version that is not known."""
        from vizinho.text.normalize import get_normalizer  # the commands that only list models do without

        return get_normalizer(self.normalizer, self.orthography)


def read_card(folder: Path) -> Card | None:
    """The card of a folder; None without one (a model from elsewhere). Raises ModelError for a broken one."""
    path = folder / CARD
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["format"]
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise ModelError("not a card", where=path, fix="copy the model folder again") from error
    if version != FORMAT:
        what = f"card format {version}, this version reads {FORMAT}"
        raise ModelError(what, where=path, fix="use the vizinho that wrote it")
    # A key of a later version is refused, not ignored: whoever rewrote the card would lose it.
    unknown = sorted(values.keys() - {f.name for f in dataclasses.fields(Card)})
    if unknown:
        raise ModelError(f"unknown key {', '.join(unknown)}", where=path, fix="use the vizinho that wrote it")
    try:
        card = Card(**values)
    except TypeError as error:
        raise ModelError(f"incomplete ({error})", where=path, fix="copy the model folder again") from error
    _check_kinds(path, card)
    return card


_KINDS: dict[str, Any] = {"str": str, "int": int, "Mapping": dict, "Sequence": (list, tuple), "None": type(None)}


def _check_kinds(path: Path, card: Card) -> None:
    for field_ in dataclasses.fields(Card):
        # Annotations are strings here, such as "Mapping[str, Any] | None": only the outer kinds are checked.
        allowed = [_KINDS[kind.partition("[")[0]] for kind in str(field_.type).split(" | ")]
        value = getattr(card, field_.name)
        if not any(isinstance(value, kind) for kind in allowed):
            what = f"{field_.name} is {type(value).__name__}, not {field_.type}"
            raise ModelError(what, where=path, fix="copy the model folder again")


def verify(folder: Path) -> None:
    """Check every file against the card's hashes; ModelError names the first that changed or is missing.

    README.md may be edited by people.
    """
    card = read_card(folder)
    if card is None:
        return
    for name, digest in card.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError("a file of the model is missing", where=path, fix="copy the model folder again")
        if name != README and sha256(path) != digest:
            what = "the file is not the one the card was written for"
            raise ModelError(what, where=path, fix="copy the model folder again")
