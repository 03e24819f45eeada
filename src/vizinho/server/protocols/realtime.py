"""OpenAI's realtime transcription: a session's settings and events in, a worker's reports out as events; pure.

Shapes follow what the official client (openai 3.57) sends and reads for `intent=transcription`.
"""

from __future__ import annotations

import base64
import binascii
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from vizinho.decoding.hotwords import DEFAULT_BOOST
from vizinho.records import Word
from vizinho.server.protocols.openai import error, logprobs_of
from vizinho.server.security.refusals import Refusal, bad_audio, bad_parameter, invalid_value
from vizinho.server.served import ServedModel
from vizinho.server.workers.messages import Configuration, OpenStream, RawFormat, StreamEvent, StreamReport

Event = dict[str, Any]
LOGPROBS = "item.input_audio_transcription.logprobs"
_ENCODINGS = {"audio/pcm": "linear16", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}
_G711_RATE = 8000


class _Format(BaseModel):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"] = "audio/pcm"
    rate: int = Field(default=24_000, ge=8000, le=48_000)

    def raw(self) -> RawFormat:
        return RawFormat(_ENCODINGS[self.type], self.rate if self.type == "audio/pcm" else _G711_RATE, 1)


class _Transcription(BaseModel):
    model: str | None = Field(default=None, max_length=200)
    language: str | None = Field(default=None, max_length=35)
    languages: list[str] | None = Field(default=None, max_length=20)
    prompt: str | None = Field(default=None, max_length=10_000)
    keywords: list[str] | None = Field(default=None, max_length=100)


class _TurnDetection(BaseModel):
    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(default=0.5, ge=0.0, le=1.0)
    silence_duration_ms: int = Field(default=500, ge=10, le=60_000)


class _Input(BaseModel):
    format: _Format = _Format()
    transcription: _Transcription = _Transcription()
    turn_detection: _TurnDetection | None = _TurnDetection()


class _Audio(BaseModel):
    input: _Input = _Input()


class Settings(BaseModel):
    """A session as it is in force. What this server has no use for (noise reduction, padding) is not in it."""

    type: Literal["transcription"] = "transcription"
    audio: _Audio = _Audio()
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None

    def updated(self, changes: Mapping[str, Any]) -> Settings:
        """These settings with changes, which name only what they change. Raises Refusal 400."""
        if changes.get("type", "transcription") != "transcription":
            raise bad_parameter("session.type", "sessions of the type transcription only")
        try:
            return Settings.model_validate(_merged(self.model_dump(), changes))
        except ValidationError as found:
            raise invalid_value(found) from None
        except RecursionError:
            raise Refusal(400, "BAD_MESSAGE", "the settings are nested too deeply") from None

    def configuration(self) -> Configuration:
        """How a worker listens by these."""
        turns, transcription = self.audio.input.turn_detection, self.audio.input.transcription
        # Without turn detection no pause ends an item: only a commit does, and the longest utterance a worker holds.
        pause = turns.silence_duration_ms / 1000 if turns else math.inf
        favoured = tuple((word, DEFAULT_BOOST) for word in transcription.keywords or ())
        threshold = turns.threshold if turns else _TurnDetection().threshold
        return Configuration(pause, math.inf, None, favoured, transcription.prompt or "", threshold)

    def opening(self, model: ServedModel, max_seconds: float) -> OpenStream:
        """What a worker is asked for."""
        how = self.configuration()
        return OpenStream(
            0,
            model,
            self.audio.input.format.raw(),
            favoured=how.favoured,
            hint=how.hint,
            partials=True,
            pause_seconds=how.pause_seconds,
            speech_probability=how.speech_probability,
            report_empty=True,
            max_seconds=max_seconds,
        )

    @property
    def possible_languages(self) -> list[str]:
        """One of these is spoken; empty where the session names none."""
        transcription = self.audio.input.transcription
        return [transcription.language] if transcription.language else transcription.languages or []


@dataclass(slots=True)
class _Item:
    """An utterance as the client sees it."""

    id: str
    began_seconds: float
    words: tuple[Word, ...] = ()  # final ones
    latest: tuple[str, ...] = ()  # words of the last partial result
    told: int = 0  # words that deltas have brought


class RealtimeEvents:
    """Makes a worker's reports into events, and remembers the item that is being spoken."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._id = f"sess_{uuid.uuid4().hex}"
        self._item: _Item | None = None
        self._previous: str | None = None
        self._uncommitted = False  # whether audio has come since the last commit

    def created(self) -> Event:
        """The first event."""
        return self._session("session.created")

    def updated(self, settings: Settings) -> Event:
        """The answer to session.update."""
        self.settings = settings
        return self._session("session.updated")

    def audio(self, event: Mapping[str, Any]) -> bytes:
        """The bytes of input_audio_buffer.append. Raises Refusal 400."""
        try:
            data = base64.b64decode(event.get("audio"), validate=True)  # type: ignore[arg-type]
        except (binascii.Error, TypeError, ValueError):
            raise bad_audio("audio is not base64") from None
        self._uncommitted = self._uncommitted or bool(data)
        return data

    def results(self, report: StreamReport) -> list[Event]:
        """Events on more audio."""
        return [made for event in report.events for made in self._made(event)]

    def committed(self, report: StreamReport) -> list[Event]:
        """Events on what the client commits. Raises Refusal 400 where it has sent nothing since the last commit."""
        if not self._uncommitted:
            raise Refusal(400, "INPUT_AUDIO_BUFFER_COMMIT_EMPTY", "there is no audio to commit")
        # The worker's flush brings at most one final result, which ends the item; silence brings none.
        events = [made for event in report.events for made in self._made(event, by_client=True)]
        if self._item is not None or not any(e["type"] == "input_audio_buffer.committed" for e in events):
            events += self._end(report.seconds, stopped=False)
        return events

    def cleared(self) -> Event:
        """The answer to input_audio_buffer.clear."""
        self._item, self._uncommitted = None, False
        return _event("input_audio_buffer.cleared")

    def failed(self, refusal: Refusal, sent: Mapping[str, Any] | None = None) -> Event:
        """A refusal as an event; the session goes on where its client may mend it."""
        body = error(refusal).model_dump()["error"]
        return _event("error", error=body | {"event_id": (sent or {}).get("event_id")})

    def _made(self, event: StreamEvent, *, by_client: bool = False) -> list[Event]:
        match event.kind:
            case "speech_started":
                item = self._open(event.seconds)
                at = round(1000 * event.seconds)
                if self.settings.audio.input.turn_detection is None:
                    return []
                return [_event("input_audio_buffer.speech_started", audio_start_ms=at, item_id=item.id)]
            case "partial":
                return self._deltas(self._open(event.seconds), event.words)
            case "final":
                item = self._open(event.seconds)
                item.words = (*item.words, *event.words)
                return self._end(event.seconds, stopped=event.paused) if event.paused or by_client else []
            case _:
                return []

    def _open(self, seconds: float) -> _Item:
        if self._item is None:
            self._item = _Item(f"item_{uuid.uuid4().hex[:24]}", seconds)
        return self._item

    def _deltas(self, item: _Item, words: tuple[Word, ...]) -> list[Event]:
        """Words that two partial results in a row agree on: clients append deltas and cannot take them back."""
        # Words of a cut for length are final already; a partial result is of what comes after the cut.
        texts = tuple(word.text for word in (*item.words, *words))
        agreed = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(item.latest, texts, strict=False)))
        item.latest = texts
        # What was told stays told, even where a later result has another word in its place.
        new = texts[item.told : agreed]
        if not new:
            return []
        item.told = agreed
        return [self._delta(item, new, agreed - len(new))]

    def _delta(self, item: _Item, texts: tuple[str, ...], place: int) -> Event:
        delta = (" " if place else "") + " ".join(texts)
        return _event(
            "conversation.item.input_audio_transcription.delta", item_id=item.id, content_index=0, delta=delta
        )

    def _end(self, seconds: float, *, stopped: bool) -> list[Event]:
        """The item's audio is committed and its transcript complete."""
        # A commit may come before any speech was detected: then there is an item with an empty transcript.
        item = self._open(seconds)
        texts = tuple(word.text for word in item.words)
        events = []
        if stopped and self.settings.audio.input.turn_detection is not None:
            at = round(1000 * seconds)
            events.append(_event("input_audio_buffer.speech_stopped", audio_end_ms=at, item_id=item.id))
        events.append(_event("input_audio_buffer.committed", item_id=item.id, previous_item_id=self._previous))
        content = [{"type": "input_audio", "transcript": None}]
        about = {"id": item.id, "type": "message", "role": "user", "status": "completed", "content": content}
        events.append(_event("conversation.item.added", item=about, previous_item_id=self._previous))
        if texts[item.told :]:
            events.append(self._delta(item, texts[item.told :], item.told))
        completed = _event(
            "conversation.item.input_audio_transcription.completed",
            item_id=item.id,
            content_index=0,
            transcript=" ".join(texts),
            usage={"type": "duration", "seconds": round(max(0.0, seconds - item.began_seconds), 3)},
        )
        if LOGPROBS in (self.settings.include or ()):
            completed["logprobs"] = [p.model_dump() for p in logprobs_of(item.words)]
        self._previous, self._item, self._uncommitted = item.id, None, False
        return [*events, completed]

    def _session(self, kind: str) -> Event:
        session = self.settings.model_dump() | {"id": self._id, "object": "realtime.transcription_session"}
        return _event(kind, session=session)


def _event(kind: str, **values: Any) -> Event:
    return {"type": kind, "event_id": f"event_{uuid.uuid4().hex[:24]}", **values}


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with those that changes name; null takes a setting out."""
    merged = dict(old)
    for name, value in changes.items():
        before = old.get(name)
        merged[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged
