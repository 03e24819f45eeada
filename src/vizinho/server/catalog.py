"""Which models a server offers: the store's, by NAME or NAME@VERSION, by alias or by language."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from vizinho.errors import ModelError, SpecError, StoreError
from vizinho.files import json_object
from vizinho.rights import SERVING, refused
from vizinho.server.security.refusals import Refusal, bad_parameter
from vizinho.server.served import ServedModel
from vizinho.store.card import read_card
from vizinho.store.rights import permit, restrictions_of
from vizinho.store.store import Entry, Store
from vizinho.text.language import Language, same_language

MOST_FALLBACKS = 5  # versions that are tried before it is said that none works
_TRANSDUCERS = ("parakeet_rnnt", "parakeet_tdt")  # as in model/frontends.py, which loads torch
log = logging.getLogger("vizinho.server")


class Catalog:
    """The store as clients see it; read at every request, so the next one uses a new current version.

    Folders outside the store are read once, and have the version 1.
    """

    def __init__(
        self,
        store: Store,
        names: Sequence[str] = (),
        aliases: Mapping[str, str] | None = None,
        language: str = "",
        override: str | None = None,
    ) -> None:
        """Offer these names (all versions of a NAME, one of a NAME@VERSION, a folder by its own name); without names,
        everything in the store. `language` is that of folders without a card.

        Models whose speech refuses serving are left out and named; `override` is the reason to offer those that are
        here now. Raises StoreError for a name that the store lacks or whose model may not be served, and SpecError
        for an alias that leads nowhere.
        """
        self._store, self._aliases = store, dict(aliases or {})
        self._allowed: set[str] = set()  # restrictions that were overridden
        self._warned: set[str] = set()  # models that were left out, and the log says so
        outside = [Path(name) for name in names if store.find(name) is None and Path(name).is_dir()]
        self._names = tuple(Path(name).name if Path(name) in outside else name for name in names)
        read = {path: _read_folder(path.name, 1, path.resolve(), 0) for path in outside}
        self._outside = [replace(m, language=m.language or language) for m in read.values() if m is not None]
        for name in self._names:
            if store.find(name) is None and name not in [m.name for m in self._outside]:
                refs = ", ".join(e.ref for e in store.entries()) or "no models"
                raise StoreError(f"no model {name!r}", where=store.models, fix=f"the store has {refs}")
        self._check_rights(override)
        if not self.offered():
            raise StoreError("no models to serve", where=store.models, fix="train one with `vizinho train`")
        for alias, ref in self._aliases.items():
            if self._find(ref) is None:
                raise SpecError(f"the alias {alias!r} leads to no served model", where=f"--alias {alias}={ref}")

    @property
    def named(self) -> bool:
        """Whether models were chosen by name, not simply all of the store's."""
        return bool(self._names)

    def _check_rights(self, override: str | None) -> None:
        models = [m for e in self._entries() if (m := _read(e)) is not None] + self._outside
        asked = {e.ref for name in self._names if (e := self._store.find(name)) is not None}
        asked |= {model.ref for model in self._outside}
        for model in models:
            # A version that nobody asked for by name is left out; the server goes on without it.
            if override is not None or model.ref in asked:
                permit(self._store, model.ref, model.folder, SERVING, override)
                self._allowed.update(model.refusing if override is not None else ())
        # A whole store of restricted models would be an empty server: the refusal says why.
        if not any(self._permitted(model) for model in models) and models:
            permit(self._store, models[0].ref, models[0].folder, SERVING)

    def _permitted(self, model: ServedModel) -> bool:
        if set(model.refusing) <= self._allowed:
            return True
        if model.ref not in self._warned:
            self._warned.add(model.ref)
            terms = ", ".join(model.refusing)
            log.warning("%s is not served: it learnt from speech that is %s (--override REASON)", model.ref, terms)
        return False

    @property
    def _folders(self) -> list[ServedModel]:
        return [model for model in self._outside if self._permitted(model)]

    def _read(self, entry: Entry) -> ServedModel | None:
        model = _read(entry)
        return model if model is not None and self._permitted(model) else None

    def _newest_usable(self, entries: Sequence[Entry]) -> ServedModel | None:
        """What a bare name means: the store's current version, else the newest before it that can be served.

        Later versions than the current one are no fallback: somebody has gone back from them.
        """
        newest = max((e.version for e in entries if e.current), default=entries[-1].version if entries else 0)
        # Entries are by version, so the reverse begins with the newest.
        usable = [m for e in reversed(entries) if e.version <= newest and (m := self._read(e)) is not None]
        model = None
        for earlier in reversed(usable[: 1 + MOST_FALLBACKS]):  # several may be broken one after another
            model = replace(earlier, fallback=model)
        return model

    def offered(self) -> list[ServedModel]:
        """All versions that can be asked for, by name and version; folders that are broken are left out."""
        return [model for entry in self._entries() if (model := self._read(entry)) is not None] + self._folders

    def current(self) -> list[ServedModel]:
        """What each bare name means now, in the order that the names were given in."""
        order = {name.partition("@")[0]: number for number, name in reversed(list(enumerate(self._names)))}
        by_name = groupby(self._entries(), key=lambda entry: entry.name)
        models = [model for _, entries in by_name if (model := self._newest_usable(list(entries))) is not None]
        return sorted([*models, *self._folders], key=lambda model: order.get(model.name, len(order)))

    def choose(self, model: str | None, language: str | None) -> ServedModel:
        """The model of a request: by its name, else the first that speaks the language, else the first.

        Raises Refusal 404 for a name that is not offered, 400 for a language that the model, or no model, speaks.
        """
        if model:
            named = self._find(self._aliases.get(model, model))
            if named is None:
                names = ", ".join(m.name for m in self.current())
                raise Refusal(404, "MODEL_NOT_FOUND", f"no such model; choose from {names}", parameter="model")
            if language and not _speaks(named, language):
                raise bad_parameter("language", f"{named.ref} speaks {named.language!r}; leave out one of the two")
            return named
        models = self.current()
        speaking = [m for m in models if language is None or _speaks(m, language)]
        if not speaking:
            languages = ", ".join(sorted({m.language for m in models}))
            raise bad_parameter("language", f"no model speaks it; choose from {languages}")
        return speaking[0]

    def choose_among(self, model: str | None, languages: Sequence[str]) -> ServedModel:
        """The model of a request that names languages which are possible: one of them must be the model's.

        Raises what `choose` raises.
        """
        for number, language in enumerate(languages, start=1):
            try:
                return self.choose(model, language)
            except Refusal as refusal:
                if refusal.status == 404 or number == len(languages):
                    raise
        return self.choose(model, None)

    def candidates(self, languages: Sequence[str] = ()) -> list[ServedModel]:
        """One model for each language to detect between. Raises Refusal 400 where there are fewer than two."""
        chosen: dict[str, ServedModel] = {}
        for model in self.current():
            if not languages or any(_speaks(model, language) for language in languages):
                chosen.setdefault(Language.of(model.language).base, model)
        if len(chosen) < 2:
            raise bad_parameter("detect_language", "there are no models of two of these languages to choose between")
        return list(chosen.values())

    def listed(self) -> list[tuple[str, ServedModel]]:
        """Names that can be asked for: bare names and aliases first, then every version."""
        bare = [(model.name, model) for model in self.current()]
        aliases = [(alias, model) for alias, ref in self._aliases.items() if (model := self._find(ref)) is not None]
        return [*bare, *aliases, *((model.ref, model) for model in self.offered())]

    def _find(self, ref: str) -> ServedModel | None:
        outside = next((model for model in self._folders if ref in (model.name, model.ref)), None)
        if outside is not None:
            return outside
        name, at, _ = ref.partition("@")
        entries = [entry for entry in self._store.versions(name) if self._serves(entry)]
        if not at:
            return self._newest_usable(entries)
        return next((self._read(entry) for entry in entries if entry.ref == ref), None)

    def _entries(self) -> Iterable[Entry]:
        return (entry for entry in self._store.entries() if self._serves(entry))

    def _serves(self, entry: Entry) -> bool:
        return not self._names or entry.name in self._names or entry.ref in self._names


def _read(entry: Entry) -> ServedModel | None:
    changed_ns = max(_changed_ns(entry.folder / "config.json"), _changed_ns(entry.folder / "card.json"))
    return _read_folder(entry.name, entry.version, entry.folder, changed_ns)


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4096)
def _read_folder(name: str, version: int, folder: Path, changed_ns: int) -> ServedModel | None:
    """None for a folder with a broken card. Remembered until its files change: cards are read at every request."""
    try:
        card = read_card(folder)
        refusing = refused(restrictions_of(folder), SERVING)
    except ModelError:
        return None
    created = changed_ns // 1_000_000_000
    if card is not None:
        with contextlib.suppress(ValueError):
            created = int(datetime.fromisoformat(card.created).timestamp())
    language = card.language if card else ""
    return ServedModel(name, version, folder, language, created, _architecture(folder), refusing)


def _architecture(folder: Path) -> str:
    """How a model or an export makes words: ctc, transducer or whisper. This process opens no network."""
    if kind := json_object(folder / "vizinho.json").get("kind"):
        return str(kind)
    network = str(json_object(folder / "config.json").get("model_type", ""))
    return "transducer" if network in _TRANSDUCERS else "whisper" if network == "whisper" else "ctc"


def _speaks(model: ServedModel, language: str) -> bool:
    """`es` and `es-419` fit a model of `es`; a model of `pt-BR` fits `pt` too."""
    return same_language(model.language, language)
