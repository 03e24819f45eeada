"""What passes between the server's process and its workers: orders one way, reports the other.

Neutral: a worker knows nothing of Deepgram's or OpenAI's interface. Importing this file loads no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vizinho.records import Transcript, Word
from vizinho.server.security.refusals import Refusal
from vizinho.server.served import ServedModel


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker needs to know."""

    engine: str = "onnx"
    classifier: Path | None = None  # folder of a classifier of topics
    models_loaded: int = 8  # models in memory; the one that was used longest ago is forgotten first
    threads: int = 1  # threads of one network call


@dataclass(frozen=True, slots=True)
class RawFormat:
    """What samples without a container are: linear16, mulaw, alaw, or in streams opus with one packet a message."""

    encoding: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class FileJob:
    """One recording to transcribe."""

    id: int
    audio: bytes
    model: ServedModel
    raw: RawFormat | None = None
    by_channel: bool = False  # whether every channel gets a transcript of its own; they are averaged otherwise
    candidates: tuple[ServedModel, ...] = ()  # models to choose the language between; `model` is then not used
    topics: bool = False
    speakers: bool = False  # whether people are told apart
    voices: tuple[bytes, ...] = ()  # recordings of people who may speak, whose numbers are 1, 2, ...
    favoured: tuple[tuple[str, float], ...] = ()  # words and phrases to favour, and the nats each is worth
    hint: str = ""  # text whose words are likelier; those that the model cannot write are left out
    deltas: bool = False  # whether text is wanted as it is recognised
    max_seconds: float = 3600.0
    max_channels: int = 8


@dataclass(frozen=True, slots=True)
class Preload:
    """Load a model before anybody asks for it."""

    model: ServedModel


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream begins."""

    id: int
    model: ServedModel
    audio: RawFormat | None  # None for a container, which its first bytes tell
    by_channel: bool = False  # whether every channel is transcribed by itself; their mean is otherwise
    favoured: tuple[tuple[str, float], ...] = ()
    partials: bool = False
    pause_seconds: float | None = None  # pause that makes a result final; None for the recogniser's own, inf for none
    utterance_end_seconds: float | None = None  # silence after which an utterance's end is reported; None for never
    partial_seconds: float = 0.5  # audio between partial results
    short_pause_seconds: float | None = None  # pause within an utterance that is reported; None for none
    hint: str = ""  # text whose words are likelier
    speech_probability: float = 0.5  # an utterance begins where speech is at least this likely
    report_empty: bool = False  # whether utterances without words have final results
    speakers: bool = False  # whether people are told apart in final results
    max_seconds: float = 3600.0
    max_channels: int = 8


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a stream may change while it is open; see OpenStream."""

    pause_seconds: float | None
    utterance_end_seconds: float | None
    short_pause_seconds: float | None
    favoured: tuple[tuple[str, float], ...]
    hint: str = ""
    speech_probability: float = 0.5


StreamOrderKind = Literal["audio", "configure", "finalize", "clear", "close", "drop"]


@dataclass(frozen=True, slots=True)
class StreamOrder:
    """What an open stream is to do. The worker answers each with a StreamReport before it is sent the next.

    "audio" brings more of it, "configure" changes how it is listened to, "finalize" makes what was said so far final,
    "clear" forgets what is not final, "close" asks for the last results; "drop" has no report: the client is gone.
    """

    id: int
    kind: StreamOrderKind
    data: bytes = b""
    configuration: Configuration | None = None
    sent_at: float | None = None
    """Of the clock that all processes share (`time.monotonic`): how late the worker comes to it."""


Order = FileJob | Preload | OpenStream | StreamOrder


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker's process has started."""

    topics: bool  # whether a classifier is installed


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
    """A job's transcripts, one per channel, and the model that made them."""

    id: int
    transcripts: tuple[Transcript, ...]
    model: ServedModel
    detected: tuple[str, float] | None = None  # a language chosen by listening, and its share (0 to 1) of the evidence
    topics: tuple[tuple[str, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A job or a stream's order that was refused."""

    id: int
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """What happened in one channel of a stream; seconds count from the stream's beginning."""

    kind: Literal["speech_started", "partial", "paused", "resumed", "final", "utterance_end"]
    channel: int
    seconds: float  # where speech starts or pauses, where the audio of the words ends, or where the last word ends
    words: tuple[Word, ...] = ()
    paused: bool = False  # of a final result: the speaker paused, so speech was not cut for its length or on request


@dataclass(frozen=True, slots=True)
class StreamReport:
    """What came of one order of a stream."""

    id: int
    model: ServedModel
    events: tuple[StreamEvent, ...] = ()
    seconds: float = 0.0  # all audio accepted so far
    channels: int = 1  # that have results
    silence_seconds: float = 0.0  # how long nobody has spoken within the first channel's open utterance
    bad_packets: int = 0  # packets left out so far, because they could not be decoded
    late_seconds: float | None = None  # how long audio waits for this worker at the moment, a moving mean


Report = Ready | Loaded | Delta | FileDone | Failed | StreamReport
