"""Names the utterances that turn out to be unusable while training reads them, each once, in a file of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from vizinho.corpora.batches import Batch
from vizinho.errors import CorpusError
from vizinho.files import write_text
from vizinho.ledger import Ledger, read_ledger
from vizinho.progress import Log

FILE = "set-aside.jsonl"
NAMED = 20
"""Utterances that a log or a card names; the file names all."""
MAX_BROKEN = 5
"""Recordings of a manifest that can no longer be read, beyond `BROKEN_SHARE` of all, after which a run is given up."""
BROKEN_SHARE = 0.05


class SetAside:
    """A list beside a run's checkpoints of what was set aside on the way; a run that goes on goes on with its list."""

    def __init__(self, run: Path, log: Log, of: int | None = None) -> None:
        """`of`: how many recordings there are in all, where each was seen to be there before the run began."""
        self._path, self._log, self._of = run / FILE, log, of
        self._ledger: Ledger | None = None
        self._named = {utterance_id for utterance_id, _ in read_set_aside(run)}

    def watch(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches; what they name is noted before they are used.

        Raises CorpusError when too many of the recordings that were there can no longer be read.
        """
        for batch in batches:
            for utterance_id, reason in batch.broken:
                if utterance_id not in self._named:
                    self._note(utterance_id, reason)
            self._check(batch)
            yield batch

    def _check(self, batch: Batch) -> None:
        if self._of is None or not batch.broken:
            return
        many = len(self._named) > MAX_BROKEN and len(self._named) > BROKEN_SHARE * self._of
        if many or len(self._named) >= self._of:
            where, reason = batch.broken[0]
            raise CorpusError(
                f"{len(self._named)} of {self._of} recordings can no longer be read; one of them: {reason}",
                where=where,
                fix="bring them back and run the same command again: it goes on from the last checkpoint",
            )

    def _note(self, utterance_id: str, reason: str) -> None:
        self._named.add(utterance_id)
        self._ledger = self._ledger or Ledger(self._path)
        self._ledger.add({"id": utterance_id, "reason": reason})
        if len(self._named) <= NAMED:
            self._log(f"set aside {utterance_id}: {reason}")
        elif len(self._named) == NAMED + 1:
            self._log(f"more is set aside: {self._path} names all")


def read_set_aside(run: Path) -> tuple[tuple[str, str], ...]:
    """(Utterance id, reason) of all that a run has set aside on its way, in the order found."""
    return tuple({line["id"]: line["reason"] for line in read_ledger(run / FILE)}.items())


def write_set_aside(folder: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """The same list in a folder of its own, for `read_set_aside`. Raises OSError."""
    rows = ({"id": utterance_id, "reason": reason} for utterance_id, reason in pairs)
    write_text(folder / FILE, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
