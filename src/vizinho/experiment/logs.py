"""Log lines of a donor or an arm, kept in a file beside its folder."""

from __future__ import annotations

from pathlib import Path

from vizinho.progress import Log


def file_log(path: Path) -> Log:
    """A log that appends to a file, so that a run that goes on keeps what it said before."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(line: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return write
