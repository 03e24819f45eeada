"""The log of corrections: who wrote what about which utterance and when. It only grows, and every line is on disk."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from vizinho.errors import CorpusError, SpecError
from vizinho.ledger import Ledger

Action = Literal["accept", "edit", "skip", "unintelligible", "restore"]
Status = Literal["open", "done", "unintelligible"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One line of the log. All but "skip" are versions of their utterance; the last one counts."""

    id: str
    """Chosen by the page: an edit that is sent again, because its answer was lost, is written once."""
    utterance: str
    action: Action
    status: Status
    text: str
    who: str
    when: str
    """UTC, ISO 8601."""
    base: int = 0
    """The number of versions that the person saw. Fewer than there were: somebody else has saved meanwhile."""
    draft: str = ""
    """The model whose text the person started from; empty for a text of the corpus."""
    client: str = ""
    """The key's owner as the server knows it: a name for the key, or the address where there are no keys."""
    strokes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of an edit. `overtook` are versions that the person had not seen; none of them is lost."""

    edit: Edit
    version: int
    overtook: tuple[Edit, ...] = ()


class EditLog:
    """The edits in `path`, read once and added to. One process at a time may have it open for adding."""

    def __init__(self, path: Path) -> None:
        """Raises CorpusError for a file that cannot be read and written."""
        self.path = path
        try:
            self._ledger = Ledger(path)
        except OSError as error:
            what, fix = f"corrections cannot be written here ({error.strerror})", "make the corpus's folder writable"
            raise CorpusError(what, where=path, fix=fix) from error
        self._versions: dict[str, list[Edit]] = defaultdict(list)
        self._by_id: dict[str, Saved] = {}
        self._skips: dict[str, Counter[str]] = defaultdict(Counter)
        # Nothing is written while reading: a line may be of a later version, which its own server still needs.
        edits = [edit for line in self._ledger.lines if (edit := _edit(line)) is not None]
        self.damaged = self._ledger.damaged + len(self._ledger.lines) - len(edits)
        """Lines that cannot be read. A kill may cut off a line that nobody was told is saved."""
        for edit in edits:
            self._remember(edit)

    def __len__(self) -> int:
        return len(self._by_id)

    def edits(self) -> list[Edit]:
        """All edits, skips too, the oldest first."""
        return [saved.edit for saved in self._by_id.values()]

    def add(self, edit: Edit) -> Saved:
        """Write an edit; returns when it is on disk. One with a known id is not written again.

        Raises CorpusError where the disk is full; the edit is then not saved and can be added again.
        """
        if edit.id in self._by_id:
            return self._by_id[edit.id]
        # On disk before it counts: whoever is told "saved" must find it after a power cut.
        try:
            self._ledger.add(asdict(edit))
        except OSError as error:
            what = f"the correction is not saved ({error.strerror})"
            raise CorpusError(what, where=self.path, fix="make room on the disk") from error
        return self._remember(edit)

    def versions(self, utterance: str) -> tuple[Edit, ...]:
        """All versions of an utterance, the oldest first."""
        return tuple(self._versions.get(utterance, ()))

    def current(self, utterance: str) -> Edit | None:
        """The version that counts; None where nobody has decided anything."""
        versions = self._versions.get(utterance)
        return versions[-1] if versions else None

    def status(self, utterance: str) -> Status:
        """Whether an utterance waits for somebody, has a text that counts, or has none that anybody understands."""
        edit = self.current(utterance)
        return edit.status if edit else "open"

    def skips(self, utterance: str) -> Counter[str]:
        """How many times each person has skipped an utterance."""
        return self._skips.get(utterance, Counter())

    def restored(self, utterance: str, version: int) -> tuple[Status, str]:
        """Status and text of a version, counted from 1; 0 is before all of them. Raises SpecError for another one."""
        versions = self._versions.get(utterance, [])
        if not 0 <= version <= len(versions):
            raise SpecError(f"version {version} of {len(versions)}", where=utterance, fix="choose one that is listed")
        return ("open", "") if version == 0 else (versions[version - 1].status, versions[version - 1].text)

    def _remember(self, edit: Edit) -> Saved:
        if edit.id in self._by_id:  # its line was finished after the write of it had failed, and it was sent again
            return self._by_id[edit.id]
        versions = self._versions[edit.utterance]
        # The last one counts even so. To ask first would keep a text in a browser that may not come back.
        overtook = tuple(versions[edit.base :])
        if edit.action == "skip":
            self._skips[edit.utterance][edit.who] += 1
        else:
            versions.append(edit)
        saved = self._by_id[edit.id] = Saved(edit, len(versions), overtook)
        return saved


_TEXTS = ("id", "utterance", "text", "who", "when", "draft", "client")


def _edit(line: dict[str, Any]) -> Edit | None:
    """The edit of a line; None for one that this version did not write. Further keys are ignored."""
    known = {f.name for f in fields(Edit)}
    try:
        edit = Edit(**{key: value for key, value in line.items() if key in known})
    except TypeError:
        return None
    whole = all(isinstance(getattr(edit, key), str) for key in _TEXTS) and isinstance(edit.base, int)
    return edit if whole and edit.action in get_args(Action) and edit.status in get_args(Status) else None
