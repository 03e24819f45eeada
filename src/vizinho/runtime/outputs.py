"""A folder of transcripts that knows which of them are done, so that a stopped run can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vizinho.errors import SpecError
from vizinho.files import write_text
from vizinho.registry.card import sha256
from vizinho.runtime.batch import Outcome
from vizinho.runtime.formats import render
from vizinho.runtime.inputs import STDIN, Input

LEDGER = "transcribed.jsonl"


@dataclass(frozen=True, slots=True)
class Done:
    """One line of the ledger: which bytes were transcribed, how, and to where."""

    audio: str
    sha256: str
    key: str
    """Names the model and everything else that shapes the text."""
    output: str


class OutputFolder:
    """FOLDER/NAME.KIND for each file, and FOLDER/transcribed.jsonl, which gets a line when an output is in place.

    A file is done when the same bytes were transcribed to the same output with the same `key`. Raises SpecError when
    the folder cannot be written.
    """

    def __init__(self, folder: Path, kind: str, key: str) -> None:
        self._folder, self._kind, self._key = folder, kind, key
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._ledger = (folder / LEDGER).open("a+", encoding="utf-8")
        except OSError as error:
            raise SpecError(
                f"cannot be written ({error.strerror})", where=folder, fix="choose a writable folder"
            ) from error
        self._done = self._read()
        self._pending: dict[Path, Done] = {}

    def pending(self, inputs: Sequence[Input]) -> list[Path]:
        """The files that are not done yet, in order."""
        for file in inputs:
            done = Done(str(file.audio), _content(file.audio), self._key, f"{file.output}.{self._kind}")
            if done not in self._done or not (self._folder / done.output).is_file():
                self._pending[file.audio] = done
        return list(self._pending)

    def write(self, outcome: Outcome) -> None:
        """Put a pending file's output in place, whole, then note it."""
        done = self._pending[outcome.audio]
        write_text(self._folder / done.output, render(outcome.transcripts, self._kind))
        self._ledger.write(json.dumps(asdict(done), ensure_ascii=False) + "\n")
        self._ledger.flush()
        os.fsync(self._ledger.fileno())

    def _read(self) -> set[Done]:
        """Whole lines: a power cut may have cut the last one off, and then its file is done again."""
        self._ledger.seek(0)
        lines, found = self._ledger.read().splitlines(keepends=True), set()
        for line in lines:
            try:
                found.add(Done(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        if lines and not lines[-1].endswith("\n"):
            self._ledger.write("\n")
        return found


def _content(audio: Path) -> str:
    """Hash of a file; none for standard input, and for a file that cannot be read, which is reported when opened."""
    try:
        return "" if audio == STDIN else sha256(audio)
    except OSError:
        return ""
