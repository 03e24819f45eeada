"""Deepgram's live interface: parameters of a stream in, a worker's reports out as messages; pure.

Shapes follow what the official client (deepgram-sdk 7.17) reads.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator

from vizinho.records import Word
from vizinho.server.protocols.deepgram import CommonQuery, Flag, check_encoding, model_info, timestamp, wire_words
from vizinho.server.protocols.deepgram_wire import Alternative, Metadata, ModelInfo, Warning_
from vizinho.server.protocols.phrases import written
from vizinho.server.security.refusals import Refusal, bad_parameter, invalid_value
from vizinho.server.served import ServedModel
from vizinho.server.workers.messages import OpenStream, RawFormat, StreamEvent, StreamReport

OPUS_RATE = 48_000
_LISTS = {"tag", "extra", "keywords", "keyterm"}
"""Parameters that may be repeated."""

Message = dict[str, Any]


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
    def transcribed_channels(self) -> int:
        """Channels that have results: all of them, or one of their mean."""
        return self.channels if self.multichannel else 1

    def audio_format(self) -> RawFormat:
        """What the stream's bytes are. Raises Refusal 400 for parameters that do not fit together."""
        if self.encoding is None:
            raise bad_parameter("encoding", "streams need it: linear16, mulaw, alaw or opus (one packet a message)")
        if self.encoding == "opus":
            return RawFormat("opus", self.sample_rate or OPUS_RATE, self.channels)
        return RawFormat(self.encoding, check_encoding(self.encoding, self.sample_rate), self.channels)

    def opening(self, model: ServedModel, max_seconds: float) -> OpenStream:
        """What a worker is asked for. Raises Refusal 400."""
        pause = self.endpointing / 1000 if self.endpointing else None
        return OpenStream(
            0,
            model,
            self.audio_format(),
            by_channel=self.multichannel,
            favoured=self.favoured,
            partials=self.interim_results,
            pause_seconds=math.inf if self.endpointing is False else pause,
            utterance_end_seconds=self.utterance_end_ms / 1000 if self.utterance_end_ms is not None else None,
            max_seconds=max_seconds,
        )

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


def read_query(pairs: Sequence[tuple[str, str]]) -> LiveQuery:
    """Check a stream's parameters. Raises Refusal 400."""
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name, []).append(value)
    try:
        query = LiveQuery.model_validate({n: v if n in _LISTS or len(v) > 1 else v[0] for n, v in sent.items()})
    except ValidationError as error:
        raise invalid_value(error) from None
    query.audio_format()
    return query


class LiveChannel(BaseModel):
    """What was recognised in one channel."""

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


class SpeechStartedMessage(BaseModel):
    """Somebody began to speak."""

    type: Literal["SpeechStarted"] = "SpeechStarted"
    channel: list[int]
    timestamp: float


class UtteranceEndMessage(BaseModel):
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


class LiveMessages:
    """Turns what a worker reports of one stream into messages, and remembers what has been told of each channel."""

    def __init__(self, query: LiveQuery, request_id: str, model: ServedModel) -> None:
        self._query, self._request_id, self._model = query, request_id, model
        self._count = query.transcribed_channels
        self._told_until = [0.0] * self._count
        """Seconds up to which final results have been given, by channel."""
        self._in_sentence = [False] * self._count
        """Whether the last final result was cut within a sentence."""
        self._digest = hashlib.sha256()
        self.began = datetime.now(UTC)

    def add_audio(self, data: bytes) -> None:
        """Count audio into the hash that Metadata names."""
        self._digest.update(data)

    def heard(self, report: StreamReport) -> list[Message]:
        """Messages on more audio."""
        return [m for event in report.events if (m := self._message(event)) is not None]

    def finalized(self, report: StreamReport) -> list[Message]:
        """Messages in answer to Finalize: at least one result for each channel, marked as the answer."""
        return [message for channel in range(self._count) for message in self._rest(channel, report, finalize=True)]

    def closed(self, report: StreamReport) -> list[Message]:
        """The last results of each channel, and Metadata."""
        messages = [message for channel in range(self._count) for message in self._rest(channel, report)]
        text = f"{report.bad_packets} packets could not be decoded and were left out"
        warnings = [Warning_(parameter="encoding", type="bad_packets", message=text)] if report.bad_packets else None
        metadata = StreamMetadata(
            request_id=self._request_id,
            sha256=self._digest.hexdigest(),
            created=timestamp(self.began),
            duration=round(report.seconds, 3),
            channels=self._count,
            models=[self._model.ref],
            model_info={self._model.ref: model_info(self._model)},
            warnings=warnings,
        )
        return [*messages, metadata.model_dump(exclude_none=True)]

    def error(self, refusal: Refusal) -> Message:
        """A refusal as a message."""
        return StreamError(
            variant=refusal.code,
            description=refusal.message,
            code=refusal.code,
            message=refusal.message,
            request_id=self._request_id,
        ).model_dump()

    def not_configurable(self) -> Message:
        """The answer to Configure."""
        return {
            "type": "ConfigureFailure",
            "request_id": self._request_id,
            "code": "UNSUPPORTED",
            "description": "a stream keeps the parameters it began with",
        }

    def _rest(self, channel: int, report: StreamReport, *, finalize: bool = False) -> list[Message]:
        events = [event for event in report.events if event.channel == channel]
        messages = [m for event in events if (m := self._message(event, finalize)) is not None]
        if messages:
            return messages
        return [self._results(StreamEvent("final", channel, report.seconds, paused=True), finalize)]

    def _message(self, event: StreamEvent, finalize: bool = False) -> Message | None:
        seconds = round(event.seconds, 3)
        match event.kind:
            case "speech_started" if self._query.vad_events:
                return SpeechStartedMessage(channel=[event.channel], timestamp=seconds).model_dump()
            case "utterance_end" if self._query.utterance_end_ms is not None:
                return UtteranceEndMessage(channel=[event.channel, self._count], last_word_end=seconds).model_dump()
            case "partial" | "final":
                return self._results(event, finalize)
            case _:
                return None

    def _results(self, event: StreamEvent, finalize: bool) -> Message:
        channel, words, final = event.channel, event.words, event.kind == "final"
        start = self._told_until[channel]
        end = max(start, event.seconds)
        texts: Sequence[str] = [word.text for word in words]
        if self._query.written:
            texts = written(words, begins=not self._in_sentence[channel], ends=event.paused)
        if final:
            self._told_until[channel], self._in_sentence[channel] = end, not event.paused
        return LiveResults(
            channel_index=[channel, self._count],
            start=round(start, 3),
            duration=round(end - start, 3),
            is_final=final,
            speech_final=event.paused,
            from_finalize=finalize and final,
            channel=LiveChannel(alternatives=[_alternative(words, texts, written=self._query.written)]),
            metadata=LiveMetadata(
                request_id=self._request_id, model_info=model_info(self._model), model_uuid=self._model.ref
            ),
        ).model_dump(exclude_none=True)


def _alternative(words: Sequence[Word], texts: Sequence[str], *, written: bool) -> Alternative:
    return Alternative(
        transcript=" ".join(texts),
        confidence=round(sum(word.confidence for word in words) / len(words), 4) if words else 0.0,
        words=wire_words(words, texts if written else None),
    )
