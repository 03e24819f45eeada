"""Deepgram's interface of turns (Flux, /v2/listen): parameters in, a worker's reports out as TurnInfo; pure.

Shapes follow what the official client (deepgram-sdk 7.17) reads. A turn is what one speaker says until a pause. How
sure its end is follows from the length of the pause alone: the models know nothing of meaning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vizinho.decoding.hotwords import DEFAULT_BOOST
from vizinho.recognition.written import Change, written_words
from vizinho.records import Word
from vizinho.server.protocols.deepgram import Flag, changing, check_encoding
from vizinho.server.protocols.deepgram_live import CONTAINERS, OPUS_RATE, Message, checked_query
from vizinho.server.protocols.phrases import written
from vizinho.server.security.refusals import Refusal, bad_parameter, invalid_value
from vizinho.server.served import ServedModel
from vizinho.server.workers.messages import Configuration, OpenStream, RawFormat, StreamEvent, StreamReport

HALF_LIFE_SECONDS = 0.35
"""A pause this long makes an end as likely as not; each further one halves the doubt."""
_PARTIAL_SECONDS = 0.25

TurnEvent = Literal["StartOfTurn", "Update", "EagerEndOfTurn", "TurnResumed", "EndOfTurn"]


def confidence_of_end(pause_seconds: float) -> float:
    """How sure it is that a turn has ended after a pause, 0 to 1."""
    return 1.0 - math.pow(0.5, pause_seconds / HALF_LIFE_SECONDS)


def pause_for(confidence: float) -> float:
    """The pause, in seconds, after which a turn's end is this sure; infinite for 1."""
    return math.inf if confidence >= 1.0 else -HALF_LIFE_SECONDS * math.log2(1.0 - confidence)


class Thresholds(BaseModel):
    """When a turn ends. Configure changes those that it names."""

    eager_eot_threshold: float | None = Field(None, ge=0.3, le=0.9)  # of EagerEndOfTurn; without it there is none
    eot_threshold: float = Field(0.7, ge=0.5, le=1.0)
    eot_timeout_ms: int = Field(5000, ge=500, le=60_000)  # a pause that ends a turn however unsure

    def configuration(self, keyterms: Sequence[str]) -> Configuration:
        """What a worker does by these."""
        timeout = self.eot_timeout_ms / 1000
        eager = pause_for(self.eager_eot_threshold) if self.eager_eot_threshold is not None else None
        favoured = tuple((term, DEFAULT_BOOST) for term in keyterms)
        return Configuration(min(pause_for(self.eot_threshold), timeout), timeout, eager, favoured)


class FluxQuery(Thresholds):
    """Parameters of WS /v2/listen. What is not declared ends in `model_extra`."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(None, max_length=200)
    encoding: str | None = Field(None, max_length=20)
    sample_rate: int | None = Field(None, ge=4000, le=192_000)  # Hz, of raw samples
    keyterm: list[str] = Field([], max_length=100)
    language_hint: list[str] = Field([], max_length=20)
    numerals: Flag = False  # as in v1
    profanity_filter: Flag = False
    tag: list[str] = []
    mip_opt_out: Flag = False  # no audio is kept in any case

    def audio_format(self) -> RawFormat | None:
        """What the stream's bytes are; None for a container. Raises Refusal 400 for what does not fit together."""
        if self.encoding is None or self.encoding in CONTAINERS:
            return None
        if self.encoding == "opus":
            return RawFormat("opus", self.sample_rate or OPUS_RATE, 1)
        return RawFormat(self.encoding, check_encoding(self.encoding, self.sample_rate), 1)

    @property
    def in_digits(self) -> bool:
        """Whether numbers are wanted in digits."""
        return self.numerals

    def change(self, profane: frozenset[str] | None) -> Change:
        """What the request does to words. Raises Refusal 400 where there is no list of profane words."""
        return changing((), profane, mask=self.profanity_filter)

    def opening(self, model: ServedModel, max_seconds: float) -> OpenStream:
        """What a worker is asked for."""
        changing = self.configuration(self.keyterm)
        return OpenStream(
            0,
            model,
            self.audio_format(),
            favoured=changing.favoured,
            partials=True,
            partial_seconds=_PARTIAL_SECONDS,
            pause_seconds=changing.pause_seconds,
            short_pause_seconds=changing.short_pause_seconds,
            utterance_end_seconds=changing.utterance_end_seconds,
            max_seconds=max_seconds,
        )


class _Configure(BaseModel):
    """The client's message Configure."""

    thresholds: dict[str, float | int | None] = {}
    keyterms: list[str] | None = Field(None, max_length=100)


def read_flux_query(pairs: Sequence[tuple[str, str]]) -> FluxQuery:
    """Check a stream's parameters. Raises Refusal 400."""
    query = checked_query(pairs, FluxQuery)
    query.audio_format()
    return query


class FluxMessages:
    """Turns what a worker reports of one stream into messages, and remembers the turn that goes on."""

    kinds = ("KeepAlive", "ForceEndTurn", "CloseStream", "Configure")

    def __init__(
        self, query: FluxQuery, request_id: str, language: str = "", profane: frozenset[str] | None = None
    ) -> None:
        self.in_digits = query.in_digits
        self._numerals, self._change = language if query.in_digits else "", query.change(profane)
        self._thresholds, self._keyterms = (
            Thresholds(**query.model_dump(include=set(Thresholds.model_fields))),
            query.keyterm,
        )
        self._pending = self._thresholds, self._keyterms  # until the worker has taken them
        self._request_id = request_id
        self._sequence = self._turn = 0
        self._words: tuple[Word, ...] = ()  # final ones of the turn that goes on
        self._latest: tuple[Word, ...] = ()  # all of its words so far
        self._began: float | None = None  # seconds where the turn began; None between turns
        self._eager = False

    def opened(self) -> list[Message]:
        """The first message."""
        return [self._message("Connected", request_id=self._request_id)]

    def add_audio(self, data: bytes) -> None:
        """Nothing is told of the bytes."""

    def results(self, report: StreamReport) -> list[Message]:
        """Messages on more audio."""
        return [m for event in report.events for m in self._turned(event, report.silence_seconds)]

    def finalized(self, report: StreamReport) -> list[Message]:
        """The end of a turn that the client forces; nothing between turns."""
        return [*self.results(report), *self._end("manual", report.seconds, 1.0)]

    def closed(self, report: StreamReport) -> list[Message]:
        """The last words end the turn."""
        return [*self.results(report), *self._end("model", report.seconds, 1.0)]

    def error(self, refusal: Refusal) -> Message:
        """A refusal as a message: why the stream is closed before its end."""
        return self._message("Error", code=refusal.code, description=refusal.message)

    def configuration(self, message: Mapping[str, Any]) -> Configuration:
        """What Configure asks of the worker. Raises Refusal, after which the stream goes on as it was."""
        try:
            sent = _Configure.model_validate(message)
            thresholds = Thresholds.model_validate(self._thresholds.model_dump() | sent.thresholds)
        except ValidationError as error:
            raise invalid_value(error) from None
        unknown = set(sent.thresholds) - set(Thresholds.model_fields)
        if unknown:
            raise bad_parameter(min(unknown), "no such threshold")
        self._pending = thresholds, self._keyterms if sent.keyterms is None else sent.keyterms
        return thresholds.configuration(self._pending[1])

    def configured(self, refusal: Refusal | None = None) -> Message:
        """The answer to Configure."""
        if refusal is not None:
            what = f"{refusal.parameter}: {refusal.message}" if refusal.parameter else refusal.message
            return self._message("ConfigureFailure", request_id=self._request_id, code=refusal.code, description=what)
        self._thresholds, self._keyterms = self._pending
        thresholds = self._thresholds.model_dump(exclude_none=True)
        return self._message(
            "ConfigureSuccess", request_id=self._request_id, thresholds=thresholds, keyterms=self._keyterms
        )

    def _turned(self, event: StreamEvent, silence_seconds: float) -> list[Message]:
        sure = confidence_of_end(silence_seconds)
        match event.kind:
            case "partial":
                return self._told((*self._words, *event.words), event.seconds, sure)
            case "final":
                self._words = (*self._words, *event.words)
                # Without new words the final ones before are all, whatever the last partial result guessed.
                self._latest = self._words or self._latest
                told = self._told(self._words, event.seconds, sure) if event.words else []
                return [*told, *self._end("model", event.seconds, self._sure_enough())] if event.paused else told
            case "paused" if self._began is not None and self._thresholds.eager_eot_threshold is not None:
                self._eager = True
                return [self._info("EagerEndOfTurn", event.seconds, max(sure, self._thresholds.eager_eot_threshold))]
            case "resumed" if self._eager:
                self._eager = False
                return [self._info("TurnResumed", event.seconds, sure)]
            case "utterance_end":
                return self._end("timeout", event.seconds, sure)
            case _:
                return []

    def _told(self, words: tuple[Word, ...], seconds: float, sure: float) -> list[Message]:
        """A turn starts with its first words; further ones are updates."""
        if not words:
            return []
        # Not with the voice but with its first words: a cough is no turn.
        starts = self._began is None
        self._latest = words
        if self._began is None:
            self._began = words[0].start_seconds
        return [self._info("StartOfTurn" if starts else "Update", seconds, sure)]

    def _end(self, trigger: str, seconds: float, sure: float) -> list[Message]:
        # Silence before the first word is no turn, and neither is a second report on the end of one.
        if self._began is None:
            return []
        # Whichever of the two pauses is shorter made the words final.
        if trigger == "model" and pause_for(self._thresholds.eot_threshold) > self._thresholds.eot_timeout_ms / 1000:
            trigger = "timeout"
        message = self._info("EndOfTurn", seconds, sure) | {"trigger": trigger}
        self._words = self._latest = ()
        self._began, self._eager = None, False
        self._turn += 1
        return [message]

    def _sure_enough(self) -> float:
        """A pause that made words final was as long as the threshold wants, or as the timeout."""
        pause = min(pause_for(self._thresholds.eot_threshold), self._thresholds.eot_timeout_ms / 1000)
        return confidence_of_end(pause)

    def _info(self, event: TurnEvent, seconds: float, sure: float) -> Message:
        finished, _ = written_words(self._latest, None, self._numerals, self._change)
        texts = written(finished, begins=True, ends=event in ("EagerEndOfTurn", "EndOfTurn"))
        words = [
            {"word": text, "confidence": w.confidence, "start": w.start_seconds, "end": w.end_seconds}
            for text, w in zip(texts, finished, strict=True)
        ]
        return self._message(
            "TurnInfo",
            request_id=self._request_id,
            event=event,
            turn_index=self._turn,
            audio_window_start=round(self._began or 0.0, 3),
            audio_window_end=round(seconds, 3),
            transcript=" ".join(texts),
            words=words,
            end_of_turn_confidence=round(sure, 4),
        )

    def _message(self, kind: str, **values: Any) -> Message:
        message = {"type": kind, "sequence_id": self._sequence, **values}
        self._sequence += 1
        return message
