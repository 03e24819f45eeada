"""A folder of transcripts that knows which of them are done, so that a stopped run can go on."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vizinho.errors import SpecError
from vizinho.files import sha256, write_text
from vizinho.ledger import Ledger
from vizinho.recognition.files import Outcome
from vizinho.recognition.formats import render
from vizinho.recognition.inputs import STDIN, Input

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
            self._ledger = Ledger(folder / LEDGER)
        except OSError as error:
            raise SpecError(
                f"cannot be written ({error.strerror})", where=folder, fix="choose a writable folder"
            ) from error
        if self._ledger.alone:  # otherwise what is half-written may be another process's work in progress
            self._sweep()
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
        self._ledger.add(asdict(done))

    def _sweep(self) -> None:
        """Remove half-written outputs of killed processes; `write_text` names them so."""
        half = re.compile(rf"\..+\.{re.escape(self._kind)}\.[a-z0-9_]{{8}}")
        for path in self._folder.rglob(f".*.{self._kind}.*"):
            if half.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _read(self) -> set[Done]:
        """Lines of another form are no outputs of this program, and their files are done again."""
        found = set()
        for line in self._ledger.lines:
            with contextlib.suppress(TypeError):
                found.add(Done(**line))
        return found


def _content(audio: Path) -> str:
    """Hash of a file; none for standard input, and for a file that cannot be read, which is reported when opened."""
    try:
        return "" if audio == STDIN else sha256(audio)
    except OSError:
        return ""
