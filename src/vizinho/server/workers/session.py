"""One live stream in the worker that has its model: bytes in, events of all channels out. Knows no protocol."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vizinho.audio.blocks import Channels, mono
from vizinho.audio.container_stream import ContainerStream
from vizinho.audio.containers import AudioLimits
from vizinho.audio.io import SAMPLE_RATE
from vizinho.recognition.cutting import CutOptions
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.stream import (
    Event,
    Final,
    Partial,
    Paused,
    Resumed,
    SpeechStarted,
    StreamOptions,
    StreamSession,
    UtteranceEnd,
)
from vizinho.recognition.together import Steps
from vizinho.server.security.refusals import too_large
from vizinho.server.served import ServedModel
from vizinho.server.workers.audio import packet_decoder
from vizinho.server.workers.messages import Configuration, OpenStream, StreamEvent, StreamReport


class LiveSession:
    """The state of one stream; not for several threads at once. Streams of a worker compute together."""

    def __init__(self, recognizer: Recognizer, order: OpenStream, model: ServedModel) -> None:
        self.model = model  # the one that is really used
        self._order, self._recognizer = order, recognizer
        self._decoder = packet_decoder(order.audio) if order.audio else _container(order)
        count = order.audio.channels if order.audio and order.by_channel else 1
        self._channels = [StreamSession(recognizer, _options(order)) for _ in range(count)]

    def accept(self, data: bytes, *, hurried: bool = False) -> Steps[StreamReport]:
        """What more audio gives rise to; partial results come less often where the worker is `hurried`.

        Raises AudioError for what is no audio, Refusal past the limit.
        """
        for session in self._channels:
            session.hurried = hurried
        return self._report((yield from self._listen(self._decoder.feed(data))))

    def configure(self, recognizer: Recognizer, changed: Configuration) -> StreamReport:
        """Listen on in another way."""
        self._recognizer = recognizer
        self._order = replace(
            self._order,
            pause_seconds=changed.pause_seconds,
            utterance_end_seconds=changed.utterance_end_seconds,
            short_pause_seconds=changed.short_pause_seconds,
            speech_probability=changed.speech_probability,
        )
        for session in self._channels:
            session.configure(_options(self._order), recognizer)
        return self._report(())

    def clear(self) -> StreamReport:
        """Forget what is not final."""
        for session in self._channels:
            session.clear()
        return self._report(())

    def finalize(self) -> Steps[StreamReport]:
        """Everything said so far as final results."""
        return self._report((yield from _numbered([session.finalizing() for session in self._channels])))

    def close(self) -> Steps[StreamReport]:
        """The last results. Raises AudioError."""
        events = yield from self._listen(self._decoder.finish())
        events += yield from _numbered([session.finishing() for session in self._channels])
        return self._report(events)

    def drop(self) -> None:
        """The client is gone."""
        if isinstance(self._decoder, ContainerStream):
            self._decoder.close()

    def opened(self) -> StreamReport:
        """Nothing yet, but which model listens."""
        return self._report(())

    def _listen(self, samples: Channels) -> Steps[list[tuple[int, Event]]]:
        """Events of 16 kHz samples (channels, N), channel by channel."""
        if self._order.by_channel and samples.shape[0] > len(self._channels):  # a container's head has come
            missing = samples.shape[0] - len(self._channels)
            self._channels += [StreamSession(self._recognizer, _options(self._order)) for _ in range(missing)]
        # All channels have had the same audio, so that the first speaks for all.
        if self._channels[0].seconds + samples.shape[1] / SAMPLE_RATE > self._order.max_seconds:
            raise too_large(f"a stream may have {self._order.max_seconds:.0f} s of audio")
        waveforms = list(samples) if self._order.by_channel else [mono(samples)]
        pairs = zip(self._channels, waveforms, strict=True)
        return (yield from _numbered([session.accepting(waveform) for session, waveform in pairs]))

    def _report(self, events: Iterable[tuple[int, Event]]) -> StreamReport:
        return StreamReport(
            self._order.id,
            self.model,
            tuple(_neutral(channel, event) for channel, event in events),
            self._channels[0].seconds,
            len(self._channels),
            self._channels[0].silence_seconds,
            self._decoder.bad_packets,
        )


def _numbered(channels: Sequence[Steps[list[Event]]]) -> Steps[list[tuple[int, Event]]]:
    """Events of channels, each with the channel's number."""
    events = []
    for number, steps in enumerate(channels):
        events += [(number, event) for event in (yield from steps)]
    return events


def _container(order: OpenStream) -> ContainerStream:
    return ContainerStream(AudioLimits(max_seconds=order.max_seconds, max_channels=order.max_channels))


def _neutral(channel: int, event: Event) -> StreamEvent:
    match event:
        case SpeechStarted():
            return StreamEvent("speech_started", channel, event.at_seconds)
        case Paused():
            return StreamEvent("paused", channel, event.at_seconds)
        case Resumed():
            return StreamEvent("resumed", channel, event.at_seconds)
        case UtteranceEnd():
            return StreamEvent("utterance_end", channel, event.last_word_end_seconds)
        case Partial():
            return StreamEvent("partial", channel, event.end_seconds, event.words)
        case Final():
            return StreamEvent("final", channel, event.end_seconds, event.words, event.speech_final)


def _options(order: OpenStream) -> StreamOptions:
    likely = order.speech_probability
    cutting = CutOptions(begin_probability=likely, hold_probability=min(likely, CutOptions().hold_probability))
    if order.pause_seconds is not None:
        cutting = replace(cutting, silence_seconds=min(order.pause_seconds, cutting.max_seconds))
    partial_seconds = order.partial_seconds if order.partials else None
    return StreamOptions(
        partial_seconds,
        order.utterance_end_seconds,
        cutting,
        order.short_pause_seconds,
        order.report_empty,
        order.speakers,
    )
