"""What computes log-probabilities of waveforms: the network in torch, or its export in onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vizinho.audio.io import Waveform
from vizinho.decoding.greedy import LogProbs
from vizinho.text.tokens import TokenInventory

if TYPE_CHECKING:
    from vizinho.recognizer import Recognizer


class Engine(Protocol):
    """A network at work. `log_probs` may be called by several threads at once."""

    @property
    def inventory(self) -> TokenInventory:
        """Tokens in the order of the log-probabilities' columns (V of them)."""

    @property
    def blank(self) -> int:
        """Column of CTC's blank."""

    @property
    def frame_seconds(self) -> float:
        """Time between two rows of log-probabilities."""

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """Log-probabilities of 16 kHz waveforms, each (N,), as one batch; each (T, V) without padding."""


class TorchEngine:
    """The network as it is trained. The forward pass changes nothing in the model, so threads may share it."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self.inventory = recognizer.checkpoint.inventory
        self.blank = int(recognizer.checkpoint.tokenizer.pad_token_id)
        self.frame_seconds = recognizer.frame_seconds

    @classmethod
    def load(cls, folder: Path) -> TorchEngine:
        """Open a model folder; raises ModelError when it is not a whole one."""
        from vizinho.recognizer import Recognizer

        return cls(Recognizer.load(folder))

    def log_probs(self, waveforms: Sequence[Waveform]) -> list[LogProbs]:
        """See Engine."""
        return self._recognizer.log_probs(waveforms)
