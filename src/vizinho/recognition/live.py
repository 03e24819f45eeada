"""Decodes an utterance while it is spoken: every frame goes through the network once, for models trained to stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import Waveform
from vizinho.audio.logmel import LogMel, at_least_minimum
from vizinho.audio.running import Frames, RunningFeatures
from vizinho.decoding.greedy import LogProbs
from vizinho.errors import ModelError
from vizinho.recognition.engines import open_session

if TYPE_CHECKING:
    from vizinho.model.checkpoint import Checkpoint
    from vizinho.model.fast import Chunks


GRAPH, STREAM = "stream.onnx", "stream.json"
"""Files of an exported stream (`vizinho.recognition.export_stream`)."""
STREAM_FORMAT = 1
CHUNKS = "vizinho_chunks"
"""Key of config.json under which `vizinho.model.fast.set_chunks` notes how a model streams."""


class Live(Protocol):
    """An utterance that is being spoken."""

    def feed(self, samples: Waveform) -> LogProbs:
        """Take the next 16 kHz samples (N,); returns log-probabilities (T, V) of all complete chunks so far."""

    def finish(self) -> LogProbs:
        """Log-probabilities (T, V) of the whole utterance; nothing may follow."""


Encode = Callable[[Frames], LogProbs]
"""Features (T, F) of the next chunk of one stream to log-probabilities (T', V); it remembers the chunks before."""


class OnnxChunks:
    """One stream through an exported graph (`export_stream`), which may be shared by any number of streams."""

    def __init__(self, session: Any, settings: Mapping[str, Any]) -> None:
        self._session, self._remembered = session, int(settings["remembered"])
        self._state: list[npt.NDArray[np.float32]] = [np.zeros(shape, np.float32) for shape in settings["state"]]
        """Feature frames before the chunk, and what attention and convolutions look back to."""
        self._seen = 0
        """Output frames so far."""

    def __call__(self, features: Frames) -> LogProbs:
        """See Encode."""
        before, attended, convolved = self._state
        # One stream a call here, B = 1; the graph takes any number.
        inputs = {
            "features": features.T[None],  # (1, F, T)
            "before": before,
            "attended": attended,
            "convolved": convolved,
            "seen": np.array([min(self._seen, self._remembered)], np.int64),
            "begun": np.array([float(self._seen > 0)], np.float32),
        }
        log_probs, *self._state = self._session.run(None, inputs)
        self._seen += log_probs.shape[1]  # T' frames of (1, T', V)
        return log_probs[0]  # type: ignore[no-any-return]


class TorchChunks:
    """One stream through a network in torch."""

    def __init__(self, model: Any, chunks: Chunks) -> None:
        from vizinho.model.streaming import ChunkedEncoder

        self._encoder = ChunkedEncoder(model, chunks)

    def __call__(self, features: Frames) -> LogProbs:
        """See Encode."""
        import torch

        return self._encoder(torch.from_numpy(features)).numpy()


class LiveUtterance:
    """Samples to features to chunks to log-probabilities, each computed once."""

    def __init__(self, encode: Encode, features: LogMel, chunk_features: int, vocabulary: int) -> None:
        self._encode_chunk, self._features = encode, RunningFeatures(features, chunk_features)
        self._samples = 0
        # All of the utterance so far: a decoder starts again from its first frame.
        self._log_probs: LogProbs = np.zeros((0, vocabulary), np.float32)

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

    def _encode(self, chunks: list[Frames]) -> LogProbs:
        if chunks:
            self._log_probs = np.concatenate([self._log_probs, *(self._encode_chunk(chunk) for chunk in chunks)])
        return self._log_probs


def streams(folder: Path) -> bool:
    """Whether the model of a folder was trained to stream; read without torch, which other models may not need."""
    path = folder / "config.json"
    configuration = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return bool(configuration.get(CHUNKS))


def torch_live(checkpoint: Checkpoint) -> Callable[[], Live]:
    """A function that begins an utterance with a network in memory that was trained to stream."""
    from vizinho.model.fast import chunks_of

    chunks = chunks_of(checkpoint.model.config.to_dict())
    assert chunks is not None
    features, size = LogMel.of(checkpoint.extractor.to_dict()), chunks.frames * checkpoint.subsampling
    vocabulary = int(checkpoint.model.config.vocab_size)
    return lambda: LiveUtterance(TorchChunks(checkpoint.model, chunks), features, size, vocabulary)


def load_live(folder: Path, threads: int = 1) -> Callable[[], Live]:
    """A function that begins an utterance with a folder that `export_stream.export` wrote.

    Raises ModelError when it is not a whole one.
    """
    try:
        settings = json.loads((folder / STREAM).read_text(encoding="utf-8"))
        if settings["format"] != STREAM_FORMAT:
            raise ModelError(f"export format {settings['format']}, this version reads {STREAM_FORMAT}", where=folder)
        features, size, vocabulary = (settings[key] for key in ("features", "chunk_features", "vocabulary"))
        bands = LogMel.of(features)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"not an exported stream ({error})", where=folder, fix="remove it: it is made again"
        ) from error
    # Sessions of onnxruntime may be shared by threads; the state is each utterance's own.
    session = open_session(folder / GRAPH, threads)
    return lambda: LiveUtterance(OnnxChunks(session, settings), bands, size, vocabulary)
