"""The corrected corpus: the utterances whose text a person has accepted or written, as a manifest to train on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from vizinho.corpora.corrections.drafts import Draft
from vizinho.corpora.corrections.edits import Edit, EditLog
from vizinho.corpora.manifest import manifest_row, write_lines
from vizinho.records import Utterance

_BY_MODEL = "labelled by "
"""How `source` begins where `corpus label` wrote the text."""


def corrected(
    utterances: Sequence[Utterance], log: EditLog, drafts: Mapping[str, Draft] | None = None, *, rest: bool = False
) -> Iterator[tuple[Utterance, Edit | None]]:
    """Utterances with the text that counts, and the edit that it is from, in the order of the corpus.

    With `rest` also those that nobody has looked at, where the corpus has a text of theirs. Utterances that nobody
    understands are left out.
    """
    for utterance in utterances:
        edit = log.current(utterance.id)
        if edit is not None and edit.status == "done":
            yield _with_text(utterance, edit, (drafts or {}).get(utterance.id)), edit
        elif rest and log.status(utterance.id) == "open" and utterance.text.strip():
            yield utterance, None


def _with_text(utterance: Utterance, edit: Edit, draft: Draft | None) -> Utterance:
    before = utterance.source
    if before.startswith(_BY_MODEL):  # it is a person's text now
        before = before.partition("; ")[2]
    source = "; ".join(filter(None, (f"corrected by {edit.who}", before)))
    # Manifests of untranscribed files have no lengths; the draft was made of all samples.
    seconds = utterance.duration_seconds or (draft.seconds if draft else 0.0)
    return replace(utterance, text=edit.text, source=source, confidence=None, duration_seconds=seconds)


def write_corrected(path: Path, rows: Sequence[tuple[Utterance, Edit | None]]) -> None:
    """Write the manifest whole or not at all; without rows there is none. Raises CorpusError."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    write_lines(path, (_line(utterance, edit, path.parent) for utterance, edit in rows))


def _line(utterance: Utterance, edit: Edit | None, folder: Path) -> str:
    row = manifest_row(utterance, folder)
    if edit is not None:
        row |= {"corrected_by": edit.who, "corrected_at": edit.when}
        row |= {"draft_of": edit.draft} if edit.draft else {}
    return json.dumps(row, ensure_ascii=False)
