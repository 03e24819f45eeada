"""Deepgram's live interface: parameters of a stream in, events of the runtime out as messages; pure.

Shapes follow what the official client (deepgram-sdk 7.17) reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from vizinho.records import Word
from vizinho.server.protocols.deepgram import CommonQuery, Flag, UsedModel, timestamp, wire_words
from vizinho.server.protocols.deepgram_wire import Alternative, Metadata, ModelInfo, Warning_
from vizinho.server.protocols.phrases import written
from vizinho.server.security.refusals import Refusal


class LiveQuery(CommonQuery):
    """Parameters of WS /v1/listen."""

    encoding: str | None = Field(None, max_length=20)
    """linear16, mulaw, alaw, or opus with one packet a message."""
    sample_rate: int | None = Field(None, ge=4000, le=192_000)
    """Hz, of raw samples."""
    channels: int = Field(1, ge=1, le=8)
    interim_results: Flag = False
    endpointing: int | Literal[False] | None = Field(None)
    """Pause that ends an utterance, milliseconds; false for none."""
    vad_events: Flag = False
    utterance_end_ms: int | None = Field(None, ge=100, le=60_000)
    """UtteranceEnd is sent when nobody has said a word for this long."""

    @property
    def heard_channels(self) -> int:
        """Channels that are listened to: all of them, or their mean."""
        return self.channels if self.multichannel else 1

    @field_validator("endpointing", mode="before")
    @classmethod
    def _endpointing(cls, value: Any) -> Any:
        """`true` asks for the default, `false` for none."""
        return {"true": None, "": None, "false": False}.get(str(value).lower(), value)

    @field_validator("endpointing")
    @classmethod
    def _positive(cls, value: Any) -> Any:
        if value is not None and value is not False and not 10 <= value <= 60_000:
            raise ValueError("must be false, or from 10 to 60000")
        return value


class LiveChannel(BaseModel):
    """What was heard in one channel."""

    alternatives: list[Alternative]


class LiveMetadata(BaseModel):
    """Which model is at work."""

    request_id: str
    model_info: ModelInfo
    model_uuid: str


class LiveResults(BaseModel):
    """Words of a stretch of audio."""

    type: Literal["Results"] = "Results"
    channel_index: list[int]
    """The channel, and how many there are."""
    duration: float
    start: float
    is_final: bool
    speech_final: bool
    from_finalize: bool
    channel: LiveChannel
    metadata: LiveMetadata


class SpeechStarted(BaseModel):
    """Somebody began to speak."""

    type: Literal["SpeechStarted"] = "SpeechStarted"
    channel: list[int]
    timestamp: float


class UtteranceEnd(BaseModel):
    """Nobody has said a word for a while."""

    type: Literal["UtteranceEnd"] = "UtteranceEnd"
    channel: list[int]
    last_word_end: float


class StreamMetadata(Metadata):
    """The last message of a stream."""

    type: Literal["Metadata"] = "Metadata"


class StreamError(BaseModel):
    """Why a stream is closed before its end."""

    type: Literal["Error"] = "Error"
    variant: str
    description: str
    code: str
    message: str
    request_id: str


class StreamIdentity(BaseModel):
    """What every message of one stream says of it."""

    request_id: str
    model_ref: str
    model: ModelInfo
    channels: int

    @classmethod
    def of(cls, request_id: str, model: UsedModel, channels: int) -> StreamIdentity:
        """Identity of a stream that a model listens to."""
        info = ModelInfo(name=model.name, version=model.version, arch=model.arch)
        return cls(request_id=request_id, model_ref=model.ref, model=info, channels=channels)


def results(
    stream: StreamIdentity,
    channel: int,
    span_seconds: tuple[float, float],
    words: Sequence[Word],
    *,
    final: bool = True,
    speech_final: bool = False,
    from_finalize: bool = False,
    marks: tuple[bool, bool] | None = None,
) -> LiveResults:
    """Words of one stretch of one channel; `marks`: whether a sentence begins and ends there, None for no marks."""
    texts = written(words, begins=marks[0], ends=marks[1]) if marks else None
    start, end = span_seconds
    return LiveResults(
        channel_index=[channel, stream.channels],
        start=round(start, 3),
        duration=round(end - start, 3),
        is_final=final,
        speech_final=speech_final,
        from_finalize=from_finalize,
        channel=LiveChannel(
            alternatives=[
                Alternative(
                    transcript=" ".join(texts or [w.text for w in words]),
                    confidence=round(sum(w.confidence for w in words) / len(words), 4) if words else 0.0,
                    words=wire_words(words, texts),
                )
            ]
        ),
        metadata=LiveMetadata(request_id=stream.request_id, model_info=stream.model, model_uuid=stream.model_ref),
    )


def metadata(
    stream: StreamIdentity, sha256: str, duration_seconds: float, began: datetime, warnings: Sequence[Warning_] = ()
) -> StreamMetadata:
    """The last message: how much audio there was."""
    return StreamMetadata(
        request_id=stream.request_id,
        sha256=sha256,
        created=timestamp(began.astimezone(UTC)),
        duration=round(duration_seconds, 3),
        channels=stream.channels,
        models=[stream.model_ref],
        model_info={stream.model_ref: stream.model},
        warnings=list(warnings) or None,
    )


def error(refusal: Refusal, request_id: str) -> StreamError:
    """A refusal as a message."""
    return StreamError(
        variant=refusal.code,
        description=refusal.message,
        code=refusal.code,
        message=refusal.message,
        request_id=request_id,
    )
