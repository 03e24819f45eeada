"""What a model's card says about how good it is, in sentences for people who use the model; pure."""

from __future__ import annotations

from pydantic import BaseModel

from vizinho.server.served import ServedModel
from vizinho.store.card import Card
from vizinho.store.folder import quality, warning


class CardFacts(BaseModel):
    """One model that can be chosen. `warning` is empty where the card has no reason for one."""

    id: str
    ref: str
    language: str
    quality: str
    warning: str = ""


class CardList(BaseModel):
    """Answer of GET /v1/cards."""

    models: list[CardFacts]


def facts(name: str, served: ServedModel, card: Card | None) -> CardFacts:
    """What is known of a model that is offered as `name`."""
    return CardFacts(id=name, ref=served.ref, language=served.language, quality=quality(card), warning=warning(card))
