"""What passes between the server's process and its workers: jobs and streams one way, answers the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizinho.records import Transcript
from vizinho.server.protocols.deepgram_live import LiveQuery
from vizinho.server.security.refusals import Refusal


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker needs to know."""

    engine: str = "onnx"
    classifier: Path | None = None
    """Folder of a classifier of topics."""
    models_loaded: int = 8
    """Models kept in memory; the one that was used longest ago is forgotten first."""
    threads: int = 1
    """Threads of one network call."""


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Which model, and where its files are."""

    ref: str
    name: str
    version: int
    folder: Path
    language: str


@dataclass(frozen=True, slots=True)
class RawFormat:
    """What samples without a container are."""

    encoding: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class FileJob:
    """One recording to transcribe."""

    id: int
    audio: bytes
    model: ModelPlace
    raw: RawFormat | None = None
    by_channel: bool = False
    """Whether every channel gets a transcript of its own; they are averaged otherwise."""
    candidates: tuple[ModelPlace, ...] = ()
    """Models to choose the language between; `model` is then not used."""
    topics: bool = False
    favoured: tuple[tuple[str, float], ...] = ()
    """Words and phrases to favour, and the nats each is worth."""
    deltas: bool = False
    """Whether text is wanted as it is recognised."""
    max_seconds: float = 3600.0
    max_channels: int = 8


@dataclass(frozen=True, slots=True)
class Preload:
    """Have a model ready before anybody asks for it."""

    model: ModelPlace


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream begins."""

    id: int
    request_id: str
    model: ModelPlace
    query: LiveQuery
    max_seconds: float


@dataclass(frozen=True, slots=True)
class StreamAudio:
    """More audio of a stream. The worker answers every one with StreamMessages before it is sent the next."""

    id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamFinalize:
    """Make what was said so far final."""

    id: int


@dataclass(frozen=True, slots=True)
class StreamClose:
    """Give the last messages and forget the stream."""

    id: int


@dataclass(frozen=True, slots=True)
class StreamDrop:
    """Forget the stream; its client is gone. There is no answer."""

    id: int


Order = FileJob | Preload | OpenStream | StreamAudio | StreamFinalize | StreamClose | StreamDrop


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker's process has started."""

    topics: bool
    """Whether a classifier is installed."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A preloaded model is ready; `problem` says why not."""

    ref: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """More text of a job that wants deltas."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class FileDone:
    """A job's transcripts, one per channel, and how long the worker took."""

    id: int
    transcripts: tuple[Transcript, ...]
    model: ModelPlace
    seconds: float
    detected: tuple[str, float] | None = None
    topics: tuple[tuple[str, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A job or a stream's order that was refused."""

    id: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class StreamMessages:
    """What a stream's client is to be sent."""

    id: int
    messages: tuple[dict[str, Any], ...]
    audio_seconds: float
    """Audio accepted since the answer before."""


Answer = Ready | Loaded | Delta | FileDone | Failed | StreamMessages
