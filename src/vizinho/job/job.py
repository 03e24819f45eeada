"""What a job is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vizinho.training.options import TrainingOptions
from vizinho.transfer.tokens import RowOptions


@dataclass(frozen=True, slots=True)
class Job:
    """What to train and from what. Without a donor the network starts from scratch."""

    language: str
    corpora: tuple[Path, ...]
    donor: Path | None = None
    """A model folder or a .nemo archive."""
    donor_language: str | None = None
    donor_adapter: str | None = None
    """Language of the donor's adapter to start from, where it has one per language (MMS)."""
    minutes: float | None = None
    """Target speech to use; None uses all of it."""
    beside: tuple[Path, ...] = ()
    """More corpora of the language (synthetic speech) whose train part is taken whole, beside the minutes."""
    repeat: tuple[int, ...] = ()
    """How often the train part of each corpus, those beside last, comes in an epoch, each time augmented anew; once if
    left out."""
    preset: str = "tiny"
    """Size of a network from scratch; a transfer keeps the donor's."""
    tokens: str = "characters"
    pieces: int = 256
    """Number of BPE pieces, where tokens are "bpe"."""
    rows: RowOptions = field(default_factory=RowOptions)
    options: TrainingOptions = field(default_factory=TrainingOptions)
