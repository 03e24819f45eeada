"""The models that a worker has in memory: loaded when first asked for, the longest unused forgotten."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from vizinho.recognition.recognizer import Recognizer
from vizinho.server.workers.messages import ModelPlace
from vizinho.store.card import verify


class LoadedModels:
    """Recognizers by ref. Whoever got one keeps it: forgetting it here takes nothing from requests in flight."""

    def __init__(self, load: Callable[[ModelPlace], Recognizer], limit: int) -> None:
        self._load, self._limit = load, limit
        self._kept: OrderedDict[str, Recognizer] = OrderedDict()
        self._loading: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, place: ModelPlace) -> Recognizer:
        """The transcriber of a model. Two threads that ask for the same one load it once. Raises ModelError."""
        with self._lock:
            own = self._loading.setdefault(place.ref, threading.Lock())
        with own:
            with self._lock:
                if place.ref in self._kept:
                    self._kept.move_to_end(place.ref)
                    return self._kept[place.ref]
            loaded = self._load(place)
            with self._lock:
                self._kept[place.ref] = loaded
                while len(self._kept) > self._limit:
                    forgotten, _ = self._kept.popitem(last=False)
                    self._loading.pop(forgotten, None)
            return loaded


def loader(engine: str, threads: int = 1) -> Callable[[ModelPlace], Recognizer]:
    """Loads a model of the store with an engine, after checking its files against its card."""

    def load(place: ModelPlace) -> Recognizer:
        verify(place.folder)
        return Recognizer.load(place.folder, engine, threads=threads)

    return load
