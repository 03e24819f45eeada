"""Cuts a stream of audio into utterances at pauses; speech without pauses where the detector is least sure.

From short recordings it takes silence: at both ends, and where it is long within them. Features are normalised over
what is decoded, so silence beside speech moves them all, and a network that was trained on closely trimmed recordings
mishears the speech.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.decoding.greedy import PAUSE_SECONDS
from vizinho.errors import SpecError
from vizinho.recognition.vad import WINDOW_SAMPLES, WINDOW_SECONDS, SpeechProbability


@dataclass(frozen=True, slots=True)
class CutOptions:
    """When an utterance begins and when it ends."""

    begin_probability: float = 0.5
    """Speech begins where its probability is at least this."""
    hold_probability: float = 0.35
    """After that it goes on while its probability is at least this."""
    begin_seconds: float = 0.064
    """Speech must last this long to begin an utterance: clicks do not."""
    silence_seconds: float = 0.5
    """A pause this long ends an utterance."""
    pad_seconds: float = 0.06
    """Audio before and after the speech. Models trained on closely trimmed recordings write letters into silence: on
    the dev set of docs/runtime.md, 0.3 s cost three points of CER against this."""
    max_seconds: float = 20.0
    """Speech without pauses is cut after this long, at its least sure window."""
    overlap_seconds: float = 2.0
    """Audio that both sides of such a cut have, so that a word on the cut is whole on one of them."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.hold_probability <= self.begin_probability <= 1.0:
            raise SpecError("hold_probability must be at most begin_probability, both from 0 to 1", where="cutting")
        if min(self.begin_seconds, self.silence_seconds, self.pad_seconds, self.overlap_seconds) < 0.0:
            raise SpecError("times must not be negative", where="cutting")
        if self.max_seconds < max(1.0, 3.0 * self.overlap_seconds):
            raise SpecError("max_seconds must be at least one second and three overlaps", where="cutting")

    def within(self, seconds: float) -> CutOptions:
        """These options with pieces of at most `seconds`. Raises SpecError under one second."""
        longest = min(self.max_seconds, seconds - WINDOW_SECONDS)  # a piece is cut at the end of a window
        return replace(self, max_seconds=longest, overlap_seconds=min(self.overlap_seconds, longest / 3))


class Detector(Protocol):
    """Detects speech."""

    def feed(self, samples: Waveform) -> npt.NDArray[np.float32]:
        """Probability of speech for each window of WINDOW_SAMPLES that is full now."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio to decode in one go. `start_sample` counts from the beginning of the stream."""

    start_sample: int
    samples: Waveform
    ends_in_silence: bool = False
    """False where speech went on and was cut for its length, or the stream ended."""
    overlap_samples: int = 0
    """Samples at the end that the next piece has too."""

    @property
    def end_sample(self) -> int:
        """One past the last sample."""
        return self.start_sample + self.samples.size

    @property
    def until_seconds(self) -> float:
        """Words whose middle is later belong to the next piece, which overlaps with this one."""
        return (self.end_sample - self.overlap_samples / 2) / SAMPLE_RATE if self.overlap_samples else math.inf


@dataclass(slots=True)
class Cutter:
    """Takes audio in blocks and returns utterances as they end; holds no more than one utterance of audio."""

    options: CutOptions = field(default_factory=CutOptions)
    detector: Detector = field(default_factory=SpeechProbability)
    _room: Waveform = field(default_factory=lambda: np.zeros(0, np.float32))
    """Begins with `_audio`; grows to twice the size, so that a long utterance is not copied for every block."""
    _audio: Waveform = field(default_factory=lambda: np.zeros(0, np.float32))
    _audio_start: int = 0
    """Number of the first sample of `_audio` in the stream; earlier ones are dropped."""
    _window: int = 0
    """Number of the next window."""
    _voiced: int = 0
    """Windows in a row with a probability that can begin an utterance."""
    _begin: int | None = None
    """First sample of the open utterance."""
    _last_voiced: int = 0
    """One past the last sample of speech."""
    _sure: list[float] = field(default_factory=list)
    """The detector's probabilities since the open utterance began, for choosing a cut."""

    def feed(self, samples: Waveform) -> list[Piece]:
        """Utterances that ended within these 16 kHz samples (N,)."""
        ended: list[Piece] = []
        # Blocks of a minute come from files; small steps keep the audio held small.
        for start in range(0, samples.size, SAMPLE_RATE):
            part = samples[start : start + SAMPLE_RATE]
            ended += self.feed_judged(part, self.detector.feed(part))
        return ended

    def feed_judged(self, samples: Waveform, probabilities: npt.NDArray[np.float32]) -> list[Piece]:
        """`feed`, of samples whose windows the detector has judged."""
        ended: list[Piece] = []
        self._append(samples)
        for probability in probabilities:
            ended += self._step(float(probability))
        self._forget()
        return ended

    def _append(self, samples: Waveform) -> None:
        size = self._audio.size + samples.size
        if size > self._room.size:
            self._room = np.concatenate([self._audio, samples, np.empty(size, np.float32)])
        else:
            self._room[self._audio.size : size] = samples
        self._audio = self._room[:size]

    def flush(self) -> list[Piece]:
        """End the open utterance here, as at the end of the stream; audio that comes later starts a new one."""
        if self._begin is None:
            return []
        piece = self._piece(self._begin, min(self.end_sample, self._last_voiced + _samples(self.options.pad_seconds)))
        self._close(self.end_sample)
        return [piece]

    @property
    def end_sample(self) -> int:
        """Samples fed so far."""
        return self._audio_start + self._audio.size

    @property
    def open_piece(self) -> Piece | None:
        """The utterance that somebody is in the middle of, up to now."""
        if self._begin is None:
            return None
        # No copy: it is looked at ten times a second, and gone before the next audio comes.
        return Piece(self._begin, self._audio[self._begin - self._audio_start :])

    @property
    def silence_seconds(self) -> float:
        """How long nobody has spoken in the open utterance."""
        silent = self._window * WINDOW_SAMPLES - self._last_voiced
        return 0.0 if self._begin is None else max(0, silent) / SAMPLE_RATE

    def _step(self, probability: float) -> list[Piece]:
        options, start = self.options, self._window * WINDOW_SAMPLES
        end = start + WINDOW_SAMPLES
        self._window += 1
        if self._begin is None:
            self._voiced = self._voiced + 1 if probability >= options.begin_probability else 0
            if self._voiced and self._voiced * WINDOW_SECONDS >= options.begin_seconds:
                # The utterance began where the row of voiced windows did, less the padding that is still held.
                first = end - self._voiced * WINDOW_SAMPLES
                self._begin = max(self._audio_start, first - _samples(options.pad_seconds))
                self._last_voiced = end
                self._sure = [1.0] * ((end - self._begin) // WINDOW_SAMPLES)
            return []
        self._sure.append(probability)
        # A lower threshold holds an utterance than begins one: speech dips below the first within words.
        if probability >= options.hold_probability:
            self._last_voiced = end
        elif end - self._last_voiced >= _samples(options.silence_seconds):
            until = min(end, self._last_voiced + _samples(options.pad_seconds))
            piece = replace(self._piece(self._begin, until), ends_in_silence=True)
            self._close(self._last_voiced)
            return [piece]
        if end - self._begin >= _samples(options.max_seconds):
            return [self._cut(end)]
        return []

    def _cut(self, end: int) -> Piece:
        """Cut ongoing speech in its last third, where the detector is least sure; both sides have the overlap."""
        assert self._begin is not None
        # The cut lies at least half an overlap before `end`, so that this side has its half of the overlap.
        half = _samples(self.options.overlap_seconds) // 2
        latest = len(self._sure) - half // WINDOW_SAMPLES
        earliest = max(0, min(latest - 1, 2 * len(self._sure) // 3))
        cut = end - (len(self._sure) - earliest - int(np.argmin(self._sure[earliest:latest]))) * WINDOW_SAMPLES
        until, begin = min(end, cut + half), max(self._begin + WINDOW_SAMPLES, cut - half)
        piece = replace(self._piece(self._begin, until), overlap_samples=until - begin)
        self._begin = begin  # the next piece starts with the overlap
        self._sure = self._sure[-((end - self._begin) // WINDOW_SAMPLES) :]
        return piece

    def _close(self, spoken_until: int) -> None:
        self._begin, self._voiced, self._sure = None, 0, []
        self._drop_before(spoken_until)

    def _forget(self) -> None:
        """Drop all audio but the open utterance, or what a new utterance's padding could need."""
        needed = _samples(self.options.pad_seconds + self.options.begin_seconds) + 2 * WINDOW_SAMPLES
        self._drop_before(self.end_sample - needed if self._begin is None else self._begin)

    def _drop_before(self, sample: int) -> None:
        count = max(0, sample - self._audio_start)
        if count:
            self._room = self._audio = self._audio[count:].copy()  # a view would hold the samples that are dropped
            self._audio_start += count

    def _piece(self, start: int, end: int) -> Piece:
        at = self._audio_start
        return Piece(start, self._audio[start - at : end - at].copy())


def packed(pieces: Iterable[Piece], seconds: float) -> list[Piece]:
    """Pieces in order of time, neighbours put together while they and the pause between them last at most `seconds`.

    The pause becomes silence, so that times stay those of the stream.
    """
    result: list[Piece] = []
    for piece in pieces:
        if result and piece.end_sample - result[-1].start_sample <= seconds * SAMPLE_RATE:
            last = result.pop()
            pause = piece.start_sample - last.end_sample  # negative where both have an overlap
            parts = [last.samples, np.zeros(max(0, pause), np.float32), piece.samples[max(0, -pause) :]]
            piece = replace(piece, start_sample=last.start_sample, samples=np.concatenate(parts))
        result.append(piece)
    return result


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


Windows = npt.NDArray[np.bool_]
"""Something of each window of WINDOW_SAMPLES, shape (windows,)."""


@dataclass(frozen=True, slots=True)
class TrimOptions:
    """What counts as silence besides what the voice detector says, and how much of it stays."""

    quiet_share: float = 0.25
    """Whatever the detector says, a window stays that has more than this share of the speech's level (12 dB below)."""
    click_seconds: float = 0.07
    """Sound this short, apart from all speech, is a click."""
    pause_seconds: float = PAUSE_SECONDS
    """A pause this long parts a recording in two, decoded one by one."""
    pad_seconds: float = 0.2
    """Silence that stays beside speech."""


def trimmed(samples: Waveform, options: TrimOptions, cutting: CutOptions = CutOptions()) -> list[Piece]:
    """The parts of samples (N,) at 16 kHz with speech or other sound, in order; the whole where nothing is silent.

    A window is speech where it may go on by `cutting`. Nothing is cut from a recording in which no window may begin it:
    the detector may miss a very short word.
    """
    whole = [Piece(0, samples)] if samples.size else []
    filled = np.pad(samples, (0, -samples.size % WINDOW_SAMPLES))  # whole windows
    levels = _levels(filled)
    # The detector takes half as long as a small network, so it is asked only where it is quiet for long.
    if not levels.size or not _is_long(levels < options.quiet_share * levels.max(), options):
        return whole
    probabilities = SpeechProbability().feed(filled)
    surely = probabilities >= cutting.begin_probability
    if not surely.any():
        return whole
    # The level of sure speech, not of the whole: a click would raise that, silence lower it.
    speech_level = np.sqrt(np.mean(np.square(levels[surely])))
    loud = levels > options.quiet_share * speech_level
    spans = [
        (start, end)
        for start, end in _spans((probabilities >= cutting.hold_probability) | loud)
        if surely[start:end].any() or _seconds(end - start) > options.click_seconds
    ]
    # Spans of windows, from one to one past the last; those with a short pause between them are decoded in one go.
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and _seconds(start - joined[-1][1]) < options.pause_seconds:
            start = joined.pop()[0]
        joined.append((start, end))
    pad = round(options.pad_seconds * SAMPLE_RATE)
    pieces = []
    for start, end in joined:
        first = max(0, start * WINDOW_SAMPLES - pad)
        pieces.append(Piece(first, samples[first : end * WINDOW_SAMPLES + pad]))
    return pieces


def _levels(samples: Waveform) -> npt.NDArray[np.float32]:
    """Root mean square of each window of samples that are whole windows; shape (windows,)."""
    windows = samples.reshape(-1, WINDOW_SAMPLES)
    levels: npt.NDArray[np.float32] = np.sqrt(np.einsum("ij,ij->i", windows, windows) / np.float32(WINDOW_SAMPLES))
    return levels


def _is_long(quiet: Windows, options: TrimOptions) -> bool:
    """Whether windows are quiet for longer than the padding at an end, or as long as a pause within."""
    last = quiet.size
    return any(
        _seconds(end - start) > (options.pad_seconds if start == 0 or end == last else options.pause_seconds)
        for start, end in _spans(quiet)
    )


def _spans(windows: Windows) -> list[tuple[int, int]]:
    """First windows of the rows of true ones, and the windows after their last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], windows, [False]])))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _seconds(windows: int) -> float:
    return windows * WINDOW_SAMPLES / SAMPLE_RATE
