"""What the corrections are worth: versions of the models of a language, side by side on their pinned test sets."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from vizinho.errors import ModelError, StoreError
from vizinho.store.card import Card, read_card
from vizinho.store.pins import read_pin
from vizinho.store.store import Entry, Store
from vizinho.text.language import same_language


def scores_of(store: Store, language: str) -> list[dict[str, Any]]:
    """For each name of a language its versions, with the score of each on the name's pinned test set."""
    tables = []
    for name, entries in groupby(store.entries(), key=lambda entry: entry.name):
        cards = [(entry, card) for entry in entries if (card := _card(entry)) is not None]
        if cards and same_language(cards[-1][1].language, language):
            tables.append(_table(store, name, cards))
    return tables


def _table(store: Store, name: str, cards: list[tuple[Entry, Card]]) -> dict[str, Any]:
    try:
        pin, problem = read_pin(store, name), ""
    except StoreError as error:
        pin, problem = None, error.what
    fingerprint = pin.fingerprint if pin is not None else ""
    rows = [_row(entry, card, fingerprint) for entry, card in cards]
    pinned = {"split": pin.split or "all", "utterances": pin.utterances} if pin is not None else None
    return {"name": name, "pinned": pinned, "problem": problem, "versions": rows}


def _row(entry: Entry, card: Card, fingerprint: str) -> dict[str, Any]:
    # Scores on other data cannot be compared, so only those whose signature names the pinned data are shown.
    on_pin = [s for s in card.scores if fingerprint and f"data:{fingerprint}" in str(s.get("signature", ""))]
    row = {"ref": entry.ref, "current": entry.current, "minutes": card.data.get("minutes"), "created": card.created}
    if on_pin:
        row |= {key: on_pin[-1].get(key) for key in ("cer", "cer_ci", "wer")}
    return row


def _card(entry: Entry) -> Card | None:
    try:
        return read_card(entry.folder)
    except ModelError:
        return None
