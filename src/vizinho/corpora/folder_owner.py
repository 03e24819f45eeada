"""Whose recordings a folder holds: kept ones must not be taken for those of other texts or other speech."""

from __future__ import annotations

from pathlib import Path

from vizinho.errors import CorpusError
from vizinho.files import write_text


def claim(folder: Path, stamp: Path, digest: str, others: str) -> None:
    """Note in the file `stamp` what the recordings in `folder` are made of; `others` says what else they would be.

    Raises CorpusError where the stamp is there with another digest.
    """
    if not stamp.is_file():
        write_text(stamp, digest + "\n")
    elif stamp.read_text(encoding="utf-8").strip() != digest:
        raise CorpusError(f"the folder holds {others}", where=folder, fix="choose another folder or seed, or delete it")
