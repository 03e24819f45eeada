"""What a model learnt from, its donors included; what the restrictions of that speech refuse; and who overrode it."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vizinho.errors import ModelError, SpecError, StoreError
from vizinho.ledger import Ledger, read_ledger
from vizinho.rights import refused
from vizinho.store.card import README, Card, read_card
from vizinho.store.lineage import donor_of
from vizinho.store.store import Entry, Store, unwritable

SOURCES = "sources"
"""Key of a card's `data`: rows of corpora with licence, restrictions, utterances and minutes, the oldest first."""
FILE = "rights.json"
"""In the folder of an export, which has no card."""
OVERRIDES = "overrides.jsonl"
"""In the home of the store."""

Sources = list[dict[str, Any]]


def sources_of(store: Store, ref: str, folder: Path) -> Sources:
    """All speech that a model and its donors learnt from, the oldest first.

    Each row names the model that learnt from it. A model without a record of it is a row that says so.
    """
    card = read_card(folder)
    # An export has no card, and a model from elsewhere has neither.
    if card is None:
        exported = _exported(folder)
        return exported["sources"] if exported else [_unrecorded(ref, "?", licence=_licence(folder))]
    return _of_card(store, card, f"{card.name}@{card.version}" if card.version else ref, frozenset())


def _of_card(store: Store, card: Card, ref: str, seen: frozenset[str]) -> Sources:
    if SOURCES in card.data:
        # Rows of the model itself name no model: its version was not known when the card was written.
        return [{"model": ref, **row} for row in card.data[SOURCES]]
    # Cards of earlier versions name their donor alone; copied ones can name each other in a circle.
    sources = Sources()
    if card.donor is not None and ref not in seen:
        donor = donor_of(store, card.donor)
        if donor.card is None:
            sources = [_unrecorded(donor.ref, donor.language)]
        else:
            sources = _of_card(store, donor.card, donor.ref, seen | {ref})
    own = [_unrecorded(ref, card.language, minutes=card.data.get("minutes"))] if card.data else []
    return [*sources, *own]


def _unrecorded(ref: str, language: str, minutes: float | None = None, licence: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {"model": ref, "corpus": None, "language": language, "licence": licence, "restrictions": []}
    return row if minutes is None else row | {"minutes": minutes}


def _licence(folder: Path) -> str:
    """The licence in the README.md of a model from elsewhere."""
    readme = folder / README
    if not readme.is_file():
        return ""
    from huggingface_hub import ModelCard

    try:
        licence = ModelCard.load(readme).data.get("license")
    except Exception:  # YAML that its library refuses in many ways
        return ""
    return licence if isinstance(licence, str) else ""


def _exported(folder: Path) -> dict[str, Any] | None:
    try:
        values = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return {"model": str(values["model"]), "sources": [dict(row) for row in values["sources"]]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        what = f"does not say what the model learnt from ({error})"
        raise ModelError(what, where=folder / FILE, fix="export the model again") from error


def restrictions_of(folder: Path) -> tuple[str, ...]:
    """The restrictions of all that the model in a folder learnt from; none where nothing is recorded."""
    card = read_card(folder) if folder.is_dir() else None
    exported = None if card is not None or not folder.is_dir() else _exported(folder)
    rows = card.data.get(SOURCES, ()) if card is not None else exported["sources"] if exported else ()
    return tuple(dict.fromkeys(term for row in rows for term in row.get("restrictions", ())))


def export_record(store: Store, ref: str, folder: Path) -> dict[str, Any]:
    """What FILE in an export says, so that restrictions go with it."""
    return {"model": ref, "sources": sources_of(store, ref, folder)}


def permit(store: Store, ref: str, folder: Path, act: str, override: str | None = None, place: str = "") -> None:
    """Check that nothing a model learnt from refuses EXPORT or SERVING.

    Raises StoreError where something does, unless `override` gives a reason: then who, when and why is added to
    the store's overrides first.
    """
    if override is not None and not override.strip():
        raise SpecError("no reason is given", where="--override", fix="say why, such as --override 'agreed with Ana'")
    terms = refused(restrictions_of(folder), act)
    if not terms:
        return
    if override is None:
        raise StoreError(
            f"it learnt from speech that is {', '.join(terms)} ({_named(folder, terms)}), which refuses {act}",
            where=ref,
            fix="ask those whose voices these are; --override REASON goes on and is recorded",
        )
    row = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "who": _user(),
        "why": override.strip(),
        "act": act,
        "model": ref,
        "restrictions": list(terms),
        "place": place,
    }
    # Before the act: what cannot be recorded must not happen.
    try:
        Ledger(store.home / OVERRIDES).add(row)
    except OSError as error:
        raise unwritable(error, store.home / OVERRIDES) from error


def _named(folder: Path, terms: Iterable[str]) -> str:
    """The corpora that terms are from."""
    card = read_card(folder)
    rows = card.data[SOURCES] if card is not None else (_exported(folder) or {"sources": []})["sources"]
    names = (str(row.get("corpus")) for row in rows if set(terms) & set(row.get("restrictions", ())))
    return ", ".join(dict.fromkeys(names))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return str(os.getuid())


def overrides_of(store: Store, entry: Entry | None) -> list[dict[str, Any]]:
    """The overrides of a model of the store, the oldest first."""
    rows = read_ledger(store.home / OVERRIDES) if entry is not None else []
    return [row for row in rows if entry is not None and row.get("model") == entry.ref]


def source_line(row: Mapping[str, Any]) -> str:
    """A row of `sources_of` for people."""
    if row.get("corpus") is None:
        return f"{row.get('model', '')}: not recorded".lstrip(": ")
    known = [
        f"{row['minutes']:.1f} min",
        str(row["language"]),
        row["licence"] or "licence unknown",
        *row["restrictions"],
    ]
    practice = " (practice)" if row.get("practice") else ""
    return f"{row.get('model', 'this version')}: {row['corpus']}{practice}: {', '.join(known)}"
