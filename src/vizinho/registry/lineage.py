"""From which model a model came: the chain from the first donor to today."""

from __future__ import annotations

from dataclasses import dataclass

from vizinho.registry.card import Card
from vizinho.registry.store import Store


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One link of the chain. `card` is None where the model is no longer in the store, or never was."""

    ref: str
    language: str
    card: Card | None


def lineage(store: Store, ref: str) -> list[Ancestor]:
    """Ancestors of a model, the oldest first and the model itself last. Raises StoreError for an unknown model."""
    card = store.card(ref)
    chain = [Ancestor(ref if card is None else f"{card.name}@{card.version}", card.language if card else "?", card)]
    seen = {chain[0].ref}
    while card is not None and card.donor is not None:
        donor = str(card.donor["ref"])
        if donor in seen:  # a folder's card may name itself
            break
        seen.add(donor)
        language = str(card.donor.get("language", "?"))
        card = store.card(donor) if store.find(donor) else None
        chain.append(Ancestor(donor, language, card))
    return chain[::-1]
