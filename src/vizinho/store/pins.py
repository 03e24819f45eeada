"""The pinned test set of a name: every new version is evaluated on it before it becomes current."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from vizinho.corpora.manifest import fingerprint, read_manifest, select
from vizinho.errors import CorpusError, StoreError
from vizinho.files import sha256, write_json
from vizinho.records import Utterance
from vizinho.store.store import Store

FILE = "pinned.json"


@dataclass(frozen=True, slots=True)
class Pin:
    """A manifest and the split of it that is pinned; `fingerprint` tells whether it still is the same data."""

    corpus: str
    split: str | None
    fingerprint: str
    utterances: int
    pinned: str
    """UTC, ISO 8601."""


def pin(store: Store, name: str, corpus: Path, split: str | None = None, *, replace: bool = True) -> Pin:
    """Pin a test set to a name; with `replace` False an earlier pin stays. Returns the pin that holds now.

    Without a split, test if the manifest has one, else everything. Raises StoreError when the store has no such name,
    and CorpusError when the manifest cannot be read.
    """
    if not store.versions(name):
        known = ", ".join(sorted({e.name for e in store.entries()})) or "no models"
        raise StoreError(f"no model {name!r}", where=store.models, fix=f"the store has {known}")
    everything = read_manifest(corpus)
    if split is None and any(u.split == "test" for u in everything):
        split = "test"
    chosen = select(everything, split=split)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    new = Pin(str(corpus.resolve()), split, fingerprint(chosen), len(chosen), now)
    # Read and written under one lock: of two first trainings of a name only one may pin.
    with store.locked():
        before = read_pin(store, name)
        if before is not None and not replace:
            return before
        write_json(store.models / name / FILE, asdict(new))
    return new


def unpin(store: Store, name: str) -> bool:
    """Remove a pin; False when there was none."""
    path = store.models / name / FILE
    with store.locked():
        pinned = path.is_file()
        path.unlink(missing_ok=True)
    return pinned


def read_pin(store: Store, name: str) -> Pin | None:
    """The pin of a name, or None. Raises StoreError for a broken one."""
    path = store.models / name / FILE
    if not path.is_file():
        return None
    try:
        return Pin(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise StoreError("not a pin", where=path, fix=f"pin again: vizinho models pin {name} --corpus FILE") from error


def pinned_utterances(store: Store, name: str) -> list[Utterance]:
    """The pinned test set; empty where a name has none.

    Raises CorpusError when the manifest or a recording is missing or differs from what was pinned: scores on other
    data could not be compared.
    """
    pinned = read_pin(store, name)
    if pinned is None:
        return []
    fix = f"restore it, or pin again: vizinho models pin {name} --corpus FILE"
    try:
        chosen = select(read_manifest(Path(pinned.corpus)), split=pinned.split)
        now = fingerprint(chosen)
    except CorpusError as error:
        raise CorpusError(f"the pinned test set cannot be read: {error.what}", where=pinned.corpus, fix=fix) from error
    if now != pinned.fingerprint:
        raise CorpusError("the pinned test set has changed since it was pinned", where=pinned.corpus, fix=fix)
    return chosen


def refuse_pinned(name: str, pinned: Sequence[Utterance], utterances: Sequence[Utterance]) -> None:
    """Raises CorpusError when a new version would be trained or chosen on a recording of the pinned test set."""
    leaked = same_recordings(pinned, utterances)
    if leaked:
        raise CorpusError(
            f"{len(leaked)} recordings of the pinned test set of {name} are in the corpus to train on",
            where=sorted(leaked)[0],
            fix="take them out of train and dev, or pin another test set with `vizinho models pin`",
        )


def same_recordings(known: Sequence[Utterance], utterances: Sequence[Utterance]) -> set[str]:
    """Ids of utterances whose recording is one of the known ones; a missing file is none."""
    # Recordings are compared by content: names and ids differ between corpora. Equal sizes are compared first, so that
    # a large corpus is not hashed as a whole.
    sizes = {_size(u.audio) for u in known} - {-1}
    alike = [u for u in utterances if _size(u.audio) in sizes]
    matching = {_size(u.audio) for u in alike}
    hashes = {sha256(u.audio) for u in known if _size(u.audio) in matching}
    return {u.id for u in alike if sha256(u.audio) in hashes}


def _size(audio: Path) -> int:
    return audio.stat().st_size if audio.is_file() else -1
