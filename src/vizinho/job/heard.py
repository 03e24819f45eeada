"""What a network makes of a dev set, kept so that one search after the other can be tried on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from vizinho.audio.io import load_audio
from vizinho.decoding.beam import BeamDecoder
from vizinho.decoding.nbest import CANDIDATES, NBestDecoder, nbest_decoder
from vizinho.decoding.setup import DecoderSpec
from vizinho.job.promote import normalizer_of
from vizinho.progress import Advance
from vizinho.recognition.engines import WordsEngine
from vizinho.recognition.recognizer import Recognizer
from vizinho.records import Utterance


class LogProbsOf:
    """Of a CTC network: log-probabilities, which a beam search turns into texts."""

    doing: ClassVar[str] = "computing log-probabilities"

    def __init__(
        self, recognizer: Recognizer, utterances: Sequence[Utterance], spec: DecoderSpec, progress: Advance
    ) -> None:
        """Run the network; progress moves by utterances. Raises AudioError for a recording that cannot be read."""
        progress(0, "")
        self._recognizer = recognizer
        self._recordings = list(recognizer.corpus_log_probs(utterances, progress))

    def decoder(self, spec: DecoderSpec) -> BeamDecoder:
        """The search that `spec` describes. Raises what `make_decoder` raises."""
        return self._recognizer.beam(spec)

    def texts(self, search: Any) -> dict[str, str]:
        """Texts by id; greedy without a search."""
        way = self._recognizer.with_decoder(search)
        return {recording.id: way.decode(recording).text for recording in self._recordings}


class CandidatesOf:
    """Of a network with a decoder: texts of each piece, of which language models choose."""

    doing: ClassVar[str] = "writing texts to choose from"

    def __init__(
        self, recognizer: Recognizer, utterances: Sequence[Utterance], spec: DecoderSpec, progress: Advance
    ) -> None:
        """Run the network, also by itself. Raises SpecError for one that writes one text, AudioError as above."""
        progress(0, "")
        # Of a model without a card, the corpus says which language's texts these are.
        self._normalizer = recognizer.normalizer or normalizer_of(recognizer, utterances)
        count, engine = spec.options.beam_width or CANDIDATES, recognizer.engine
        assert isinstance(engine, WordsEngine)
        self._pieces = {}
        for utterance in utterances:
            samples = [piece.samples for piece in recognizer.cut(load_audio(utterance.audio))]
            pieces = engine.candidates(samples, count)
            self._pieces[utterance.id] = [candidates for candidates in pieces if candidates]
            progress(1, "")
        self._alone = {name: t.text for name, t in recognizer.transcribe_corpus(utterances).items()}

    def decoder(self, spec: DecoderSpec) -> NBestDecoder:
        """What chooses by the language models of `spec`. Raises what `nbest_decoder` raises."""
        return nbest_decoder(spec, self._normalizer)

    def texts(self, search: Any) -> dict[str, str]:
        """Texts by id; as the network writes by itself without a search."""
        if search is None:
            return dict(self._alone)
        return {
            name: " ".join(best.text for piece in pieces for best in search.n_best(piece, 1))
            for name, pieces in self._pieces.items()
        }
