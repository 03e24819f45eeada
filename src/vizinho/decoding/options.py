"""Weights and widths of a beam search."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vizinho.errors import SpecError

_FRAME_WIDTH = 64


@dataclass(frozen=True, slots=True)
class BeamOptions:
    """How a beam search weighs the sound against what is likely to be said; scores are natural logarithms (nats).

    The defaults are starting points: `vizinho lm tune` chooses on dev.
    """

    beam_width: int | None = None
    """Hypotheses that go on after every frame; 64 if None. Of a network with a decoder of its own, the texts that it
    drafts of a piece; 20 if None."""
    token_cutoff: int = 10
    """Best tokens of a frame that are tried."""
    beam_threshold: float = 25.0
    """Hypotheses this far below the best one are dropped."""
    lm_weight: float = 0.5
    """Of the language model's log-probability."""
    word_score: float = 0.0
    """Added for every word; positive against too few words."""
    letter_score: float = 0.0
    """Added for every letter; positive against short words."""
    unknown_words: bool = True
    """Words that the word model does not know may be written."""
    unknown_score: float = 0.0
    """Added for every such word, besides the cost of its spelling."""
    add_alignments: bool = True
    """Add up the probabilities of a text's alignments instead of taking its best one."""

    def __post_init__(self) -> None:
        """Raises SpecError for values out of range."""
        if self.width < 1 or self.token_cutoff < 1:
            what = f"beam width {self.beam_width}, token cut-off {self.token_cutoff}"
            raise SpecError(what, where="beam", fix="give at least 1")
        if self.beam_threshold < 0 or self.lm_weight < 0:
            what = f"beam threshold {self.beam_threshold}, LM weight {self.lm_weight}"
            raise SpecError(what, where="beam", fix="give at least 0")

    @property
    def width(self) -> int:
        """Hypotheses of a search through frames."""
        return _FRAME_WIDTH if self.beam_width is None else self.beam_width

    @property
    def changed(self) -> bool:
        """Whether anything is not as it is by default."""
        return self != BeamOptions()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of all options."""
        return tuple(f.name for f in fields(cls))
