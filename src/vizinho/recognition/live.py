"""Decodes an utterance while it is spoken: every frame goes through the network once, for models trained to stream."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vizinho.audio.io import Waveform
from vizinho.audio.logmel import LogMel, at_least_minimum
from vizinho.audio.running import RunningFeatures
from vizinho.decoding.greedy import LogProbs

if TYPE_CHECKING:
    from vizinho.model.checkpoint import Checkpoint
    from vizinho.model.fast import Chunks


CHUNKS = "vizinho_chunks"
"""Key of config.json under which `vizinho.model.fast.set_chunks` notes how a model streams."""


class Live(Protocol):
    """An utterance that is being spoken."""

    def feed(self, samples: Waveform) -> LogProbs:
        """Take the next 16 kHz samples (N,); returns log-probabilities (T, V) of all complete chunks so far."""

    def finish(self) -> LogProbs:
        """Log-probabilities (T, V) of the whole utterance; nothing may follow."""


class LiveUtterance:
    """Samples to features to chunks to log-probabilities, each computed once."""

    def __init__(self, model: Any, features: LogMel, chunks: Chunks) -> None:
        from vizinho.model.streaming import ChunkedEncoder

        self._encoder = ChunkedEncoder(model, chunks)
        self._features = RunningFeatures(features, self._encoder.chunk_features)
        self._samples = 0
        # All of the utterance so far: a decoder starts again from its first frame.
        self._log_probs: LogProbs = np.zeros((0, int(model.config.vocab_size)), np.float32)

    def feed(self, samples: Waveform) -> LogProbs:
        """See Live."""
        self._samples += samples.size
        return self._encode(self._features.feed(samples))

    def finish(self) -> LogProbs:
        """See Live."""
        # An utterance too short for one frame is padded with silence.
        short = at_least_minimum(np.zeros(self._samples, np.float32)).size - self._samples
        chunks = self._features.feed(np.zeros(short, np.float32))
        return self._encode([*chunks, *self._features.finish()])

    def _encode(self, chunks: list[Any]) -> LogProbs:
        import torch

        new = [self._encoder(torch.from_numpy(chunk)).numpy() for chunk in chunks]
        self._log_probs = np.concatenate([self._log_probs, *new])
        return self._log_probs


def live_of(folder: Path, opened: Checkpoint | None = None) -> Callable[[], Live] | None:
    """A function that begins an utterance with the model of a folder; None for models not trained to stream.

    `opened` is the folder's model where it is in memory already. Raises ModelError when the folder is no whole model.
    """
    path = folder / "config.json"
    configuration = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if not configuration.get(CHUNKS):  # before torch is imported: other models may not need it
        return None
    from vizinho.model.checkpoint import load_checkpoint
    from vizinho.model.fast import chunks_of

    chunks = chunks_of(configuration)
    assert chunks is not None
    checkpoint = opened or load_checkpoint(folder)
    features = LogMel.of(checkpoint.extractor.to_dict())
    return lambda: LiveUtterance(checkpoint.model, features, chunks)
