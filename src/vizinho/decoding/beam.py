"""CTC beam search (flashlight's) with language models and hotwords, for any token inventory.

The search is flashlight's lexicon-free one (Collobert et al. 2016 describe its ancestor). The language models decide
which words there are, so characters and pieces, known and unknown words are handled alike. A lexicon search cannot
write a word whose spelling it lacks, and ends a word after one frame of its last token.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vizinho.decoding.greedy import Emission, LogProbs, emissions_along
from vizinho.decoding.hotwords import Hotwords
from vizinho.decoding.lm.model import LanguageModel
from vizinho.decoding.lm.writing import Letters, Uniform, Words
from vizinho.errors import ModelError, SpecError
from vizinho.text.tokens import PIECE_SPACE, TokenInventory

if TYPE_CHECKING:
    from vizinho.decoding.fusion import Fusion, Opinions


@dataclass(frozen=True, slots=True)
class BeamOptions:
    """How a beam search weighs the sound against what is likely to be said; scores are natural logarithms (nats).

    The defaults are starting points: `vizinho lm tune` chooses on dev.
    """

    beam_width: int = 16
    """Hypotheses that go on after every frame."""
    token_cutoff: int = 10
    """Best tokens of a frame that are tried."""
    beam_threshold: float = 25.0
    """Hypotheses this far below the best one are dropped."""
    lm_weight: float = 0.5
    """Of the language model's log-probability."""
    word_score: float = 0.0
    """Added for every word; positive against too few words."""
    letter_score: float = 0.0
    """Added for every letter; positive against short words."""
    unknown_words: bool = True
    """Words that the word model does not know may be written."""
    unknown_score: float = 0.0
    """Added for every such word, besides the cost of its spelling."""
    add_alignments: bool = True
    """Add up the probabilities of a text's alignments instead of taking its best one."""

    def __post_init__(self) -> None:
        """Raises SpecError for values out of range."""
        if self.beam_width < 1 or self.token_cutoff < 1:
            what = f"beam width {self.beam_width}, token cut-off {self.token_cutoff}"
            raise SpecError(what, where="beam", fix="give at least 1")
        if self.beam_threshold < 0 or self.lm_weight < 0:
            what = f"beam threshold {self.beam_threshold}, LM weight {self.lm_weight}"
            raise SpecError(what, where="beam", fix="give at least 0")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of all options."""
        return tuple(f.name for f in fields(cls))


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One text of the search; scores in nats, `score` is their weighted sum."""

    text: str
    emissions: tuple[Emission, ...]
    score: float
    acoustic_score: float
    lm_score: float
    """Everything but the sound: language model, scores per word and letter, hotwords, already weighted."""


class BeamDecoder:
    """A beam search set up for one token inventory; safe to share between threads."""

    def __init__(
        self,
        inventory: TokenInventory,
        options: BeamOptions | None = None,
        *,
        words: LanguageModel | None = None,
        letters: LanguageModel | None = None,
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        """Set up the search.

        Args:
            inventory: The recogniser's tokens.
            options: Weights and widths.
            words: A word model. Words outside its vocabulary are spelt by `letters` if given; without it every letter
                costs the same.
            letters: A character model; alone, it scores the text letter by letter.
            hotwords: Normalised words or phrases, and the nats each is worth.

        Raises ModelError when a model is of the other unit or an inventory has no blank.
        """
        from vizinho.decoding.fusion import Opinions

        if "blank" not in inventory.roles:
            raise ModelError("the tokens have no blank", where="beam search", fix="give a CTC recogniser")
        self._inventory = inventory
        self._blank = inventory.roles.index("blank")
        # Pieces have no space of their own; the search wants an index, and with sil_score 0 it does not matter which.
        self._space = inventory.roles.index("space") if "space" in inventory.roles else self._blank
        favoured = Hotwords(hotwords) if hotwords else None
        by_letter = Letters(_of_unit(letters, "char")) if letters else None
        by_word = None
        if words is not None:
            speller = by_letter or Uniform(len(letters_of(inventory)))
            by_word = Words(_of_unit(words, "word"), speller, favoured.words if favoured else frozenset())
        steps = tuple(_step(t, role) for t, role in zip(inventory.tokens, inventory.roles, strict=True))
        # Letters that spell unknown words are part of the word model and must not score the text a second time.
        opinions = Opinions(BeamOptions(), steps, by_word, None if by_word else by_letter, favoured)
        self._opinions = _with_options(opinions, options or BeamOptions())

    @property
    def options(self) -> BeamOptions:
        """Weights and widths."""
        return self._opinions.options

    @property
    def scores_words(self) -> bool:
        """Whether a word model takes part."""
        return self._opinions.words is not None

    def with_options(self, options: BeamOptions) -> BeamDecoder:
        """This search with other weights; its models are shared, not loaded again."""
        other = copy.copy(self)
        other._opinions = _with_options(self._opinions, options)
        return other

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        """Emissions of the best hypothesis for log-probabilities (T, V)."""
        return [emission for best in self.n_best(log_probs, 1) for emission in best.emissions]

    def n_best(self, log_probs: LogProbs, count: int) -> list[Hypothesis]:
        """At most `count` different texts for log-probabilities (T, V), the best first; none for no frames."""
        frames, width = log_probs.shape
        if width != len(self._inventory.tokens):
            raise ModelError(
                f"{width} log-probabilities a frame, {len(self._inventory.tokens)} tokens",
                where="beam search",
                fix="give the inventory of the model that was run",
            )
        if not frames:
            return []
        from vizinho.decoding.fusion import Fusion

        values = np.ascontiguousarray(log_probs, dtype=np.float32)
        best: dict[str, Hypothesis] = {}
        fusion = Fusion(self._opinions)  # the search holds only its native half, so it must live as long
        for result in self._search(fusion).decode(values.ctypes.data, frames, width):
            path = np.array(result.tokens[1 : frames + 1], dtype=np.int64)  # first and last are the search's own
            text = self.text_of(path)
            if text not in best:
                emissions = tuple(emissions_along(path, log_probs, self._blank))
                acoustic_score = result.score - result.lmScore
                best[text] = Hypothesis(text, emissions, result.score, acoustic_score, result.lmScore)
            if len(best) == count:
                break
        return list(best.values())

    def text_of(self, path: np.ndarray) -> str:
        """The words of a path of one token per frame, (T,)."""
        changes = path[np.concatenate(([True], np.diff(path) != 0))]  # repeats of a token are one token
        return " ".join("".join(self._opinions.steps[t] for t in changes).split())

    def _search(self, fusion: Fusion) -> Any:
        from flashlight.lib.text.decoder import CriterionType, LexiconFreeDecoder, LexiconFreeDecoderOptions

        options = LexiconFreeDecoderOptions(
            beam_size=self.options.beam_width,
            beam_size_token=min(self.options.token_cutoff, len(self._inventory.tokens)),
            beam_threshold=self.options.beam_threshold,
            lm_weight=1.0,  # Fusion weights the parts before it adds them up
            sil_score=0.0,
            log_add=self.options.add_alignments,
            criterion_type=CriterionType.CTC,
        )
        return LexiconFreeDecoder(options, fusion, self._space, self._blank, [])


def letters_of(inventory: TokenInventory) -> frozenset[str]:
    """Letters that the tokens can write."""
    return frozenset("".join(inventory.letters)) - {PIECE_SPACE}


def _with_options(opinions: Opinions, options: BeamOptions) -> Opinions:
    words = opinions.words
    if words is not None:  # Fusion multiplies the words' part by lm_weight, but unknown_score is in nats of the whole
        words = words.with_unknown(options.unknown_words, options.unknown_score / max(options.lm_weight, 1e-3))
    return replace(opinions, options=options, words=words)


def _step(token: str, role: str) -> str:
    """What a token writes: letters, a space, or nothing (the blank)."""
    if role == "space":
        return " "
    return token.replace(PIECE_SPACE, " ") if role == "letter" else ""


def _of_unit(model: LanguageModel, unit: str) -> LanguageModel:
    if model.card.unit != unit:
        what = f"it is a model of {model.card.unit}s, not of {unit}s"
        raise ModelError(what, where=model.path, fix="swap the models")
    return model
