"""Deepgram's live interface: parameters of a stream in, a worker's reports out as messages; pure.

Shapes follow what the official client (deepgram-sdk 7.17) reads.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_origin

from pydantic import BaseModel, Field, ValidationError, field_validator

from vizinho.recognition.written import written_words
from vizinho.server.protocols.deepgram import CommonQuery, Flag, alternative, check_encoding, model_info, timestamp
from vizinho.server.protocols.deepgram_wire import Metadata, Warning_
from vizinho.server.protocols.phrases import written
from vizinho.server.security.refusals import Refusal, invalid_value
from vizinho.server.served import ServedModel
from vizinho.server.workers.messages import Configuration, OpenStream, RawFormat, StreamEvent, StreamReport

OPUS_RATE = 48_000
CONTAINERS = {"ogg-opus", "flac"}  # names of encodings that come in a container

Message = dict[str, Any]


class LiveQuery(CommonQuery):
    """Parameters of WS /v1/listen."""

    # linear16, mulaw, alaw, or opus with one packet a message; without it the first bytes tell the container
    encoding: str | None = Field(None, max_length=20)
    sample_rate: int | None = Field(None, ge=4000, le=192_000)  # Hz, of raw samples
    channels: int = Field(1, ge=1, le=8)
    interim_results: Flag = False
    endpointing: int | Literal[False] | None = Field(None)  # pause that ends an utterance, milliseconds; false for none
    vad_events: Flag = False
    utterance_end_ms: int | None = Field(None, ge=100, le=60_000)  # silence after which UtteranceEnd is sent

    @property
    def transcribed_channels(self) -> int:
        """Channels that have results: all of them, or one of their mean. A container may turn out to have others."""
        return self.channels if self.multichannel else 1

    def audio_format(self) -> RawFormat | None:
        """What the stream's bytes are; None for a container. Raises Refusal 400 for what does not fit together."""
        if self.encoding is None or self.encoding in CONTAINERS:
            return None
        if self.encoding == "opus":
            return RawFormat("opus", self.sample_rate or OPUS_RATE, self.channels)
        return RawFormat(self.encoding, check_encoding(self.encoding, self.sample_rate), self.channels)

    def opening(self, model: ServedModel, max_seconds: float) -> OpenStream:
        """What a worker is asked for. Raises Refusal 400."""
        changing = self.configuration()
        return OpenStream(
            0,
            model,
            self.audio_format(),
            by_channel=self.multichannel,
            favoured=changing.favoured,
            partials=self.interim_results,
            pause_seconds=changing.pause_seconds,
            utterance_end_seconds=changing.utterance_end_seconds,
            speakers=self.speakers,
            max_seconds=max_seconds,
        )

    def configuration(self) -> Configuration:
        """How a worker listens. Raises Refusal 400."""
        pause = self.endpointing / 1000 if self.endpointing else None
        return Configuration(
            math.inf if self.endpointing is False else pause,
            self.utterance_end_ms / 1000 if self.utterance_end_ms is not None else None,
            None,
            self.favoured,
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


class _Configure(BaseModel):
    """The client's message Configure; what it does not name stays."""

    keyterms: list[str] | None = Field(None, max_length=100)
    features: dict[Literal["punctuate", "numerals", "smart_format", "profanity_filter"], bool] = {}


Query = TypeVar("Query", bound=BaseModel)


def read_query(pairs: Sequence[tuple[str, str]]) -> LiveQuery:
    """Check a stream's parameters. Raises Refusal 400."""
    query = checked_query(pairs, LiveQuery)
    query.audio_format()
    return query


def checked_query(pairs: Sequence[tuple[str, str]], kind: type[Query]) -> Query:
    """Parameters as values of `kind`. Raises Refusal 400."""
    try:
        return kind.model_validate(_sent_values(pairs, kind))
    except ValidationError as error:
        raise invalid_value(error) from None


def _sent_values(pairs: Sequence[tuple[str, str]], query: type[BaseModel]) -> dict[str, str | list[str]]:
    """Parameters by name: lists where the query may have several, and where it has."""
    lists = {name for name, field in query.model_fields.items() if get_origin(field.annotation) is list}
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name, []).append(value)
    return {n: v if n in lists or len(v) > 1 else v[0] for n, v in sent.items()}


class LiveMessages:
    """Turns what a worker reports of one stream into messages, and remembers what has been told of each channel."""

    kinds = ("KeepAlive", "Finalize", "CloseStream", "Configure")

    def __init__(
        self,
        query: LiveQuery,
        request_id: str,
        model: ServedModel,
        profane: frozenset[str] | None = None,
        warnings: Sequence[Warning_] = (),
    ) -> None:
        """`warnings` are of parameters that change nothing; Metadata repeats them, since clients show no headers."""
        self._change, self._profane = query.change(profane), profane
        self._query, self._request_id, self._model = query, request_id, model
        self._pending: tuple[LiveQuery, _Configure] | None = None  # until the worker has taken it
        self._count = query.transcribed_channels
        self._told_until = [0.0] * self._count  # seconds up to which final results have been given, by channel
        self._in_sentence = [False] * self._count  # whether the last final result was cut within a sentence
        self._digest, self._warnings = hashlib.sha256(), list(warnings)
        self.began = datetime.now(UTC)

    def opened(self) -> list[Message]:
        """Nothing is said before there is audio."""
        return []

    def add_audio(self, data: bytes) -> None:
        """Count audio into the hash that Metadata names."""
        self._digest.update(data)

    def results(self, report: StreamReport) -> list[Message]:
        """Messages on more audio."""
        self._know(report)
        return [m for event in report.events if (m := self._message(event)) is not None]

    def finalized(self, report: StreamReport) -> list[Message]:
        """Messages in answer to Finalize: at least one result for each channel, marked as the answer."""
        self._know(report)
        return [message for channel in range(self._count) for message in self._rest(channel, report, finalize=True)]

    def closed(self, report: StreamReport) -> list[Message]:
        """The last results of each channel, and Metadata."""
        self._know(report)
        messages = [message for channel in range(self._count) for message in self._rest(channel, report)]
        warnings = [*self._warnings]
        if report.bad_packets:
            text = f"{report.bad_packets} packets could not be decoded and were left out"
            warnings.append(Warning_(parameter="encoding", type="bad_packets", message=text))
        metadata = Metadata(
            request_id=self._request_id,
            sha256=self._digest.hexdigest(),
            created=timestamp(self.began),
            duration=report.seconds,
            channels=self._count,
            models=[self._model.ref],
            model_info={self._model.ref: model_info(self._model)},
            tags=self._query.tag or None,
            extra=self._query.extras,
            warnings=warnings or None,
        )
        return [*messages, {"type": "Metadata", **metadata.model_dump(exclude_none=True)}]

    def error(self, refusal: Refusal) -> Message:
        """A refusal as a message: why the stream is closed before its end."""
        text, code = refusal.message, refusal.code  # clients of several generations read different fields
        names = {"variant": code, "code": code, "description": text, "message": text}
        return {"type": "Error", **names, "request_id": self._request_id}

    @property
    def in_digits(self) -> bool:
        """Whether numbers are wanted in digits, also by a change that is under way."""
        return (self._pending[0] if self._pending else self._query).in_digits

    def configuration(self, message: Mapping[str, Any]) -> Configuration:
        """What Configure asks of the worker. Raises Refusal, after which the stream goes on as it was."""
        self._pending = None
        try:
            sent = _Configure.model_validate({name: value for name, value in message.items() if value is not None})
        except ValidationError as error:
            raise invalid_value(error) from None
        changes: dict[str, Any] = {name: on for name, on in sent.features.items()}  # noqa: C416
        if sent.keyterms is not None:
            changes["keyterm"] = sent.keyterms
        query = self._query.model_copy(update=changes)
        query.change(self._profane)
        self._pending = query, sent
        return query.configuration()

    def configured(self, refusal: Refusal | None = None) -> Message:
        """The answer to Configure."""
        about = {"request_id": self._request_id}
        if refusal is not None or self._pending is None:
            self._pending = None
            code, text = (refusal.code, refusal.message) if refusal else ("BAD_MESSAGE", "")
            return {"type": "ConfigureFailure", **about, "code": code, "description": text}
        (self._query, sent), self._pending = self._pending, None
        self._change = self._query.change(self._profane)
        keyterms = {} if sent.keyterms is None else {"keyterms": sent.keyterms}
        return {"type": "ConfigureSuccess", **about, **keyterms}

    def _know(self, report: StreamReport) -> None:
        """The head of a container says how many channels there are."""
        if report.channels != self._count:
            self._count = report.channels
            self._told_until, self._in_sentence = [0.0] * self._count, [False] * self._count

    def _rest(self, channel: int, report: StreamReport, *, finalize: bool = False) -> list[Message]:
        events = [event for event in report.events if event.channel == channel]
        messages = [m for event in events if (m := self._message(event, finalize)) is not None]
        if messages:
            return messages
        return [self._results(StreamEvent("final", channel, report.seconds, paused=True), finalize)]

    def _message(self, event: StreamEvent, finalize: bool = False) -> Message | None:
        channel, seconds = event.channel, round(event.seconds, 3)
        match event.kind:
            case "speech_started" if self._query.vad_events:
                return {"type": "SpeechStarted", "channel": [channel], "timestamp": seconds}
            case "utterance_end" if self._query.utterance_end_ms is not None:
                return {"type": "UtteranceEnd", "channel": [channel, self._count], "last_word_end": seconds}
            case "partial" | "final":
                return self._results(event, finalize)
            case _:
                return None

    def _results(self, event: StreamEvent, finalize: bool) -> Message:
        channel, final = event.channel, event.kind == "final"
        numerals = self._model.language if self._query.in_digits else ""
        words, _ = written_words(event.words, None, numerals, self._change)
        start = self._told_until[channel]
        end = max(start, event.seconds)
        texts = None
        if self._query.written:
            texts = written(words, begins=not self._in_sentence[channel], ends=event.paused)
        if final:
            self._told_until[channel], self._in_sentence[channel] = end, not event.paused
        model = {"model_info": model_info(self._model).model_dump(), "model_uuid": self._model.ref}
        return {
            "type": "Results",
            "channel_index": [channel, self._count],
            "start": round(start, 3),
            "duration": round(end - start, 3),
            "is_final": final,
            "speech_final": event.paused,
            "from_finalize": finalize and final,
            "channel": {"alternatives": [alternative(words, texts).model_dump(exclude_none=True)]},
            "metadata": {"request_id": self._request_id, **model},
        }
