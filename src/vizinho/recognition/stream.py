"""One stream of live audio: samples in, events out (speech begins, partial and final words, an utterance's end)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.decoding.greedy import LogProbs
from vizinho.errors import SpecError
from vizinho.recognition.cutting import CutOptions, Cutter, Detector, Piece
from vizinho.recognition.live import Live
from vizinho.recognition.recognizer import Recognizer, mean_confidence, untaken
from vizinho.recognition.vad import SpeechProbability
from vizinho.records import Word


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream reports, and when."""

    partial_seconds: float | None = 0.5
    """Partial results come after this much new audio; None for none. See StreamSession for the bound on their cost."""
    utterance_end_seconds: float | None = 1.0
    """UtteranceEnd is reported this long after the last word; None for never."""
    cutting: CutOptions = field(default_factory=CutOptions)
    """`silence_seconds` is the pause that makes a result final, `max_seconds` the longest wait for one."""

    def __post_init__(self) -> None:
        if self.partial_seconds is not None and self.partial_seconds <= 0.0:
            raise SpecError("must be more than 0", where="partial_seconds", fix="use None for no partial results")
        if self.utterance_end_seconds is not None and self.utterance_end_seconds < 0.0:
            raise SpecError("must not be negative", where="utterance_end_seconds", fix="use None for no such events")


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

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
    """Nobody has said a word for a while."""

    last_word_end_seconds: float


Event = SpeechStarted | Partial | Final | UtteranceEnd


class StreamSession:
    """The state of one stream. Not for several threads at once; many sessions may share one Recognizer.

    With a model that was trained to stream, each piece of audio goes through the network once. With others the open
    utterance is decoded again for each partial result; so that the cost stays bounded, the wait between partial results
    then grows with the utterance: it is at least a quarter of its length. Memory holds one utterance,
    which `max_seconds` bounds, however long the stream is. Times in events count from the stream's beginning.
    """

    def __init__(
        self, recognizer: Recognizer, options: StreamOptions | None = None, detector: Detector | None = None
    ) -> None:
        self.options = options or StreamOptions()
        self._recognizer = recognizer
        self._cutter = Cutter(self.options.cutting, detector or SpeechProbability())
        self._announced = False
        """Whether SpeechStarted was reported for the open utterance."""
        self._decoded_until = 0
        """Sample up to which a partial result has been given."""
        self._live: _LivePiece | None = None
        self._last_word: Word | None = None
        self._end_due = False
        """Whether words came since the last UtteranceEnd."""

    @property
    def seconds(self) -> float:
        """Audio accepted so far."""
        return self._cutter.end_sample / SAMPLE_RATE

    def accept(self, samples: Waveform) -> list[Event]:
        """Events of the next 16 kHz samples (N,), in order of time."""
        events: list[Event] = []
        # A caller may bring minutes at once: small steps give the same events as live audio does.
        for start in range(0, samples.size, SAMPLE_RATE // 10):
            for piece in self._cutter.feed(samples[start : start + SAMPLE_RATE // 10]):
                events += self._finish(piece)
            events += self._during()
        return events

    def finalize(self) -> list[Event]:
        """Make what was said so far final; the stream goes on."""
        return [event for piece in self._cutter.flush() for event in self._finish(piece)]

    def finish(self) -> list[Event]:
        """The last events, at the end of the stream."""
        events = self.finalize()
        if self._end_due and self.options.utterance_end_seconds is not None:
            events += self._utterance_end()
        return events

    def _during(self) -> list[Event]:
        piece = self._cutter.open_piece
        if piece is None:
            return self._utterance_end() if self._end_is_over_due() else []
        events = self._started(piece)
        partial = self.options.partial_seconds
        new = (piece.end_sample - max(self._decoded_until, piece.start_sample)) / SAMPLE_RATE
        wait = 0.0 if self._recognizer.live else piece.samples.size / SAMPLE_RATE / 4
        if partial is not None and new >= max(partial, wait):
            self._decoded_until = piece.end_sample
            words = self._words(piece, is_whole=False)
            if words:
                events.append(Partial(*_fields(piece, words)))
        return events

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

    def _finish(self, piece: Piece) -> list[Event]:
        events = self._started(piece)
        words = self._words(piece, is_whole=True)
        self._announced = piece.overlap_samples > 0
        self._decoded_until = piece.end_sample
        if words:
            self._last_word, self._end_due = words[-1], True
            events.append(Final(*_fields(piece, words), speech_final=piece.ends_in_silence))
        return events

    def _words(self, piece: Piece, *, is_whole: bool) -> Sequence[Word]:
        begin = self._recognizer.live
        if begin is None:
            words = self._recognizer.words(piece)
        else:
            if self._live is None or self._live.start_sample != piece.start_sample:
                self._live = _LivePiece(piece.start_sample, begin())
            log_probs = self._live.log_probs(piece, is_whole=is_whole)
            words = self._recognizer.words_of(log_probs, piece.start_sample / SAMPLE_RATE)
            if is_whole:
                self._live = None
        return untaken(words, piece.until_seconds, self._last_word)

    def _utterance_end(self) -> list[Event]:
        self._end_due = False
        return [UtteranceEnd(self._last_word.end_seconds)] if self._last_word else []


class _LivePiece:
    """The open utterance on its way through the network."""

    def __init__(self, start_sample: int, live: Live) -> None:
        self.start_sample = start_sample
        self._live, self._fed = live, 0

    def log_probs(self, piece: Piece, *, is_whole: bool) -> LogProbs:
        """Log-probabilities (T, V) of the utterance so far; earlier samples have been fed already."""
        new = piece.samples[self._fed :]
        self._fed = piece.samples.size
        log_probs = self._live.feed(new)
        return self._live.finish() if is_whole else log_probs


def _fields(piece: Piece, words: Sequence[Word]) -> tuple[float, float, str, tuple[Word, ...], float]:
    """The fields of a result."""
    start, end = piece.start_sample / SAMPLE_RATE, piece.end_sample / SAMPLE_RATE
    return start, end, " ".join(w.text for w in words), tuple(words), mean_confidence(words)
