"""Which engine a folder of a model or of an export gets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from vizinho.errors import ModelError, SpecError
from vizinho.parallel import limit_blas
from vizinho.recognition.cache import cached_engine, stored
from vizinho.recognition.engines import Engine, TorchEngine, WordsEngine, load_export, load_torch
from vizinho.recognition.export import can_export
from vizinho.recognition.graphs import SETTINGS
from vizinho.recognition.live import Live, load_live, streams, torch_live
from vizinho.recognition.whisper_export import is_converted, is_whisper

ENGINES = ("onnx", "torch")
log = logging.getLogger(__name__)


def open_engine(
    folder: Path, engine: str, threads: int, language: str | None
) -> tuple[Engine | WordsEngine, Callable[[], Live] | None]:
    """The engine of a folder, and what begins an utterance that is decoded while it is spoken, if it can be.

    The arguments and what is raised are those of `Recognizer.load`.
    """
    if engine not in ENGINES:
        raise SpecError(f"unknown engine {engine!r}", where="engine", fix=f"use {' or '.join(ENGINES)}")
    limit_blas()  # features are computed in NumPy
    if engine == "onnx" and (is_whisper(folder) or is_converted(folder)):
        return _whisper(folder, threads, language), None
    if engine == "onnx" and (folder / SETTINGS).is_file():
        return load_export(folder, threads), None
    loaded = _exported(folder, threads) if engine == "onnx" else load_torch(folder, language)
    return loaded, _live(folder, loaded, threads)


def _exported(folder: Path, threads: int) -> Engine | WordsEngine:
    if can_export(folder):
        with suppress(ModelError):  # of a graph that does not compute what the network does; torch names other causes
            return cached_engine(folder, threads)
    return load_torch(folder)


def _live(folder: Path, loaded: Engine | WordsEngine, threads: int) -> Callable[[], Live] | None:
    """What begins an utterance that is decoded while it is spoken; None for models not trained to stream."""
    if not streams(folder):
        return None
    if isinstance(loaded, TorchEngine):
        return torch_live(loaded.checkpoint)

    @cache
    def opened() -> Callable[[], Live]:
        with suppress(ModelError):  # as in `_exported`
            module = "vizinho.recognition.export_stream"
            return stored(folder, module, "stream", lambda place: load_live(place, threads))
        return torch_live(TorchEngine.load(folder).checkpoint)

    # Only a stream needs the second graph: whole recordings do not wait for it to be written and opened.
    return lambda: opened()()


def _whisper(folder: Path, threads: int, language: str | None) -> WordsEngine:
    from vizinho.recognition.whisper import CTranslate2Engine

    try:
        return CTranslate2Engine.load(folder, threads, language=language)
    except ModuleNotFoundError as error:
        if error.name != "ctranslate2" or is_converted(folder):
            raise
    log.warning("Whisper is computed in torch, which is slower: pip install 'vizinho[whisper]' brings CTranslate2")
    engine = load_torch(folder, language)
    assert isinstance(engine, WordsEngine)
    return engine
