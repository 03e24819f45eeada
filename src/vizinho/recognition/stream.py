"""One stream of live audio: samples in, events out (start of speech, partial and final words, end of an utterance)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.errors import SpecError
from vizinho.recognition.agreement import Agreement
from vizinho.recognition.cutting import CutOptions, Cutter, Detector, Piece
from vizinho.recognition.live import Live
from vizinho.recognition.recognizer import Recognizer
from vizinho.recognition.segments import mean_confidence, text_of, untaken
from vizinho.recognition.stream_speakers import StreamSpeakers
from vizinho.recognition.together import Steps, alone
from vizinho.recognition.vad import SpeechProbability
from vizinho.records import Word

FIRST_SECONDS, AGAIN_SECONDS, BEGINNING_SECONDS = 0.2, 0.1, 1.0
"""Audio before the first partial result of an utterance is tried, between further tries, and until it is given up."""
HURRIED = 4.0
"""How many times longer partial results wait in a hurry."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream reports, and when."""

    partial_seconds: float | None = 0.5
    """Audio between partial results; None for none. See StreamSession for the bound on their cost."""
    utterance_end_seconds: float | None = 1.0
    """UtteranceEnd is reported this long after the last word; None for never."""
    cutting: CutOptions = field(default_factory=CutOptions)
    """`silence_seconds` is the pause that makes a result final, `max_seconds` the longest wait for one."""
    pause_seconds: float | None = None
    """Paused is reported at a pause this long within an utterance, Resumed where speech goes on; None for never."""
    report_empty: bool = False
    """Whether an utterance without words has a Final too."""
    speakers: bool = False
    """Whether words of final results have a speaker."""

    def __post_init__(self) -> None:
        if self.partial_seconds is not None and self.partial_seconds <= 0.0:
            raise SpecError("must be more than 0", where="partial_seconds", fix="use None for no partial results")
        if self.utterance_end_seconds is not None and self.utterance_end_seconds < 0.0:
            raise SpecError("must not be negative", where="utterance_end_seconds", fix="use None for no such events")


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began."""

    at_seconds: float


@dataclass(frozen=True, slots=True)
class _Result:
    """Words and the stretch of audio that they are from."""

    start_seconds: float
    end_seconds: float
    text: str
    words: tuple[Word, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Partial(_Result):
    """Words of the utterance that goes on; later events may change them."""


@dataclass(frozen=True, slots=True)
class Final(_Result):
    """Words that will not change."""

    speech_final: bool
    """True where the speaker paused, False where speech was cut for its length or on request."""


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """There have been no words for a while."""

    last_word_end_seconds: float


@dataclass(frozen=True, slots=True)
class Paused:
    """The speaker pauses and may have come to an end; a Partial with the words so far comes just before."""

    at_seconds: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """After Paused the same utterance goes on."""

    at_seconds: float


Event = SpeechStarted | Partial | Paused | Resumed | Final | UtteranceEnd


class StreamSession:
    """The state of one stream. Not for several threads at once; many sessions may share one Recognizer.

    With a model that was trained to stream, each piece of audio goes through the network once. With others the open
    utterance is decoded again for each partial result; to bound the cost, the wait between partial results is at least
    a quarter of the utterance's length. Of a network with a decoder, words that two partial results in a row agree on
    are final before the utterance ends. Memory holds one utterance, of at most `max_seconds`, however long the stream
    is. Times in events count from the stream's beginning.
    """

    def __init__(
        self, recognizer: Recognizer, options: StreamOptions | None = None, detector: Detector | None = None
    ) -> None:
        self.options = options or StreamOptions()
        self._recognizer = recognizer
        self._cutter = Cutter(self.options.cutting, detector or SpeechProbability())
        self.hurried = False
        """Whether partial results wait HURRIED times as long, as the machine has no time for more."""
        self._announced = False
        """Whether SpeechStarted was reported for the open utterance."""
        self._worded = False
        """Whether there was a partial result of the open utterance."""
        self._decoded_until = 0
        """Sample up to which a partial result was reported."""
        self._live: Live | None = None
        """The open utterance on its way through a network that was trained to stream."""
        self._live_start = self._live_fed = 0
        """First sample of that utterance in the stream, and how many of its samples the network has."""
        self._paused = False
        """Whether Paused was reported, and Resumed was not."""
        self._agreement: Agreement | None = None
        """What is final of the open utterance, for networks whose partial results agree."""
        self._before_piece: Word | None = None
        """Last word of the utterance before."""
        self._last_word: Word | None = None
        self._end_due = False
        """Whether there were words since the last UtteranceEnd."""
        self._speakers = StreamSpeakers() if self.options.speakers else None

    @property
    def seconds(self) -> float:
        """Audio accepted so far."""
        return self._cutter.end_sample / SAMPLE_RATE

    def configure(self, options: StreamOptions, recognizer: Recognizer) -> None:
        """Go on with other options and another search; the open utterance is judged by them too."""
        self.options, self._recognizer, self._cutter.options = options, recognizer, options.cutting

    @property
    def silence_seconds(self) -> float:
        """How long nobody has spoken in the open utterance."""
        return self._cutter.silence_seconds

    def accept(self, samples: Waveform) -> list[Event]:
        """Events of the next 16 kHz samples (N,), in order of time."""
        return alone(self.accepting(samples))

    def finalize(self) -> list[Event]:
        """Make all words so far final; the stream goes on."""
        return alone(self.finalizing())

    def finish(self) -> list[Event]:
        """The last events, at the end of the stream."""
        return alone(self.finishing())

    def accepting(self, samples: Waveform) -> Steps[list[Event]]:
        """`accept`, for streams that compute together."""
        events: list[Event] = []
        # A caller may bring minutes at once: small steps give the same events as live audio does.
        for start in range(0, samples.size, SAMPLE_RATE // 10):
            for piece in (yield from self._ended(samples[start : start + SAMPLE_RATE // 10])):
                events += yield from self._finish(piece)
            events += yield from self._during()
        return events

    def finalizing(self) -> Steps[list[Event]]:
        """`finalize`, for streams that compute together."""
        events: list[Event] = []
        for piece in self._cutter.flush():  # at most one
            events += yield from self._finish(piece)
        return events

    def finishing(self) -> Steps[list[Event]]:
        """`finish`, for streams that compute together."""
        events = yield from self.finalizing()
        if self._end_due and self.options.utterance_end_seconds is not None:
            events += self._utterance_end()
        return events

    def clear(self) -> None:
        """Forget the open utterance."""
        for piece in self._cutter.flush():
            self._decoded_until = piece.end_sample
        self._announced = self._paused = self._worded = self._end_due = False
        self._live = None

    def _ended(self, samples: Waveform) -> Steps[list[Piece]]:
        """Utterances that end within these samples."""
        detector = self._cutter.detector
        if not isinstance(detector, SpeechProbability):
            return self._cutter.feed(samples)
        detector.take(samples)
        yield detector
        return self._cutter.feed_judged(samples, detector.given())

    def _during(self) -> Steps[list[Event]]:
        piece = self._cutter.open_piece
        if piece is None:
            return self._utterance_end() if self._end_is_over_due() else []
        events = self._started(piece)
        if self._speakers is not None:
            self._speakers.listen(piece)
        partial = self.options.partial_seconds
        new = (piece.end_sample - max(self._decoded_until, piece.start_sample)) / SAMPLE_RATE  # seconds not decoded yet
        # Decoding the utterance again after each quarter more costs at most five times its length in all.
        wait = 0.0 if self._recognizer.live else piece.samples.size / SAMPLE_RATE / 4
        if partial is not None and self._is_beginning(piece):
            tried = self._decoded_until > piece.start_sample
            partial, wait = min(partial, AGAIN_SECONDS if tried else FIRST_SECONDS), 0.0
        # Final results are never put off: only what may change later comes less often.
        elif partial is not None and self.hurried:
            partial, wait = HURRIED * partial, HURRIED * wait
        pause = self.options.pause_seconds
        pausing = pause is not None and self._cutter.silence_seconds >= pause
        if self._paused and not self._cutter.silence_seconds:
            self._paused = False
            events.append(Resumed(self.seconds))
        due = partial is not None and new >= max(partial, wait) and self._has_more(piece)
        if (pausing and not self._paused) or due:
            self._decoded_until = piece.end_sample
            words = yield from self._words(piece, is_whole=False)
            events += self._decoded(piece, words)
        if pausing and not self._paused:
            self._paused = True
            events.append(Paused(self.seconds))
        return events

    def _has_more(self, piece: Piece) -> bool:
        """Whether there is more to tell: what goes through a network once has no other words before its next chunk."""
        live = self._live
        if live is None or self._live_start != piece.start_sample or not live.begun:
            return True
        return live.completes(piece.samples.size)

    def _is_beginning(self, piece: Piece) -> bool:
        """Whether an utterance has no words yet, and has just begun: its first ones are not to wait for a chunk."""
        soon = piece.samples.size < BEGINNING_SECONDS * SAMPLE_RATE
        return soon and not (self._worded or self.hurried or self._recognizer.writes_words)

    def _decoded(self, piece: Piece, words: Sequence[Word]) -> list[Event]:
        """Events of the open utterance's words."""
        events: list[Event] = []
        if self._recognizer.writes_words:
            self._agreement = self._agreement or Agreement()
            agreed = self._agreement.agreed(words)
            words = self._agreement.rest(words)
            if agreed:
                final = self._told_apart(piece, agreed)
                self._last_word, self._end_due = final[-1], True
                text, confidence = text_of(final), mean_confidence(final)
                start, end = final[0].start_seconds, final[-1].end_seconds
                events.append(Final(start, end, text, tuple(final), confidence, speech_final=False))
        self._worded = self._worded or bool(words)
        return [*events, Partial(*_fields(piece, words))] if words else events

    def _end_is_over_due(self) -> bool:
        wait = self.options.utterance_end_seconds
        if not self._end_due or wait is None or self._last_word is None:
            return False
        return self.seconds - self._last_word.end_seconds >= wait

    def _started(self, piece: Piece) -> list[Event]:
        if self._announced:
            return []
        self._announced = True
        return [SpeechStarted(piece.start_sample / SAMPLE_RATE)]

    def _finish(self, piece: Piece) -> Steps[list[Event]]:
        events = self._started(piece)
        words = yield from self._words(piece, is_whole=True)
        agreement, self._agreement = self._agreement, None
        begun = agreement is not None and agreement.any  # its last result may have no words left
        words = self._told_apart(piece, agreement.rest(words) if agreement is not None else words)
        self._announced = piece.overlap_samples > 0  # after a cut for length the same speech goes on
        self._decoded_until, self._paused, self._worded = piece.end_sample, False, False
        if words:
            self._last_word, self._end_due = words[-1], True
        if words or begun or self.options.report_empty:
            events.append(Final(*_fields(piece, words), speech_final=piece.ends_in_silence))
        self._before_piece = self._last_word
        return events

    def _told_apart(self, piece: Piece, words: Sequence[Word]) -> Sequence[Word]:
        return words if self._speakers is None else self._speakers.told(piece, words)

    def _words(self, piece: Piece, *, is_whole: bool) -> Steps[Sequence[Word]]:
        begin = self._recognizer.live
        # A second language model may take longer than the audio between two partial results.
        recognizer = self._recognizer if is_whole else self._recognizer.hasty()
        if begin is None:
            words = recognizer.words(piece)
        else:
            if self._live is None or self._live_start != piece.start_sample:
                self._live, self._live_start, self._live_fed = begin(), piece.start_sample, 0
            live = self._live
            live.take(piece.samples[self._live_fed :])
            self._live_fed = piece.samples.size
            if is_whole:
                live.take_end()
                self._live = None
            elif not live.begun:
                live = live.ended_after(piece.samples)
            if live.chunks:
                yield live
            words = recognizer.words_of(live.log_probs, piece.start_sample / SAMPLE_RATE)
        return untaken(words, piece.until_seconds, self._before_piece)

    def _utterance_end(self) -> list[Event]:
        self._end_due = False
        return [UtteranceEnd(self._last_word.end_seconds)] if self._last_word else []


def _fields(piece: Piece, words: Sequence[Word]) -> tuple[float, float, str, tuple[Word, ...], float]:
    """The fields of a result."""
    start, end = piece.start_sample / SAMPLE_RATE, piece.end_sample / SAMPLE_RATE
    return start, end, text_of(words), tuple(words), mean_confidence(words)
