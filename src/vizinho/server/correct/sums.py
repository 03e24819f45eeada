"""What the page shows of the whole corpus, kept up edit by edit, so that nobody who asks waits for a count of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from vizinho.corpora.corrections.edits import Edit, Status
from vizinho.records import Utterance

RECENT = 100
"""Utterances that were decided last and can be come back to."""


class Sums:
    """Counts by status, seconds that are done, letters that are missing, the last decisions."""

    def __init__(self, utterances: Iterable[Utterance], missing: Callable[[str], str]) -> None:
        self._missing_of = missing
        self._seconds = {u.id: u.duration_seconds for u in utterances}
        self._texts: dict[str, str] = {}
        self.counts: Counter[Status] = Counter({"open": len(self._seconds)})
        self.done_seconds = 0.0
        self.missing: Counter[str] = Counter()
        """Letters that the drafting model cannot write, with the number of corrected texts that have them."""
        self._recent: dict[str, Edit] = {}

    def count(self, edit: Edit, before: Status) -> None:
        """Take in an edit of an utterance of the corpus; `before` is the status that it had."""
        id_ = edit.utterance
        self.counts[before] -= 1
        self.counts[edit.status] += 1
        if before == "done":
            self.done_seconds -= self._seconds[id_]
            self.missing -= Counter(self._missing_of(self._texts.pop(id_)))
        if edit.status == "done":
            self.done_seconds += self._seconds[id_]
            self._texts[id_] = edit.text
            self.missing += Counter(self._missing_of(edit.text))
        self._recent.pop(id_, None)
        self._recent[id_] = edit
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    def count_letters(self) -> None:
        """Count missing letters again, for a model with other letters."""
        self.missing = Counter(letter for text in self._texts.values() for letter in self._missing_of(text))

    def recent(self) -> list[Edit]:
        """The last decisions, the newest first, one for each utterance."""
        return list(reversed(self._recent.values()))
