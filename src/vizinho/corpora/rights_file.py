"""Owns `rights.jsonl`: licence, consent and restrictions of recordings whose own format has no place for them.

A line holds `licence`, `consent` and `restrictions`, perhaps with a `recording` (a file name) and a `speaker` that it
is about; without them it is about all recordings of the folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from vizinho.corpora.manifest import manifest_lines, write_lines
from vizinho.errors import CorpusError
from vizinho.records import Utterance
from vizinho.rights import Rights, rights_of

NAME = "rights.jsonl"
_ABOUT = ("recording", "speaker")
_KEYS = (*_ABOUT, "licence", "license", "consent", "restrictions")


def with_rights(utterance: Utterance, rights: Rights) -> Utterance:
    """The utterance with these rights over its own."""
    return replace(utterance, **asdict(rights.over(rights_of(utterance))))


@dataclass(slots=True)
class RightsFile:
    """The lines of a folder's `rights.jsonl`; none where there is no such file."""

    path: Path
    lines: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Rows by the number of their line."""
    used: set[int] = field(default_factory=set)

    @classmethod
    def beside(cls, place: Path) -> RightsFile:
        """Of a folder, or of the folder of a file. Raises CorpusError for a line that cannot be understood."""
        path = (place if place.is_dir() else place.parent) / NAME
        lines = (
            {number: _row(line, f"{path}:{number}") for _, number, line in manifest_lines(path)}
            if path.is_file()
            else {}
        )
        return cls(path, lines)

    def applied(self, utterance: Utterance) -> Utterance:
        """The utterance with the rights of all lines about it; later lines win, restrictions add up."""
        names = {"recording": _recording(utterance), "speaker": utterance.speaker}
        for number, row in self.lines.items():
            if all(row.get(key, names[key]) == names[key] for key in _ABOUT):
                self.used.add(number)
                utterance = with_rights(utterance, Rights.of(row, f"{self.path}:{number}"))
        return utterance

    def unused(self) -> list[tuple[str, str]]:
        """Place and subject of lines that no utterance is about: a name may be misspelt."""
        rows = ((n, row) for n, row in self.lines.items() if n not in self.used)
        return [(f"{self.path}:{n}", ", ".join(row[key] for key in _ABOUT if key in row)) for n, row in rows]


def write_rights(folder: Path, utterances: Iterable[Utterance]) -> Path | None:
    """Write what is known of the rights of recordings and speakers; None where nothing is. Lines that are there stay.

    Raises CorpusError where the folder cannot be written.
    """
    # People may have written lines of their own; an export into the same folder adds to them.
    file = RightsFile.beside(folder)
    rows = list(file.lines.values())
    for utterance in utterances:
        rights = rights_of(utterance).row()
        row = {"recording": _recording(utterance), "speaker": utterance.speaker, **rights}
        if rights and row not in rows:
            rows.append(row)
    if not rows:
        return None
    write_lines(file.path, (json.dumps(row, ensure_ascii=False) for row in rows))
    return file.path


def _recording(utterance: Utterance) -> str:
    return (utterance.place.recording if utterance.place else utterance.audio).name


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise CorpusError(f"not a line of JSON ({error})", where=where, fix="one JSON object a line") from error
    fix = f"the keys are {', '.join(_KEYS)}"
    if not isinstance(row, dict) or (row.keys() - set(_KEYS)):
        raise CorpusError("not the rights of a recording", where=where, fix=fix)
    if not all(isinstance(row.get(key, ""), str) for key in _ABOUT):
        raise CorpusError("recording or speaker is not text", where=where, fix=fix)
    Rights.of(row, where)
    return row
