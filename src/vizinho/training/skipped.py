"""Lists the utterances that training cannot use when it reads them, each once, in a file of the run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from vizinho.corpora.batches import Batch
from vizinho.errors import CorpusError
from vizinho.files import write_text
from vizinho.ledger import Ledger, read_ledger
from vizinho.progress import Log

FILE = "skipped.jsonl"
OLD_FILE = "set-aside.jsonl"
"""Its name in models of version 0.x."""
NAMED = 20
"""Utterances that a log or a card names; the file names all."""
MAX_BROKEN = 5
"""Recordings of a manifest that can no longer be read, beyond `BROKEN_SHARE` of all, after which a run is given up."""
BROKEN_SHARE = 0.05


class SkippedList:
    """The list of skipped utterances beside a run's checkpoints; a resumed run continues it."""

    def __init__(self, run: Path, log: Log, of: int | None = None) -> None:
        """`of`: how many recordings there are in all, where each was checked to exist before the run began."""
        self._path, self._log, self._of = run / FILE, log, of
        self._ledger: Ledger | None = None
        self._ids = {utterance_id for utterance_id, _ in read_skipped(run)}

    def watch(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass the batches on unchanged; what is broken in them is listed before they are used.

        Raises CorpusError when too many of the recordings that existed can no longer be read.
        """
        for batch in batches:
            for utterance_id, reason in batch.broken:
                if utterance_id not in self._ids:
                    self._add(utterance_id, reason)
            self._check(batch)
            yield batch

    def _check(self, batch: Batch) -> None:
        if self._of is None or not batch.broken:
            return
        # A few lost files cost little; many mean that a disk is gone, and the run would learn from what is left.
        many = len(self._ids) > MAX_BROKEN and len(self._ids) > BROKEN_SHARE * self._of
        if many or len(self._ids) >= self._of:
            where, reason = batch.broken[0]
            raise CorpusError(
                f"{len(self._ids)} of {self._of} recordings can no longer be read; one of them: {reason}",
                where=where,
                fix="bring them back and run the same command again: it goes on from the last checkpoint",
            )

    def _add(self, utterance_id: str, reason: str) -> None:
        self._ids.add(utterance_id)
        self._ledger = self._ledger or Ledger(self._path)
        self._ledger.add({"id": utterance_id, "reason": reason})
        if len(self._ids) <= NAMED:
            self._log(f"skip {utterance_id}: {reason}")
        elif len(self._ids) == NAMED + 1:
            self._log(f"more utterances are skipped: {self._path} names all")


def read_skipped(folder: Path) -> tuple[tuple[str, str], ...]:
    """(Utterance id, reason) of all that was skipped, from the folder of a run or of a model, in the order found."""
    path = folder / FILE
    rows = read_ledger(path if path.exists() else folder / OLD_FILE)
    return tuple({row["id"]: row["reason"] for row in rows}.items())


def write_skipped(folder: Path, pairs: Iterable[tuple[str, str]]) -> None:
    """Write (utterance id, reason) pairs where `read_skipped` finds them. Raises OSError."""
    rows = ({"id": utterance_id, "reason": reason} for utterance_id, reason in pairs)
    write_text(folder / FILE, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
