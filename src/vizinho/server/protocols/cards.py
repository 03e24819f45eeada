"""What a model's card says about how good it is, in sentences for people who use the model; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from vizinho.server.served import ServedModel
from vizinho.store.card import Card

_SYNTHETIC = "synthesised"
"""The licence that rows of synthetic corpora have."""


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
    return CardFacts(id=name, ref=served.ref, language=served.language, quality=_quality(card), warning=_warning(card))


def _warning(card: Card | None) -> str:
    if card is None:
        return ""
    demonstration = "demonstration" in card.notes  # the bundled donors' cards are older than records of sources
    sources = [row for row in card.data.get("sources", ()) if row.get("corpus")]
    if not demonstration and not (sources and all(row.get("licence") == _SYNTHETIC for row in sources)):
        return ""
    kind = "Demo model, trained" if demonstration else "Trained"
    return f"{kind} on synthetic speech: expect errors on people."


def _quality(card: Card | None) -> str:
    if card is None:
        return "It has no card, so nothing is known of how good it is."
    # Dev scores chose the weights, so they are too good; they are said only where there is no other.
    tested = [score for score in card.scores if "used for choosing" not in str(score.get("signature", ""))]
    if tested:
        size = f", {tested[-1]['utterances']} utterances" if "utterances" in tested[-1] else ""
        return f"On {tested[-1].get('data', tested[-1]['split'])}{size}: {_rates(tested[-1])}."
    if card.scores:
        return f"Not tested. On the sentences that chose its weights: {_rates(card.scores[-1])}."
    return "Not tested."


def _rates(score: Mapping[str, Any]) -> str:
    parts = []
    if (cer := score.get("cer")) is not None:
        interval = score.get("cer_ci")
        spread = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
        parts.append(f"{100 * cer:.1f} %{spread} of the letters are wrong")
    if (wer := score.get("wer")) is not None:
        parts.append(f"{100 * wer:.1f} % of the words" + ("" if parts else " are wrong"))
    return ", ".join(parts) or "no rates"
