"""Chooses among the texts that a network with a decoder of its own (Whisper) writes for one piece of audio.

Each candidate has the network's log-probability; language models, and scores per word and letter, are added to it
(rescoring of n-best lists; with n-grams and Whisper in languages with little speech: arXiv 2503.23542).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vizinho.decoding.greedy import Hypothesis
from vizinho.decoding.lexicon import NO_WORD
from vizinho.decoding.lm.arpa import LN10
from vizinho.decoding.lm.model import LanguageModel, load_language_model
from vizinho.decoding.lm.writing import Letters, Uniform
from vizinho.decoding.options import BeamOptions
from vizinho.decoding.rescore import rescore
from vizinho.decoding.setup import DecoderSpec
from vizinho.errors import SpecError
from vizinho.text.normalize import Normalizer, get_normalizer

CANDIDATES = 20
"""Of a piece, where the options name no beam width. With Whisper base on 47 Portuguese words of dev, best CER and WER
with 10 and 20 of them: .210 .656 and .217 .607 untouched, .165 .525 and .158 .459 after a transfer."""
_MOST_REMEMBERED = 10_000
_FOREIGN = "\0"
"""Stands for every letter that a model's alphabet lacks: no model has this one, so it is unknown."""


class Candidate(NamedTuple):
    """One text of a piece of audio."""

    text: str
    """As the network writes it, with case and punctuation."""
    log_prob: float
    """Natural, of the whole text."""


Choose = Callable[[Sequence[Candidate]], int]
"""Takes the candidates of one piece, the network's favourite first, at least one; returns the place of the best."""


class NBestDecoder:
    """N-gram models that choose among candidates; used as a `BeamDecoder` is where weights are tuned."""

    def __init__(
        self,
        normalizer: Normalizer,
        options: BeamOptions | None = None,
        *,
        words: LanguageModel | None = None,
        letters: LanguageModel | None = None,
    ) -> None:
        """Set up the choice.

        Args:
            normalizer: How candidates become the text that the models know.
            options: Weights; what concerns frames and tokens means nothing here.
            words: A word model. Words outside its vocabulary are spelt by `letters` if given; without it every letter
                costs the same.
            letters: A character model; alone, it scores the text letter by letter.
        """
        self.options, self._normalizer = options or BeamOptions(), normalizer
        self._words, spelt = words, letters or words
        alphabet = (spelt.card.alphabet if spelt else "") + _FOREIGN
        self._symbols = {letter: number for number, letter in enumerate((*alphabet, " "))}
        self._spelling = Letters(letters, alphabet) if letters else Uniform(alphabet)
        self.scores_words = words is not None
        """Whether a word model takes part."""
        self.scores_letters = letters is not None and words is None
        """Whether a character model scores the text, rather than unknown words alone."""
        self._remembered: dict[str, tuple[float, int]] = {}

    def with_options(self, options: BeamOptions) -> NBestDecoder:
        """This choice with other weights; its models, and what they said of texts, are shared."""
        other = copy.copy(self)
        other.options = options
        return other

    def n_best(self, candidates: Sequence[Candidate], count: int) -> list[Hypothesis]:
        """At most `count` different normalised texts, the best first; ties keep the network's order."""
        options = self.options
        best: dict[str, Hypothesis] = {}
        for candidate in candidates:
            text = self._normalizer.recognised(candidate.text)
            log_prob, unknown = self._scored(text)
            lm = options.lm_weight * log_prob + options.unknown_score * unknown
            lm += options.word_score * len(text.split()) + options.letter_score * len(text.replace(" ", ""))
            if unknown and not options.unknown_words:
                lm += NO_WORD  # where every candidate has one, all are equal and the network's favourite stays first
            if text not in best:  # the same words with other marks, of which the network preferred the first
                best[text] = Hypothesis(text, (), candidate.log_prob + lm, candidate.log_prob, lm)
        return sorted(best.values(), key=lambda h: -h.score)[:count]

    def place_of(self, text: str, candidates: Sequence[Candidate]) -> int:
        """The place of the first candidate with this normalised text."""
        return next(n for n, candidate in enumerate(candidates) if self._normalizer.recognised(candidate.text) == text)

    def _scored(self, text: str) -> tuple[float, int]:
        """Log-probability of a normalised text with its end, and how many of its words the word model lacks."""
        if text not in self._remembered:
            if len(self._remembered) >= _MOST_REMEMBERED:  # a server never ends
                self._remembered.clear()
            by_letters = (self._spelt(text), 0) if self.scores_letters else (0.0, 0)
            self._remembered[text] = self._words_of(text) if self._words else by_letters
        return self._remembered[text]

    def _words_of(self, text: str) -> tuple[float, int]:
        model = self._words
        assert model is not None
        state, total, unknown = model.kenlm.start(False), 0.0, 0
        for word in text.split():
            row = model.rows.get(word, model.unknown_row)
            state, log10 = model.kenlm.score(state, row)
            total += log10 * LN10
            if row == model.unknown_row:
                unknown += 1
                total += self._spelt(word)
        return total + model.kenlm.finish(state)[1] * LN10, unknown

    def _spelt(self, text: str) -> float:
        """Log-probability of letters and spaces, with the end."""
        state, total = self._spelling.start(), 0.0
        for letter in text:
            state, log_prob = self._spelling.step(state, self._symbols.get(letter, self._symbols[_FOREIGN]))
            total += log_prob
        return total + self._spelling.step(state, len(self._symbols))[1]


def nbest_decoder(spec: DecoderSpec, normalizer: Normalizer | None) -> NBestDecoder:
    """What chooses by the n-gram models of `spec`.

    Texts are normalised as those of the models were; models of other texts, or none, take the recogniser's normaliser.
    Raises ModelError for a broken model, SpecError for two of one unit, for a lexicon, and where nothing says how texts
    are normalised.
    """
    if spec.lexicon is not None:
        what = "a lexicon spells words in the letters of a CTC network, and this one has a decoder"
        raise SpecError(what, where=spec.lexicon, fix="leave the lexicon out")
    models: dict[str, LanguageModel] = {}
    for path in spec.lms:
        model = load_language_model(path)
        if model.card.unit in models:
            what = f"a second language model of {model.card.unit}s"
            raise SpecError(what, where=path, fix="give one of words, one of chars")
        models[model.card.unit] = model
        if model.card.normalizer:
            normalizer = get_normalizer(model.card.normalizer, model.card.orthography)
    if normalizer is None:
        what = "neither the recogniser nor a language model says how texts are normalised"
        raise SpecError(
            what, where="language model", fix="train one here: `vizinho lm train TEXT --lang CODE --out FILE`"
        )
    return NBestDecoder(normalizer, spec.options, words=models.get("word"), letters=models.get("char"))


def chooser(spec: DecoderSpec, normalizer: Normalizer | None) -> Choose:
    """Chooses as `spec` says, with its second language model too. Raises what `nbest_decoder` raises."""
    search, second = nbest_decoder(spec, normalizer), spec.rescoring
    scorer = second.scorer(normalizer) if second else None

    def choose(candidates: Sequence[Candidate]) -> int:
        hypotheses = search.n_best(candidates, len(candidates))
        if scorer and second:
            hypotheses = rescore(hypotheses, scorer, second.options)
        return search.place_of(hypotheses[0].text, candidates)

    return choose
