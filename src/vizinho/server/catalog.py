"""Which models a server offers: the store's, by NAME or NAME@VERSION, by alias or by language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from vizinho.errors import ModelError, SpecError, StoreError
from vizinho.server.security.refusals import Refusal, bad_parameter
from vizinho.store.card import read_card
from vizinho.store.store import Entry, Store
from vizinho.text.language import Language, same_language


@dataclass(frozen=True, slots=True)
class Offered:
    """One version of a model that can be asked for."""

    ref: str
    name: str
    version: int
    folder: Path
    language: str
    created_unix_seconds: int
    current: bool


class Catalog:
    """The store as clients see it; read at every request, so the next one uses a new current version."""

    def __init__(self, store: Store, names: Sequence[str] = (), aliases: Mapping[str, str] | None = None) -> None:
        """Offer these names (all versions of a NAME, one of a NAME@VERSION); without names, everything in the store.

        Raises StoreError for a name that the store lacks and SpecError for an alias that leads nowhere.
        """
        self._store = store
        self._names = tuple(names)
        self._aliases = dict(aliases or {})
        there = ", ".join(e.ref for e in store.entries()) or "no models"
        for name in self._names:
            if store.find(name) is None:
                raise StoreError(f"no model {name!r}", where=store.models, fix=f"the store has {there}")
        if not self.offered():
            raise StoreError("no models to serve", where=store.models, fix="train one with `vizinho train`")
        for alias, ref in self._aliases.items():
            if self._find(ref) is None:
                raise SpecError(f"the alias {alias!r} leads to no served model", where=f"--alias {alias}={ref}")

    def offered(self) -> list[Offered]:
        """All versions that can be asked for, by name and version; folders that are broken are left out."""
        found = [_offered(e.ref, e) for e in self._store.entries() if self._serves(e)]
        return [o for o in found if o is not None]

    def current(self) -> list[Offered]:
        """What each bare name means now, in the order that the names were given in."""
        order = {name.partition("@")[0]: number for number, name in reversed(list(enumerate(self._names)))}
        versions = self.offered()
        chosen = [o for o in versions if o.current]
        names = {o.name for o in chosen}
        # NAME@VERSION was asked for by itself and the store's current version is another.
        chosen += [o for o in versions if o.name not in names and o.ref in self._names]
        return sorted(chosen, key=lambda o: order.get(o.name, len(order)))

    def choose(self, model: str | None, language: str | None) -> Offered:
        """The model of a request: by its name, else the first that speaks the language, else the first.

        Raises Refusal 404 for a name that is not offered, 400 for a language that the model, or no model, speaks.
        """
        if model:
            found = self._find(self._aliases.get(model, model))
            if found is None:
                there = ", ".join(o.name for o in self.current())
                raise Refusal(404, "MODEL_NOT_FOUND", f"no such model; there are: {there}", parameter="model")
            if language and not _speaks(found, language):
                raise bad_parameter("language", f"{found.ref} speaks {found.language!r}; leave out one of the two")
            return found
        speaking = [o for o in self.current() if language is None or _speaks(o, language)]
        if not speaking:
            there = ", ".join(sorted({o.language for o in self.current()}))
            raise bad_parameter("language", f"no model speaks it; there are: {there}")
        return speaking[0]

    def candidates(self, languages: Sequence[str] = ()) -> list[Offered]:
        """One model for each language to detect between. Raises Refusal 400 where there are fewer than two."""
        chosen: dict[str, Offered] = {}
        for offered in self.current():
            if not languages or any(_speaks(offered, language) for language in languages):
                chosen.setdefault(Language.of(offered.language).base, offered)
        if len(chosen) < 2:
            raise bad_parameter("detect_language", "there are no models of two of these languages to choose between")
        return list(chosen.values())

    def listed(self) -> list[tuple[str, Offered]]:
        """Names that can be asked for: bare names and aliases first, then every version."""
        bare = [(o.name, o) for o in self.current()]
        aliases = [(alias, o) for alias, ref in self._aliases.items() if (o := self._find(ref)) is not None]
        return [*bare, *aliases, *((o.ref, o) for o in self.offered())]

    def _find(self, ref: str) -> Offered | None:
        try:
            entry = self._store.find(ref)
        except StoreError:
            raise Refusal(404, "MODEL_NOT_FOUND", "the model's current version is gone", parameter="model") from None
        return _offered(entry.ref, entry) if entry is not None and self._serves(entry) else None

    def _serves(self, entry: Entry) -> bool:
        return not self._names or entry.name in self._names or entry.ref in self._names


def _offered(ref: str, entry: Entry) -> Offered | None:
    described = _described(entry.folder, (entry.folder / "config.json").stat().st_mtime_ns)
    if described is None:
        return None
    language, created = described
    return Offered(ref, entry.name, entry.version, entry.folder, language, created, entry.current)


@lru_cache(maxsize=4096)
def _described(folder: Path, changed_ns: int) -> tuple[str, int] | None:
    """Language and time of making; None for a folder with a broken card. A version's folder never changes."""
    try:
        card = read_card(folder)
    except ModelError:
        return None
    if card is None:
        return "", changed_ns // 1_000_000_000
    try:
        created = int(datetime.fromisoformat(card.created).timestamp())
    except ValueError:
        created = changed_ns // 1_000_000_000
    return card.language, created


def _speaks(offered: Offered, language: str) -> bool:
    """`es` and `es-419` fit a model of `es`; a model of `pt-BR` fits `pt` too."""
    return same_language(offered.language, language)
