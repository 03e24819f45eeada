"""Decodes an utterance while it is spoken: every frame goes through the network once, for models trained to stream."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import Waveform
from vizinho.audio.logmel import Frames, LogMel, RunningFeatures, at_least_minimum
from vizinho.decoding.greedy import LogProbs
from vizinho.errors import ModelError
from vizinho.files import json_object
from vizinho.recognition.graphs import open_session

if TYPE_CHECKING:
    from vizinho.model.fast import Chunks
    from vizinho.model.networks import Checkpoint


GRAPH, STREAM = "stream.onnx", "stream.json"
"""Files of an exported stream (`vizinho.recognition.export_stream`)."""
STREAM_FORMAT = 1
CHUNKS = "vizinho_chunks"
"""Key of config.json under which `vizinho.model.fast.set_chunks` notes how a model streams."""


class Encoder(Protocol):
    """A network that was trained to stream, for any number of streams."""

    def begin(self) -> Any:
        """What one stream has to remember, before its first chunk."""

    def encode(self, chunks: Sequence[Frames], memories: Sequence[Any]) -> list[LogProbs]:
        """Features (T, F) of the next chunk of each stream, all of one length, to log-probabilities (T', V)."""


@dataclass(slots=True)
class _Memory:
    """What one stream through an exported graph remembers."""

    state: list[npt.NDArray[np.float32]]
    """Feature frames before the chunk, and what attention and convolutions look back to."""
    seen: int = 0
    """Output frames so far."""


class OnnxChunks:
    """An exported graph (`export_stream`); streams of any age share its calls."""

    def __init__(self, session: Any, settings: Mapping[str, Any]) -> None:
        self._session, self._remembered, self._shapes = session, int(settings["remembered"]), settings["state"]

    def begin(self) -> _Memory:
        """See Encoder."""
        return _Memory([np.zeros(shape, np.float32) for shape in self._shapes])

    def encode(self, chunks: Sequence[Frames], memories: Sequence[_Memory]) -> list[LogProbs]:
        """See Encoder."""
        states = zip(*(memory.state for memory in memories), strict=True)
        before, attended, convolved = (np.concatenate(s, axis) for s, axis in zip(states, _STREAM_AXES, strict=True))
        inputs = {
            "features": np.stack([chunk.T for chunk in chunks]),  # (B, F, T)
            "before": before,
            "attended": attended,
            "convolved": convolved,
            "seen": np.array([min(memory.seen, self._remembered) for memory in memories], np.int64),
            "begun": np.array([float(memory.seen > 0) for memory in memories], np.float32),
        }
        log_probs, *state = self._session.run(None, inputs)
        for place, memory in enumerate(memories):
            # Copies: a view would hold the state of all streams of the call.
            memory.state = [part.take([place], axis) for part, axis in zip(state, _STREAM_AXES, strict=True)]
            memory.seen += log_probs.shape[1]  # T' frames of (B, T', V)
        return list(log_probs)


_STREAM_AXES = (0, 1, 1)
"""Where B stands in the shapes of the state: (B, F, T), (layers, B, ...), (layers, B, ...)."""


class TorchChunks:
    """A network in torch, one stream after another."""

    def __init__(self, model: Any, chunks: Chunks) -> None:
        self._model, self._chunks = model, chunks

    def begin(self) -> Any:
        """See Encoder."""
        from vizinho.model.streaming import ChunkedEncoder

        return ChunkedEncoder(self._model, self._chunks)

    def encode(self, chunks: Sequence[Frames], memories: Sequence[Any]) -> list[LogProbs]:
        """See Encoder."""
        import torch

        return [memory(torch.from_numpy(chunk)).numpy() for chunk, memory in zip(chunks, memories, strict=True)]


class Live:
    """An utterance that is being spoken: samples to features to chunks to log-probabilities, each computed once."""

    def __init__(self, encoder: Encoder, features: LogMel, chunk_features: int, vocabulary: int) -> None:
        self.encoder, self.memory = encoder, encoder.begin()
        self._settings = features, chunk_features, vocabulary
        self.chunks: deque[Frames] = deque()
        """Complete chunks that wait for `compute`."""
        self.log_probs: LogProbs = np.zeros((0, vocabulary), np.float32)
        """(T, V) of all that is computed; a decoder starts again from the first frame."""
        self._features, self._samples = RunningFeatures(features, chunk_features), 0

    def take(self, samples: Waveform) -> None:
        """Take the next 16 kHz samples (N,)."""
        self._samples += samples.size
        self.chunks += self._features.feed(samples)

    def take_end(self) -> None:
        """Nothing may follow."""
        # An utterance too short for one frame is padded with silence.
        short = at_least_minimum(np.zeros(self._samples, np.float32)).size - self._samples
        self.take(np.zeros(short, np.float32))
        self.chunks += self._features.finish()

    def completes(self, samples: int) -> bool:
        """Whether an utterance of so many samples has another chunk."""
        return samples >= self._features.samples_for_chunk

    @property
    def begun(self) -> bool:
        """Whether a chunk is complete."""
        return bool(self.chunks) or len(self.log_probs) > 0

    def ended_after(self, samples: Waveform) -> Live:
        """An utterance of these samples (N,) alone: what the first chunk says before it is complete."""
        utterance = Live(self.encoder, *self._settings)
        utterance.take(samples)
        utterance.take_end()
        return utterance

    def feed(self, samples: Waveform) -> LogProbs:
        """Take samples and compute; returns log-probabilities (T, V) of all complete chunks so far."""
        self.take(samples)
        compute([self])
        return self.log_probs

    def finish(self) -> LogProbs:
        """Take the end and compute; returns log-probabilities (T, V) of the whole utterance."""
        self.take_end()
        compute([self])
        return self.log_probs


MOST_TOGETHER = 16
"""Streams of one call: more of them gain nothing (bench/stream_batches.py)."""


def compute(utterances: Sequence[Live]) -> None:
    """Compute the chunks that wait, with one call for the next chunk of all utterances of a network."""
    while True:
        groups: dict[tuple[int, int], list[Live]] = {}
        for utterance in utterances:
            if utterance.chunks:
                groups.setdefault((id(utterance.encoder), len(utterance.chunks[0])), []).append(utterance)
        if not groups:
            return
        for group in groups.values():
            for first in range(0, len(group), MOST_TOGETHER):
                _compute_next(group[first : first + MOST_TOGETHER])


def _compute_next(utterances: Sequence[Live]) -> None:
    chunks = [utterance.chunks.popleft() for utterance in utterances]
    computed = utterances[0].encoder.encode(chunks, [utterance.memory for utterance in utterances])
    for utterance, log_probs in zip(utterances, computed, strict=True):
        utterance.log_probs = np.concatenate([utterance.log_probs, log_probs])


def streams(folder: Path) -> bool:
    """Whether the model of a folder was trained to stream; read without torch, which other models may not need."""
    return bool(json_object(folder / "config.json").get(CHUNKS))


def torch_live(checkpoint: Checkpoint) -> Callable[[], Live]:
    """A function that begins an utterance with a network in memory that was trained to stream."""
    from vizinho.model.fast import chunks_of

    chunks = chunks_of(checkpoint.model.config.to_dict())
    assert chunks is not None
    features, size = LogMel.of(checkpoint.extractor.to_dict()), chunks.frames * checkpoint.subsampling
    vocabulary = int(checkpoint.model.config.vocab_size)
    encoder = TorchChunks(checkpoint.model, chunks)
    return lambda: Live(encoder, features, size, vocabulary)


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
    encoder = OnnxChunks(open_session(folder / GRAPH, threads), settings)
    return lambda: Live(encoder, bands, size, vocabulary)
