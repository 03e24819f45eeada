"""From which model a model came: the chain from the first donor to today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError
from vizinho.store.card import WEIGHTS, Card, read_card
from vizinho.store.store import Store

GONE = "not in the store"
OTHER_WEIGHTS = "the store's model of this name has other weights than the donor had"


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One link of the chain. `card` is None where the donor itself is not in the store; `note` says why."""

    ref: str
    language: str
    card: Card | None
    note: str = ""


def lineage(store: Store, ref: str) -> list[Ancestor]:
    """Ancestors of a model, the oldest first and the model itself last.

    A donor is known by the hash of its weights, not by its name alone. Raises StoreError for an unknown model.
    """
    card = store.card(ref)
    # Refs already seen end the chain: copied or hand-made cards can name each other in a circle.
    chain = [Ancestor(ref if card is None else f"{card.name}@{card.version}", card.language if card else "?", card)]
    seen = {chain[0].ref}
    while card is not None and card.donor is not None and str(card.donor["ref"]) not in seen:
        chain.append(donor_of(store, card.donor))
        seen.add(chain[-1].ref)
        card = chain[-1].card
    return chain[::-1]


def donor_of(store: Store, donor: Mapping[str, Any]) -> Ancestor:
    """The donor that a card names, if the store has it with the weights it had."""
    ref, language = str(donor["ref"]), str(donor.get("language", "?"))
    entry = store.find(ref)
    card = read_card(entry.folder) if entry else None
    if card is None:
        return Ancestor(ref, language, None, GONE)
    # A name can be reused for another model (a store that was deleted and filled again); a hash cannot.
    recorded = donor.get("weights_sha256")
    if recorded and card.files.get(WEIGHTS) != recorded:
        return Ancestor(ref, language, None, OTHER_WEIGHTS)
    return Ancestor(ref, language, card)


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a family tree."""

    ref: str
    language: str
    card: Card | None
    current: bool
    asked: bool
    """Whether this is the model whose family it is."""
    note: str
    children: tuple[Member, ...]


def family(store: Store, ref: str) -> Member:
    """The tree from a model's first donor to today: its ancestors, its other versions, and all its descendants.

    Raises StoreError for an unknown model.
    """
    chain = lineage(store, ref)
    cards = {e.ref: _card(e.folder) for e in store.entries()}
    current = {e.ref for e in store.entries() if e.current}
    parents = {r: donor_of(store, c.donor).ref for r, c in cards.items() if c is not None and c.donor is not None}
    asked = chain[-1].ref
    shown = {a.ref for a in chain} | {r for r in cards if r.partition("@")[0] == asked.partition("@")[0]}
    shown |= {r for r in parents if _comes_from(r, asked, parents)}
    notes = {a.ref: (a.language, a.note) for a in chain}

    # A card whose weights differ from the recorded donor's is hidden: it is another model under the same name.
    def grown(at: str, seen: frozenset[str]) -> Member:
        card = cards.get(at) if not notes.get(at, ("", ""))[1] else None
        language = card.language if card else notes.get(at, ("?", ""))[0]
        below = [r for r in cards if parents.get(r) == at and r in shown and r not in seen]
        return Member(
            at,
            language,
            card,
            at in current,
            at == asked,
            notes.get(at, ("", ""))[1],
            tuple(grown(r, seen | {at}) for r in below),
        )

    return grown(chain[0].ref, frozenset())


def _card(folder: Path) -> Card | None:
    """None for a broken card, so that the rest of the tree is shown; `models list` says what is broken."""
    try:
        return read_card(folder)
    except ModelError:
        return None


def _comes_from(ref: str, ancestor: str, parents: Mapping[str, str]) -> bool:
    seen: set[str] = set()
    while ref in parents and ref not in seen:
        seen.add(ref)
        ref = parents[ref]
        if ref == ancestor:
            return True
    return False
