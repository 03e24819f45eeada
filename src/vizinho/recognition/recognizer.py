"""Waveforms of any length to transcripts: cut, batched by length, decoded, put together again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.decoding.greedy import Decoder, Emission, LogProbs, greedy
from vizinho.decoding.words import words_of
from vizinho.errors import SpecError
from vizinho.recognition.cache import cached_engine
from vizinho.recognition.cutting import CutOptions, Cutter, Piece
from vizinho.recognition.engines import Engine, OnnxEngine, TorchEngine
from vizinho.recognition.export import can_export
from vizinho.recognition.exported import SETTINGS
from vizinho.recognition.live import Live, live_of
from vizinho.records import Segment, Transcript, Word

ENGINES = ("onnx", "torch")
_SAME_WORD_SECONDS = 0.2
"""Two hearings of one word begin within this time of each other."""


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """How audio is cut, batched and grouped."""

    cut_above_seconds: float = 20.0
    """Longer audio is cut where nobody speaks; shorter audio is decoded as it is."""
    batch_seconds: float = 30.0
    """Padded audio in one batch; bounds memory."""
    pause_seconds: float = 0.8
    """Words farther apart begin a new segment."""
    cutting: CutOptions = field(default_factory=lambda: CutOptions(silence_seconds=0.3))
    """Shorter pauses than a live stream waits for: nobody waits, and models that heard single sentences like them."""


class Transcriber:
    """A loaded model that transcribes; one may be shared by any number of threads.

    Nothing in it changes after loading: engines allow several calls at once, and whatever a call needs to remember is
    made for that call. Only a decoder that is not greedy is called by one thread at a time, because beam searches keep
    state.
    """

    def __init__(
        self,
        engine: Engine,
        decoder: Decoder | None = None,
        options: TranscribeOptions | None = None,
        live: Callable[[], Live] | None = None,
    ) -> None:
        self.engine = engine
        self.live = live
        """Begins an utterance that is decoded while it is spoken; None for models that were not trained to stream."""
        self.options = options or TranscribeOptions()
        self._decoder = decoder
        self._decoding = threading.Lock()

    @classmethod
    def load(
        cls,
        folder: Path,
        engine: str = "onnx",
        decoder: Decoder | None = None,
        options: TranscribeOptions | None = None,
        threads: int = 1,
    ) -> Transcriber:
        """Open a folder of a model, or of an export.

        "onnx" exports a model on its first use and keeps the export beside the store; networks of other kinds than
        FastConformer are computed in torch all the same. "torch" computes with the network as it was trained, on the
        threads torch is set to. Raises ModelError for a broken folder or a network
        that cannot be exported, SpecError for an unknown engine.
        """
        if engine not in ENGINES:
            raise SpecError(f"unknown engine {engine!r}", where="engine", fix=f"use {' or '.join(ENGINES)}")
        if (folder / SETTINGS).is_file() and engine == "onnx":
            return cls(OnnxEngine.load(folder, threads), decoder, options)
        loaded = cached_engine(folder, threads) if engine == "onnx" and can_export(folder) else TorchEngine.load(folder)
        opened = loaded.checkpoint if isinstance(loaded, TorchEngine) else None
        return cls(loaded, decoder, options, live_of(folder, opened))

    def with_decoder(self, decoder: Decoder) -> Transcriber:
        """The same network with another decoder."""
        return Transcriber(self.engine, decoder, self.options, self.live)

    def transcribe(self, samples: Waveform, name: str = "") -> Transcript:
        """Transcript of 16 kHz mono samples (N,) of any length; `name` becomes its id."""
        return self.transcribe_many([samples], [name])[0]

    def transcribe_many(self, waveforms: Sequence[Waveform], names: Sequence[str] | None = None) -> list[Transcript]:
        """Transcripts of several waveforms in their order; pieces of similar length share batches across them."""
        names = names or [""] * len(waveforms)
        pieces = [(i, piece) for i, samples in enumerate(waveforms) for piece in self._cut(samples)]
        heard = self.words([piece for _, piece in pieces])
        made = []
        for number, (name, samples) in enumerate(zip(names, waveforms, strict=True)):
            own = [(piece, words) for (i, piece), words in zip(pieces, heard, strict=True) if i == number]
            made.append(self.transcript(name, joined(own), samples.size / SAMPLE_RATE))
        return made

    def long(self) -> LongTranscription:
        """For audio that comes in blocks, of any length."""
        return LongTranscription(self)

    def words(self, pieces: Sequence[Piece]) -> list[list[Word]]:
        """Words of each piece, their times counted from the beginning of the stream that it was cut from."""
        found: list[list[Word]] = [[] for _ in pieces]
        for batch in batches([p.samples.size for p in pieces], self.options.batch_seconds):
            frames_of = self.engine.log_probs([pieces[i].samples for i in batch])
            for number, frames in zip(batch, frames_of, strict=True):
                found[number] = self.decoded(frames, pieces[number].start_sample / SAMPLE_RATE)
        return found

    def decoded(self, frames: LogProbs, start_seconds: float) -> list[Word]:
        """Words of log-probabilities (T, V), their times counted from `start_seconds` before the first frame."""
        words = words_of(self._emissions(frames), self.engine.inventory, self.engine.frame_seconds)
        return [
            replace(w, start_seconds=start_seconds + w.start_seconds, end_seconds=start_seconds + w.end_seconds)
            for w in words
        ]

    def _emissions(self, frames: LogProbs) -> list[Emission]:
        if self._decoder is None:
            return greedy(frames, self.engine.blank)
        with self._decoding:
            return self._decoder(frames)

    def _cut(self, samples: Waveform) -> list[Piece]:
        if samples.size <= self.options.cut_above_seconds * SAMPLE_RATE:
            return [Piece(0, samples)] if samples.size else []
        cutter = Cutter(self.options.cutting)
        return [*cutter.feed(samples), *cutter.flush()]

    def transcript(self, name: str, words: Sequence[Word], duration_seconds: float) -> Transcript:
        """Words in order, grouped into segments."""
        segments = tuple(map(segment, _groups(words, self.options.pause_seconds)))
        text = " ".join(w.text for w in words)
        return Transcript(name, text, tuple(words), mean_confidence(words), duration_seconds, segments)


class LongTranscription:
    """Audio in blocks to one transcript; holds two batches of audio and the words, however long it is."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._cutter = Cutter(transcriber.options.cutting)
        self._waiting: list[Piece] = []
        self._words: list[Word] = []

    def feed(self, samples: Waveform) -> None:
        """The next 16 kHz samples (N,)."""
        self._waiting += self._cutter.feed(samples)
        if sum(p.samples.size for p in self._waiting) >= 2 * self._transcriber.options.batch_seconds * SAMPLE_RATE:
            self._decode()

    def finish(self, name: str = "") -> Transcript:
        """The transcript of all that was fed."""
        duration_seconds = self._cutter.end_sample / SAMPLE_RATE
        self._waiting += self._cutter.flush()
        self._decode()
        return self._transcriber.transcript(name, self._words, duration_seconds)

    def _decode(self) -> None:
        self._words += joined(
            list(zip(self._waiting, self._transcriber.words(self._waiting), strict=True)),
            self._words[-1] if self._words else None,
        )
        self._waiting = []


def segment(words: Sequence[Word]) -> Segment:
    """A segment of at least one word."""
    text = " ".join(w.text for w in words)
    return Segment(words[0].start_seconds, words[-1].end_seconds, text, mean_confidence(words), tuple(words))


def mean_confidence(words: Sequence[Word]) -> float:
    """Mean of the words' confidences; 0 without words."""
    return sum(w.confidence for w in words) / len(words) if words else 0.0


def batches(sizes: Sequence[int], batch_seconds: float) -> Iterator[list[int]]:
    """Numbers of pieces, shortest first, in batches whose padded length stays within `batch_seconds`."""
    batch: list[int] = []
    for number in sorted(range(len(sizes)), key=sizes.__getitem__):
        if batch and sizes[number] * (len(batch) + 1) > batch_seconds * SAMPLE_RATE:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def joined(heard: Sequence[tuple[Piece, Sequence[Word]]], last: Word | None = None) -> list[Word]:
    """Words of pieces in order of time, after the word `last`; what both sides of a cut hear is taken once."""
    words: list[Word] = []
    for piece, found in heard:
        words += kept(piece, found, words[-1] if words else last)
    return words


def kept(piece: Piece, words: Sequence[Word], last: Word | None) -> list[Word]:
    """The words of a piece that are taken, given the last word taken before it.

    Of an overlap with the next piece, the words of its first half are taken; of one with the piece before, those that
    are not taken yet. So a word on the cut is neither lost nor doubled.
    """
    until = (piece.end_sample - piece.overlap_samples / 2) / SAMPLE_RATE if piece.overlap_samples else float("inf")
    return [w for w in words if _middle(w) < until and not (last and _is_taken(w, last))]


def _is_taken(word: Word, last: Word) -> bool:
    same = word.text == last.text and abs(word.start_seconds - last.start_seconds) < _SAME_WORD_SECONDS
    return same or _middle(word) < last.end_seconds


def _middle(word: Word) -> float:
    return (word.start_seconds + word.end_seconds) / 2


def _groups(words: Sequence[Word], pause_seconds: float) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and word.start_seconds - group[-1].end_seconds > pause_seconds:
            yield group
            group = []
        group.append(word)
    if group:
        yield group
