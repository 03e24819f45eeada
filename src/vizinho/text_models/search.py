"""Reads the decoder of a model, and brings what opens the neural language model that may be part of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vizinho.decoding.rescore import Rescoring, Scorer
from vizinho.decoding.setup import DecoderSpec, own_decoder, read_decoder


def open_scorer(folder: Path) -> Scorer:
    """The language model of a folder, as `load_scorer` opens it; torch is imported only now."""
    from vizinho.text_models.scorers import load_scorer

    return load_scorer(folder)


def read_search(path: Path) -> DecoderSpec:
    """Read a decoder file whose models can all be opened. Raises SpecError as `read_decoder` does."""
    spec = read_decoder(path)
    return spec if spec.rescoring is None else replace(spec, rescoring=replace(spec.rescoring, load=open_scorer))


def own_search(folder: Path) -> DecoderSpec | None:
    """The decoder of a model folder; None without one. Raises SpecError for a broken one."""
    file = own_decoder(folder)
    return read_search(file) if file else None


def second_model(folder: Path) -> Rescoring:
    """The language model of a folder as a second one."""
    return Rescoring(folder, load=open_scorer)
