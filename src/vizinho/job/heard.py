"""What a network makes of a dev set, kept so that one search after the other can be tried on it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from vizinho.audio.io import load_audio
from vizinho.decoding.beam import BeamDecoder
from vizinho.decoding.nbest import CANDIDATES, Candidate, NBestDecoder, nbest_decoder
from vizinho.decoding.setup import DecoderSpec
from vizinho.job.promote import normalizer_of
from vizinho.progress import Event
from vizinho.recognition.engines import WordsEngine
from vizinho.recognition.recognizer import Acoustics, Recognizer
from vizinho.records import Utterance


class LogProbsOf:
    """Of a CTC network: log-probabilities, which a beam search turns into texts."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._recordings: list[Acoustics] = []

    def listen(self, utterances: Sequence[Utterance], show: Event) -> None:
        """Run the network. Raises AudioError for a recording that cannot be read."""
        progress = partial(show, "computing log-probabilities", len(utterances))
        progress(0, "")
        self._recordings = list(self._recognizer.corpus_log_probs(utterances, progress))

    def decoder(self, spec: DecoderSpec) -> BeamDecoder:
        """The search that `spec` describes. Raises what `make_decoder` raises."""
        return self._recognizer.beam(spec)

    def texts(self, search: Any) -> dict[str, str]:
        """Texts by id; greedy without a search."""
        way = self._recognizer.with_decoder(search)
        return {recording.id: way.decode(recording).text for recording in self._recordings}


class CandidatesOf:
    """Of a network with a decoder: texts of each piece, of which language models choose."""

    def __init__(self, recognizer: Recognizer, utterances: Sequence[Utterance], spec: DecoderSpec) -> None:
        """`spec` says how many texts are written of a piece."""
        # Of a model without a card, the corpus says which language's texts these are.
        self._normalizer = recognizer.normalizer or normalizer_of(recognizer, utterances)
        self._recognizer, self._count = recognizer, spec.options.beam_width or CANDIDATES
        self._pieces: dict[str, list[list[Candidate]]] = {}
        self._alone: dict[str, str] = {}

    def listen(self, utterances: Sequence[Utterance], show: Event) -> None:
        """Run the network, also by itself. Raises SpecError for one that writes one text, AudioError as above."""
        engine = self._recognizer.engine
        assert isinstance(engine, WordsEngine)
        progress = partial(show, "writing texts to choose from", 2 * len(utterances))
        progress(0, "")
        for utterance in utterances:
            samples = [piece.samples for piece in self._recognizer.cut(load_audio(utterance.audio))]
            self._pieces[utterance.id] = [of_one for of_one in engine.candidates(samples, self._count) if of_one]
            progress(1, "")
        alone = self._recognizer.transcribe_corpus(utterances, progress)
        self._alone = {name: transcript.text for name, transcript in alone.items()}

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
