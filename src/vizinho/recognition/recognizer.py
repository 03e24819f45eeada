"""Sound in, words out: audio of any length is cut, batched by length, run through the network, decoded and joined.

Everything that is scored, tuned, pseudo-labelled, transcribed or served goes through `Recognizer`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import nlargest
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vizinho.audio.blocks import mono, read_blocks
from vizinho.audio.io import SAMPLE_RATE, Waveform
from vizinho.decoding.greedy import Decoder, Emission, LogProbs, Searching, greedy, words_of
from vizinho.errors import SpecError
from vizinho.progress import Advance, silent
from vizinho.recognition.cutting import CutOptions, Cutter, Piece, TrimOptions, packed, trimmed
from vizinho.recognition.engines import Engine, WordsEngine, torch_engine
from vizinho.recognition.segments import OnWords, joined, later, mean_confidence, segments_of, text_of, untaken
from vizinho.records import Alternative, Transcript, Utterance, Word
from vizinho.store.card import read_card
from vizinho.text.written import without_marks

if TYPE_CHECKING:
    from vizinho.decoding.beam import BeamDecoder
    from vizinho.decoding.greedy import Hypothesis
    from vizinho.decoding.setup import DecoderSpec
    from vizinho.model.networks import Checkpoint
    from vizinho.recognition.live import Live
    from vizinho.text.normalize import Normalizer


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    """How audio is cut, batched and grouped."""

    cut_above_seconds: float = 20.0
    """Longer audio is cut at every pause; shorter audio at its ends and at long pauses alone."""
    batch_seconds: float = 30.0
    """Padded audio in one batch; bounds memory."""
    pause_seconds: float = 0.8
    """Words farther apart begin a new segment."""
    cutting: CutOptions = field(default_factory=lambda: CutOptions(silence_seconds=0.3))
    """Shorter pauses than a live stream waits for: nobody waits, and models trained on single sentences want them."""
    trimming: TrimOptions | None = field(default_factory=TrimOptions)
    """What is cut from short audio; None decodes it whole."""
    n_best: int = 0
    """Alternatives that a transcript lists; they need a beam search."""


@dataclass(frozen=True, slots=True)
class PieceOutput:
    """What the engine makes of one piece of a recording, and where the piece lies in it."""

    output: LogProbs | list[Word]
    """Log-probabilities (T, V); of a `WordsEngine` words, with times from the start of the piece."""
    start_seconds: float
    until_seconds: float
    """See `Piece.until_seconds`."""


@dataclass(frozen=True, slots=True)
class Acoustics:
    """What the network computes of one recording, for any decoder: its pieces in order of time."""

    id: str
    duration_seconds: float
    pieces: tuple[PieceOutput, ...]


class Recognizer:
    """An engine and a decoder; one may be shared by any number of threads.

    Nothing in it changes after loading: engines allow several calls at once, and whatever a call needs to remember is
    created for that call. Only a decoder that is not greedy is called by one thread at a time, because beam searches
    keep state.
    """

    def __init__(
        self,
        engine: Engine | WordsEngine,
        decoder: Decoder | None = None,
        options: TranscribeOptions | None = None,
        *,
        live: Callable[[], Live] | None = None,
        folder: Path | None = None,
    ) -> None:
        """Without a decoder, decoding is greedy.

        `live` begins an utterance that is decoded while it is spoken; None for networks not trained to stream. The card
        in `folder` names the normaliser that hotwords and language models must match.
        """
        options = options or TranscribeOptions()
        if engine.max_seconds is not None:  # Whisper's positions end at 30 s
            limit = min(options.cut_above_seconds, engine.max_seconds)
            options = replace(options, cut_above_seconds=limit, cutting=options.cutting.within(engine.max_seconds))
        self.engine, self.decoder, self.options = engine, decoder, options
        self.live, self._folder = live, folder
        self._alone: Recognizer | None = None
        self._decoding = threading.Lock()

    @classmethod
    def load(
        cls,
        folder: Path,
        engine: str = "onnx",
        options: TranscribeOptions | None = None,
        *,
        threads: int = 1,
        search: DecoderSpec | None = None,
        language: str | None = None,
    ) -> Recognizer:
        """Open a folder of a model, or of an export.

        "onnx" exports a model on its first use and keeps the export beside the store; networks that cannot be exported
        are computed in torch even then, and those with a decoder in CTranslate2 where it is installed. "torch" computes
        with the network as it was trained, on the threads torch is set to. `search` describes a beam search; None
        decodes greedily. `language` is for networks with a decoder that were not trained here. Raises ModelError for a
        broken folder, SpecError for an unknown engine, and what `searching` raises.
        """
        from vizinho.recognition.opening import open_engine  # training has its network in memory

        loaded, live = open_engine(folder, engine, threads, language)
        recognizer = cls(loaded, None, options, live=live, folder=folder)
        return recognizer if search is None else recognizer.searching(search)

    @classmethod
    def of(cls, checkpoint: Checkpoint, precision: str = "no", *, pooled: bool = False) -> Recognizer:
        """A network in memory, such as one that is being trained; its weights are used as they stand at each call.

        Of a network with a decoder, `precision` is "no" (float32) or "bf16", and `pooled` computes silence at a few
        places.
        """
        return cls(torch_engine(checkpoint, precision=precision, pooled=pooled))

    @cached_property
    def writes_words(self) -> bool:
        """Whether the network has a decoder. To ask its kind takes longer than to decode a second greedily."""
        return isinstance(self.engine, WordsEngine)

    @cached_property
    def ctc(self) -> Engine:
        """The engine, where it gives log-probabilities; raises SpecError for one that writes words by itself."""
        if isinstance(self.engine, WordsEngine):
            raise _no_log_probs(self._folder)
        return self.engine

    def beam(self, spec: DecoderSpec) -> BeamDecoder:
        """The beam search that `spec` describes, for this network. Raises what `make_decoder` raises."""
        from vizinho.decoding.setup import make_decoder

        return make_decoder(spec, self.ctc.inventory, self.normalizer)

    @property
    def normalizer(self) -> Normalizer | None:
        """The normaliser that the model's texts went through; None for a model without a card."""
        card = read_card(self._folder) if self._folder else None
        return card.text_normalizer() if card else None

    def writable(self, text: str) -> list[str]:
        """Words of a text that may be hotwords: those of letters that the model has, each once.

        A network with a decoder takes a text as it is, or none (transducers).
        """
        if isinstance(self.engine, WordsEngine):
            with suppress(SpecError):
                return [text] if text.strip() and self.engine.expecting([text]) else []
            return []
        normalizer = self.normalizer
        letters = set("".join(self.engine.inventory.letters))
        words = (normalizer(text) if normalizer else text.lower()).split()
        return list(dict.fromkeys(word for word in words if set(word) <= letters))

    def searching(self, spec: DecoderSpec) -> Recognizer:
        """This network with the search that `spec` describes.

        A network with a decoder searches by itself: language models choose among the texts that it writes. Raises what
        `make_decoder` or `nbest.chooser` raises, and SpecError where the network cannot take what `spec` has.
        """
        engine = self.engine
        if not isinstance(engine, WordsEngine):
            from vizinho.decoding.setup import with_rescoring

            return self.with_decoder(with_rescoring(self.beam(spec), spec.rescoring, self.normalizer))
        if hotwords := [*spec.listed, *spec.hotwords]:
            engine = engine.expecting(hotwords)
        if spec.lms or spec.rescoring:
            from vizinho.decoding.nbest import CANDIDATES, chooser

            engine = engine.choosing(chooser(spec, self.normalizer), spec.options.beam_width or CANDIDATES)
        elif not hotwords:
            if spec.options.changed:
                raise _no_log_probs(self._folder)
            return self
        recognizer = Recognizer(engine, None, self.options, folder=self._folder)
        recognizer._alone = self.alone()
        return recognizer

    def alone(self) -> Recognizer:
        """This network without language models and hotwords: greedy, or as one with a decoder writes by itself.

        Itself where there are none.
        """
        if self.decoder is not None:
            return self.with_decoder(None)
        return self._alone or self

    def favouring(self, hotwords: Mapping[str, float]) -> Recognizer:
        """This recogniser with hotwords: in its own search, or in one without language model. Raises as `searching`."""
        from vizinho.decoding.beam import BeamDecoder
        from vizinho.decoding.options import BeamOptions
        from vizinho.decoding.rescore import RescoringDecoder
        from vizinho.decoding.setup import DecoderSpec, written

        if not isinstance(self.decoder, BeamDecoder | RescoringDecoder):
            return self.searching(DecoderSpec(options=BeamOptions(lm_weight=0.0), hotwords=hotwords))
        return self.with_decoder(self.decoder.with_hotwords(written(hotwords, self.decoder.letters, self.normalizer)))

    def with_decoder(self, decoder: Decoder | None) -> Recognizer:
        """This network with another decoder; None decodes greedily."""
        return Recognizer(self.engine, decoder, self.options, live=self.live, folder=self._folder)

    def hasty(self) -> Recognizer:
        """This recogniser for results that may change: without a second language model."""
        from vizinho.decoding.rescore import RescoringDecoder

        return self.with_decoder(self.decoder.beam) if isinstance(self.decoder, RescoringDecoder) else self

    def transcribe(
        self, audio: Waveform | Iterable[Waveform], name: str = "", on_words: OnWords | None = None
    ) -> Transcript:
        """Transcript of 16 kHz mono audio: samples (N,), or blocks of them, which may be of any total length.

        Holds two batches of a long recording and its words. `name` becomes the transcript's id. `on_words` gets the
        words of one segment or piece after another, as they are decoded, and the transcript is of the same words; a
        search for alternatives does not call it.
        """
        start, rest = beginning([audio] if isinstance(audio, np.ndarray) else audio, self.options.cut_above_seconds)
        if rest is None:
            transcript = self.transcribe_many([start], [name])[0]
            if on_words:
                for group in transcript.segments:
                    on_words(group.words)
            return transcript
        cutter = Cutter(self.options.cutting)
        words, alternatives = self._decode(self._long(cutter, chain([start], rest)), on_words)
        # Only now is the audio read to its end, and its length known.
        return self._transcript(name, cutter.end_sample / SAMPLE_RATE, words, alternatives)

    def transcribe_many(self, waveforms: Sequence[Waveform], names: Sequence[str] | None = None) -> list[Transcript]:
        """Transcripts of several waveforms in their order; pieces of similar length share batches across them."""
        return [self.decode(acoustics) for acoustics in self.log_probs(waveforms, names)]

    def transcribe_corpus(self, utterances: Sequence[Utterance], progress: Advance = silent) -> dict[str, Transcript]:
        """Transcripts of utterances by id. Raises AudioError for a recording that cannot be read."""
        return {acoustics.id: self.decode(acoustics) for acoustics in self.corpus_log_probs(utterances, progress)}

    def log_probs(self, waveforms: Sequence[Waveform], names: Sequence[str] | None = None) -> list[Acoustics]:
        """What the engine makes of several waveforms (N,), in their order, for any number of decoders; see `decode`."""
        pieces = [self.cut(samples) for samples in waveforms]
        # Pieces of all recordings share batches; their results come back in order and are dealt out again.
        computed = iter(self._run([piece for of_one in pieces for piece in of_one]))
        names = names or [""] * len(waveforms)
        return [
            Acoustics(name, samples.size / SAMPLE_RATE, tuple(next(computed) for _ in of_one))
            for name, samples, of_one in zip(names, waveforms, pieces, strict=True)
        ]

    def corpus_log_probs(self, utterances: Sequence[Utterance], progress: Advance = silent) -> Iterator[Acoustics]:
        """What the engine makes of utterances, the shortest first. Raises AudioError as `transcribe_corpus` does."""
        sizes = [round(u.duration_seconds * SAMPLE_RATE) for u in utterances]
        for batch in batches(sizes, self.options.batch_seconds):
            short: list[tuple[str, Waveform]] = []
            for utterance in (utterances[i] for i in batch):
                # Read in blocks, as `recognition.files` does, so that both see equal samples and equal pieces.
                start, rest = beginning(map(mono, read_blocks(utterance.audio)), self.options.cut_above_seconds)
                if rest is None:
                    short.append((utterance.id, start))
                    continue
                cutter = Cutter(self.options.cutting)
                pieces = tuple(self._long(cutter, chain([start], rest)))
                yield Acoustics(utterance.id, cutter.end_sample / SAMPLE_RATE, pieces)
                progress(1, "")
            for acoustics in self.log_probs([samples for _, samples in short], [name for name, _ in short]):
                yield acoustics
                progress(1, "")

    def pieces(self, blocks: Iterable[Waveform]) -> Iterator[PieceOutput]:
        """What the engine makes of a recording of any length, piece by piece in order of time."""
        yield from self._long(Cutter(self.options.cutting), blocks)

    def decode(self, acoustics: Acoustics) -> Transcript:
        """The transcript that the decoder makes of a recording's pieces."""
        return self._transcript(acoustics.id, acoustics.duration_seconds, *self._decode(acoustics.pieces))

    def words(self, piece: Piece) -> list[Word]:
        """Words of one piece, their times counted from the beginning of the stream that it was cut from."""
        return self.words_of(self._outputs([piece.samples])[0], piece.start_sample / SAMPLE_RATE)

    def words_of(self, output: LogProbs | list[Word], start_seconds: float) -> list[Word]:
        """Words of what the engine made of a piece, their times counted from `start_seconds` before its start."""
        if isinstance(output, list):
            return later(output, start_seconds)
        if self.decoder is None:
            return self._words(greedy(output, self.ctc.blank), start_seconds)
        with self._decoding:  # a decoder of the caller's own may hold state
            if not isinstance(self.decoder, Searching):
                return self._words(self.decoder(output), start_seconds)
            hypotheses = self.decoder.n_best(output, 1)
        return [word for best in hypotheses for word in self._written(best, start_seconds)]

    def _words(self, emissions: Sequence[Emission], start_seconds: float) -> list[Word]:
        return later(words_of(emissions, self.ctc.inventory, self.ctc.frame_seconds), start_seconds)

    def _written(self, hypothesis: Hypothesis, start_seconds: float) -> list[Word]:
        """Words with the hypothesis's texts: a lexicon may write a word with other letters than the network.

        Where it does not, a network that writes capitals and marks has them in its tokens alone.
        """
        spelt, texts = self._words(hypothesis.emissions, start_seconds), hypothesis.text.split()
        if len(spelt) != len(texts):  # a pause in what the search takes for a word
            return spelt
        # A search knows small letters; upper-case vocabularies have no others.
        bare = [without_marks(word.text) for word in spelt]
        return [
            word if text in (letters, letters.lower()) else replace(word, text=text)
            for word, letters, text in zip(spelt, bare, texts, strict=True)
        ]

    def _outputs(self, waveforms: Sequence[Waveform]) -> Sequence[LogProbs | list[Word]]:
        """One batch through the network."""
        engine = self.engine
        return engine.words(waveforms) if isinstance(engine, WordsEngine) else engine.log_probs(waveforms)

    def cut(self, samples: Waveform) -> list[Piece]:
        """The pieces of a recording (N,) at 16 kHz that the engine gets; none of an empty one."""
        options = self.options
        if samples.size > options.cut_above_seconds * SAMPLE_RATE:
            cutter = Cutter(options.cutting)
            return self._packed([*cutter.feed(samples), *cutter.flush()])
        if options.trimming and self._window_seconds is None:
            return trimmed(samples, options.trimming, options.cutting)
        return [Piece(0, samples)] if samples.size else []

    def _long(self, cutter: Cutter, blocks: Iterable[Waveform]) -> Iterator[PieceOutput]:
        """Pieces of a long recording in order of time, as soon as two batches of them are full."""
        waiting: list[Piece] = []
        for block in blocks:
            waiting += cutter.feed(block)
            # Two batches, so that pieces can be sorted by length and little of a batch is padding.
            if sum(p.samples.size for p in waiting) >= 2 * self.options.batch_seconds * SAMPLE_RATE:
                yield from self._run(self._packed(waiting))
                waiting = []
        yield from self._run(self._packed([*waiting, *cutter.flush()]))

    def _packed(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Pieces as the engine likes them: whatever they hold, a network with a decoder reads windows of one length."""
        window = self._window_seconds
        return list(pieces) if window is None else packed(pieces, window)

    @property
    def _window_seconds(self) -> float | None:
        """Length that the engine pads whatever it gets to, as Whisper with its decoder does; None for others."""
        return self.engine.max_seconds if isinstance(self.engine, WordsEngine) else None

    def _run(self, pieces: Sequence[Piece]) -> list[PieceOutput]:
        """Pieces through the network, in batches of similar length; results in the order of the pieces."""
        outputs: dict[int, LogProbs | list[Word]] = {}
        for batch in batches([p.samples.size for p in pieces], self.options.batch_seconds):
            outputs |= zip(batch, self._outputs([pieces[i].samples for i in batch]), strict=True)
        return [
            PieceOutput(outputs[i], piece.start_sample / SAMPLE_RATE, piece.until_seconds)
            for i, piece in enumerate(pieces)
        ]

    def _decode(
        self, pieces: Iterable[PieceOutput], on_words: OnWords | None = None
    ) -> tuple[Sequence[Word], tuple[Alternative, ...]]:
        """Words of pieces that come in order of time, and the alternatives to them that the options ask for."""
        if not self.options.n_best:
            return joined(((p.until_seconds, self.words_of(p.output, p.start_seconds)) for p in pieces), on_words), ()
        paths = self._paths(pieces)
        texts = (Alternative(text_of(p.words), p.score, p.lm_score, p.words) for p in paths)
        return paths[0].words, tuple(texts)

    def _paths(self, pieces: Iterable[PieceOutput]) -> list[_Path]:
        """The best ways through all pieces, the best first.

        Pieces are searched one by one, so a way's score is the sum of its hypotheses' scores, and the best ways so far
        are enough to find the best ones of the whole. Of ways with the same text the best is taken.
        """
        if not isinstance(self.decoder, Searching):
            fix = "leave it out: Whisper and transducers list none" if self.writes_words else "give a beam width"
            raise SpecError("alternatives need a beam search", where="n_best", fix=fix)
        paths = [_Path((), 0.0, 0.0)]
        for piece in pieces:
            assert not isinstance(piece.output, list)  # `ctc` refused a beam search on words
            with self._decoding:
                hypotheses = self.decoder.n_best(piece.output, self.options.n_best)
            longer: dict[str, _Path] = {}
            for hypothesis in hypotheses:
                words = self._written(hypothesis, piece.start_seconds)
                for path in paths:
                    new = untaken(words, piece.until_seconds, path.words[-1] if path.words else None)
                    score, lm_score = path.score + hypothesis.score, path.lm_score + hypothesis.lm_score
                    way = _Path((*path.words, *new), score, lm_score)
                    text = text_of(way.words)
                    if text not in longer or longer[text].score < score:
                        longer[text] = way
            # A piece without frames has no hypotheses and changes nothing.
            paths = nlargest(self.options.n_best, longer.values(), key=lambda p: p.score) or paths
        return paths

    def _transcript(
        self, name: str, seconds: float, words: Sequence[Word], alternatives: tuple[Alternative, ...]
    ) -> Transcript:
        """Words in order, grouped into segments."""
        segments = tuple(segments_of(words, self.options.pause_seconds))
        text, confidence = text_of(words), mean_confidence(words)
        return Transcript(name, text, tuple(words), confidence, seconds, segments, alternatives)


def _no_log_probs(folder: Path | None) -> SpecError:
    return SpecError(
        "a network with a decoder of its own gives no log-probabilities for another",
        where=folder or "",
        fix="give a language model (--lm, --rescore) or leave out the beam search, or transfer with --head ctc",
    )


@dataclass(frozen=True, slots=True)
class _Path:
    """One way through the pieces of a recording; scores in nats."""

    words: tuple[Word, ...]
    score: float
    lm_score: float


def beginning(blocks: Iterable[Waveform], seconds: float) -> tuple[Waveform, Iterator[Waveform] | None]:
    """The first samples (N,), up to a little over `seconds`, and the blocks after them; None where that is all."""
    blocks, parts, size = iter(blocks), [np.zeros(0, np.float32)], 0
    for block in blocks:
        parts.append(block)
        size += block.size
        if size > seconds * SAMPLE_RATE:
            return np.concatenate(parts), blocks
    return np.concatenate(parts), None


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
