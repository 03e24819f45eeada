"""Builds a beam search for a recogniser; reads and writes its settings as a decoder file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vizinho.decoding.beam import BeamDecoder, letters_of
from vizinho.decoding.lm.model import LanguageModel, check_fits, load_language_model, quoted
from vizinho.decoding.options import BeamOptions
from vizinho.errors import SpecError, TextError
from vizinho.files import write_json
from vizinho.text.normalize import Normalizer
from vizinho.text.tokens import TokenInventory

FORMAT = 1


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """Everything that a beam search is built from."""

    lms: tuple[Path, ...] = ()
    """ARPA files: a word model, a character model, or one of each."""
    options: BeamOptions = field(default_factory=BeamOptions)
    hotwords: Mapping[str, float] = field(default_factory=dict)
    """Words and phrases as a user writes them, and the nats each is worth."""


def make_decoder(spec: DecoderSpec, inventory: TokenInventory, normalizer: Normalizer | None) -> BeamDecoder:
    """A beam search for a recogniser with these tokens and the normaliser that its texts went through.

    Raises ModelError for a language model that is broken or was made for another alphabet or normaliser, SpecError for
    two of one unit, TextError for a hotword with letters that the recogniser cannot write.
    """
    letters = letters_of(inventory)
    models: dict[str, LanguageModel] = {}
    for path in spec.lms:
        model = load_language_model(path)
        check_fits(model.card, letters, normalizer.name if normalizer else None, path)
        if model.card.unit in models:
            what = f"a second language model of {model.card.unit}s"
            raise SpecError(what, where=path, fix="give one of words, one of chars")
        models[model.card.unit] = model
    hotwords = _written(spec.hotwords, letters, normalizer)
    return BeamDecoder(inventory, spec.options, words=models.get("word"), letters=models.get("char"), hotwords=hotwords)


def _written(hotwords: Mapping[str, float], letters: frozenset[str], normalizer: Normalizer | None) -> dict[str, float]:
    """Hotwords as the recogniser writes them."""
    boosts: dict[str, float] = {}
    for phrase, boost in hotwords.items():
        text = normalizer(phrase) if normalizer else " ".join(phrase.split())
        foreign = sorted(set(text) - letters - {" "})
        if not text or foreign:
            what = f"has {quoted(foreign)}, which the recogniser cannot write" if foreign else "holds no letters"
            raise TextError(f"hotword {phrase!r} {what}", fix="spell it with the recogniser's letters")
        boosts[text] = boost
    return boosts


def write_decoder(path: Path, spec: DecoderSpec, chosen: Mapping[str, Any]) -> None:
    """Write a spec with a note on how it was chosen; paths become relative to the file."""
    # Relative paths, so that the file can be moved together with its models.
    lms = [Path(os.path.relpath(lm.resolve(), path.parent.resolve())).as_posix() for lm in spec.lms]
    values = {"options": asdict(spec.options), "hotwords": dict(spec.hotwords), "chosen": dict(chosen)}
    write_json(path, {"format": FORMAT, "lms": lms, **values})


def read_decoder(path: Path) -> DecoderSpec:
    """Read a decoder file. Raises SpecError for a missing or malformed one, unknown keys and impossible values."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"cannot read the decoder file ({error.strerror})", where=path, fix="check the path") from error
    except ValueError as error:
        raise SpecError(f"not a JSON file ({error})", where=path, fix="write it with `vizinho lm tune`") from error
    keys = {"format", "lms", "options", "hotwords", "chosen"}
    if not isinstance(row, dict) or row.get("format") != FORMAT or set(row) - keys:
        extra = sorted(set(row) - keys) if isinstance(row, dict) else []
        what = f"unknown keys {', '.join(extra)}" if extra else f"no decoder file of format {FORMAT}"
        raise SpecError(what, where=path, fix="write it with `vizinho lm tune`")
    try:
        options = BeamOptions(**row.get("options", {}))
        hotwords = {str(w): float(b) for w, b in row.get("hotwords", {}).items()}
        lms = tuple(path.parent / lm for lm in row.get("lms", []))
    except (TypeError, ValueError, AttributeError) as error:
        fix = f"options are {', '.join(BeamOptions.names())}"
        raise SpecError(f"a wrong value ({error})", where=path, fix=fix) from error
    return DecoderSpec(lms, options, hotwords)
