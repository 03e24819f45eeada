"""One live stream: bytes in, Deepgram's messages out. Knows no network; it lives in the worker that has the model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vizinho.audio.blocks import Channels, PacketDecoder, mono
from vizinho.audio.io import SAMPLE_RATE
from vizinho.recognition.cutting import CutOptions
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import Event, Final, Partial, SpeechStarted, StreamOptions, StreamSession, UtteranceEnd
from vizinho.server.protocols.deepgram_live import LiveQuery, StreamIdentity, metadata, results
from vizinho.server.protocols.deepgram_live import SpeechStarted as SpeechStartedMessage
from vizinho.server.protocols.deepgram_live import UtteranceEnd as UtteranceEndMessage
from vizinho.server.protocols.deepgram_wire import Warning_
from vizinho.server.security.refusals import too_large

Message = dict[str, Any]


@dataclass(slots=True)
class _Ear:
    """What listens to one channel."""

    session: StreamSession
    reported_until: float = 0.0
    """Seconds up to which final results have been given."""
    in_sentence: bool = False
    """Whether the last final result was cut within a sentence."""


@dataclass(slots=True)
class LiveSession:
    """The state of one stream; not for several threads at once."""

    transcriber: Recognizer
    query: LiveQuery
    identity: StreamIdentity
    decoder: PacketDecoder
    max_seconds: float
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    _ears: list[_Ear] = field(init=False)
    _digest: Any = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        count = self.query.heard_channels
        self._ears = [_Ear(StreamSession(self.transcriber, _options(self.query))) for _ in range(count)]

    @property
    def seconds(self) -> float:
        """Audio accepted so far."""
        return max(ear.session.seconds for ear in self._ears)

    def accept(self, data: bytes) -> list[Message]:
        """Messages that more audio gives rise to. Raises AudioError for what is no audio, Refusal past the limit."""
        self._digest.update(data)
        return self._heard(self.decoder.feed(data))

    def finalize(self) -> list[Message]:
        """Everything said so far as final results, at least one of them, marked as the answer to Finalize."""
        messages: list[Message] = []
        for number, ear in enumerate(self._ears):
            found = self._messages(number, ear, ear.session.finalize(), from_finalize=True)
            messages += found or [self._empty(number, ear, from_finalize=True)]
        return messages

    def close(self) -> list[Message]:
        """The last results, and Metadata. Raises AudioError."""
        messages = self._heard(self.decoder.finish())
        for number, ear in enumerate(self._ears):
            found = self._messages(number, ear, ear.session.finish())
            messages += found or [self._empty(number, ear)]
        bad = self.decoder.bad_packets
        message = f"{bad} packets could not be decoded and were left out"
        warnings = [Warning_(parameter="encoding", type="bad_packets", message=message)] if bad else []
        last = metadata(self.identity, self._digest.hexdigest(), self.seconds, self.began, warnings)
        return [*messages, last.model_dump(exclude_none=True)]

    def _heard(self, samples: Channels) -> list[Message]:
        """Events of all channels of 16 kHz samples (channels, N); each channel is listened to in turn."""
        channels = list(samples) if self.query.multichannel else [mono(samples)]
        if self.seconds + samples.shape[1] / SAMPLE_RATE > self.max_seconds:
            raise too_large(f"a stream may have {self.max_seconds:.0f} s of audio")
        return [
            message
            for number, (ear, samples) in enumerate(zip(self._ears, channels, strict=True))
            for message in self._messages(number, ear, ear.session.accept(samples))
        ]

    def _messages(
        self, number: int, ear: _Ear, events: Iterable[Event], *, from_finalize: bool = False
    ) -> list[Message]:
        made = (self._message(number, ear, event, from_finalize) for event in events)
        return [m for m in made if m is not None]

    def _message(self, number: int, ear: _Ear, event: Event, from_finalize: bool) -> Message | None:
        match event:
            case SpeechStarted() if self.query.vad_events:
                made = SpeechStartedMessage(channel=[number], timestamp=round(event.at_seconds, 3))
                return made.model_dump()
            case UtteranceEnd() if self.query.utterance_end_ms is not None:
                channel, end = [number, len(self._ears)], round(event.last_word_end_seconds, 3)
                return UtteranceEndMessage(channel=channel, last_word_end=end).model_dump()
            case Partial() | Final():
                return self._results(number, ear, event, from_finalize)
            case _:
                return None

    def _results(self, number: int, ear: _Ear, event: Partial | Final, from_finalize: bool) -> Message:
        final = isinstance(event, Final)
        paused = isinstance(event, Final) and event.speech_final
        made = results(
            self.identity,
            number,
            (ear.reported_until, max(ear.reported_until, event.end_seconds)),
            event.words,
            final=final,
            speech_final=paused,
            from_finalize=from_finalize and final,
            marks=(not ear.in_sentence, paused) if self.query.written else None,
        )
        if final:
            ear.in_sentence, ear.reported_until = not paused, max(ear.reported_until, event.end_seconds)
        return made.model_dump(exclude_none=True)

    def _empty(self, number: int, ear: _Ear, *, from_finalize: bool = False) -> Message:
        """Silence since the last result."""
        span = (ear.reported_until, max(ear.reported_until, ear.session.seconds))
        ear.reported_until = span[1]
        made = results(self.identity, number, span, (), speech_final=True, from_finalize=from_finalize)
        return made.model_dump(exclude_none=True)


def _options(query: LiveQuery) -> StreamOptions:
    default = CutOptions()
    silence = default.silence_seconds
    if query.endpointing is False:
        silence = default.max_seconds
    elif query.endpointing is not None:
        silence = query.endpointing / 1000
    return StreamOptions(
        partial_seconds=StreamOptions().partial_seconds if query.interim_results else None,
        utterance_end_seconds=query.utterance_end_ms / 1000 if query.utterance_end_ms is not None else None,
        cutting=CutOptions(silence_seconds=silence),
    )
