"""From which model a model came: the chain from the first donor to today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vizinho.registry.card import WEIGHTS, Card, read_card
from vizinho.registry.store import Store

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
    chain = [Ancestor(ref if card is None else f"{card.name}@{card.version}", card.language if card else "?", card)]
    seen = {chain[0].ref}
    while card is not None and card.donor is not None and str(card.donor["ref"]) not in seen:
        chain.append(_donor(store, card.donor))
        seen.add(chain[-1].ref)
        card = chain[-1].card
    return chain[::-1]


def _donor(store: Store, donor: Mapping[str, Any]) -> Ancestor:
    ref, language = str(donor["ref"]), str(donor.get("language", "?"))
    entry = store.find(ref)
    card = read_card(entry.folder) if entry else None
    if card is None:
        return Ancestor(ref, language, None, GONE)
    recorded = donor.get("weights_sha256")
    if recorded and card.files.get(WEIGHTS) != recorded:
        return Ancestor(ref, language, None, OTHER_WEIGHTS)
    return Ancestor(ref, language, card)
