"""The models that a worker has in memory: loaded when first asked for, the longest unused forgotten."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from vizinho.errors import ModelError, VizinhoError
from vizinho.parallel import set_threads
from vizinho.recognition.recognizer import Recognizer
from vizinho.server.served import ServedModel
from vizinho.store.card import verify
from vizinho.text_models.search import own_search

RETRY_SECONDS = 60.0  # before a broken model is tried again: reading weights takes seconds

Classify = Callable[[str], Sequence[tuple[str, float]]]  # text to topics with probabilities, the most likely first

log = logging.getLogger("vizinho.server.workers.models")


class LoadedModels:
    """Recognizers by ref. Forgetting one here takes nothing from requests that are using it."""

    def __init__(self, load: Callable[[ServedModel], Recognizer], limit: int) -> None:
        self._load, self._limit = load, limit
        self._loaded: OrderedDict[str, Recognizer] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._failures: dict[str, tuple[float, VizinhoError]] = {}
        self._lock = threading.Lock()

    def get(self, model: ServedModel) -> tuple[Recognizer, ServedModel]:
        """A model's recognizer, or its first fallback's that works, and which of them it is. Raises ModelError."""
        while True:
            try:
                return self._get(model), model
            except VizinhoError as error:
                if model.fallback is None:
                    raise
                log.error("%s is used in place of %s: %s", model.fallback.ref, model.ref, error)
                model = model.fallback

    def _get(self, model: ServedModel) -> Recognizer:
        """Two threads that ask for one model load it once."""
        with self._lock:
            own = self._loading.setdefault(model.ref, threading.Lock())
        with own:
            with self._lock:
                if model.ref in self._loaded:
                    self._loaded.move_to_end(model.ref)
                    return self._loaded[model.ref]
                failed_at, failure = self._failures.get(model.ref, (0.0, None))
            if failure is not None and time.monotonic() - failed_at < RETRY_SECONDS:
                raise failure
            try:
                recognizer = self._load(model)
            except VizinhoError as error:
                self._failures[model.ref] = (time.monotonic(), error)
                raise
            with self._lock:
                self._failures.pop(model.ref, None)
                self._loaded[model.ref] = recognizer
                while len(self._loaded) > self._limit:
                    forgotten, _ = self._loaded.popitem(last=False)  # whoever uses it holds it; it is freed after that
                    self._loading.pop(forgotten, None)
            return recognizer


def loader(engine: str, threads: int = 1) -> Callable[[ServedModel], Recognizer]:
    """Loads a model of the store with an engine, after checking its files against its card."""

    def load(model: ServedModel) -> Recognizer:
        try:
            verify(model.folder)
            language, search = model.language or None, own_search(model.folder)
            recognizer = Recognizer.load(model.folder, engine, threads=threads, search=search, language=language)
            if search and search.rescoring:
                set_threads(threads)  # torch is there only with it
            if recognizer.live is not None:
                recognizer.live()  # opens what streams need, so that the first one does not wait for it
            return recognizer
        except VizinhoError:
            raise
        except Exception as error:
            # Files that fit their card and are no model all the same: the libraries that read them raise anything.
            raise ModelError(f"cannot be loaded: {type(error).__name__}: {error}", where=model.folder) from error

    return load


def load_classifier(folder: Path | None) -> Classify | None:
    """The classifier of topics in a folder; None where none was asked for. Raises ModelError."""
    if folder is None:
        return None
    from vizinho.text_models import topic_classifier

    return topic_classifier.load_classifier(folder).classify
