"""The one value that says which model: the catalog chooses it, workers load it, answers name it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One version of a model that can be asked for."""

    name: str
    version: int
    folder: Path
    language: str
    created_unix_seconds: int = 0
    architecture: str = "ctc"  # or transducer, whisper: how it makes words
    refusing: tuple[str, ...] = ()  # restrictions of the speech it learnt from that refuse serving
    fallback: ServedModel | None = None  # the version before, for where this one is broken and was not asked for

    @property
    def ref(self) -> str:
        """NAME@VERSION."""
        return f"{self.name}@{self.version}"
