"""What a job is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from vizinho.plan.tokens import RowOptions
from vizinho.text.normalize import Normalizer
from vizinho.training.options import TrainingOptions

HEADS = ("auto", "ctc")


@dataclass(frozen=True, slots=True)
class MixedDonor:
    """One more donor, whose start is mixed into the first one's."""

    ref: str
    """As it was named, with its version."""
    folder: Path
    language: str | None
    share: float | None = None
    """Of its weights in the mixture; None where dev has to choose."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to train and from what. Without a donor the network starts from scratch."""

    language: str
    corpora: tuple[Path, ...]
    donor: Path | None = None
    """A model folder or a .nemo archive."""
    donor_language: str | None = None
    donor_adapter: str | None = None
    """Language of the adapter to start from, for donors that have one adapter per language (MMS)."""
    head: str = "auto"
    """"auto" keeps the decoder of an encoder-decoder donor; "ctc" takes its encoder alone, with a new output layer."""
    language_like: tuple[tuple[str, float], ...] = ()
    """Languages of an encoder-decoder donor and their shares, from which the token of a language that it lacks starts;
    empty for those next to it in the family tree."""
    minutes: float | None = None
    """Limit of target speech; None uses all of it."""
    beside: tuple[Path, ...] = ()
    """Corpora of practice speech in the target language: their train part is used whole, whatever the limit."""
    repeat: tuple[int, ...] = ()
    """How many times an epoch has the train part of each corpus, practice speech last; empty repeats nothing."""
    preset: str = "tiny"
    """Size of a network from scratch; a transfer takes the donor's size."""
    tokens: str = "characters"
    """One of `vizinho.job.tokens.KINDS`."""
    pieces: int = 256
    """Number of BPE pieces, where tokens are "bpe"."""
    normalizer: Normalizer | None = None
    """Of an edited orthography or of a recorded job; None for the language's own."""
    others: tuple[MixedDonor, ...] = ()
    """More donors of the first one's kind and size; the first has the share that theirs leave."""
    rows: RowOptions = field(default_factory=RowOptions)
    options: TrainingOptions = field(default_factory=TrainingOptions)
