"""CTC beam search (flashlight's) with language models and hotwords, for any token inventory.

The search is flashlight's lexicon-free one (Collobert et al. 2016 describe its ancestor); which words there are is a
matter of the language model that is asked, so that characters and pieces, known and unknown words go one way. Its
lexicon search cannot write a word it has no spelling of, and a word's last token must not last longer than a frame.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vizinho.decoding.greedy import Emission, LogProbs, emissions_along
from vizinho.decoding.hotwords import Hotwords
from vizinho.decoding.lm.model import LanguageModel
from vizinho.decoding.lm.writing import Letters, Uniform, Words
from vizinho.decoding.options import BeamOptions
from vizinho.errors import ModelError
from vizinho.text.tokens import PIECE_SPACE, TokenInventory

if TYPE_CHECKING:
    from vizinho.decoding.fusion import Opinions


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One text that the search found; scores in nats, `score` is their weighted sum."""

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
            words: A word model. Words outside its vocabulary are spelt by `letters` if given, else any letter costs
                the same.
            letters: A character model; alone, it scores the text letter by letter.
            hotwords: Normalised words or phrases, and the nats each is worth.

        Raises ModelError when a model is of the other unit or an inventory has no blank.
        """
        from vizinho.decoding.fusion import Opinions

        if "blank" not in inventory.roles:
            raise ModelError("the tokens have no blank", where="beam search", fix="give a CTC recogniser")
        self._inventory = inventory
        self._blank = inventory.roles.index("blank")
        self._space = inventory.roles.index("space") if "space" in inventory.roles else self._blank
        favoured = Hotwords(hotwords) if hotwords else None
        by_letter = Letters(_of_unit(letters, "char")) if letters else None
        by_word = None
        if words is not None:
            speller = by_letter or Uniform(len(letters_of(inventory)))
            by_word = Words(_of_unit(words, "word"), speller, favoured.words if favoured else frozenset())
        steps = tuple(_step(t, role) for t, role in zip(inventory.tokens, inventory.roles, strict=True))
        opinions = Opinions(BeamOptions(), steps, by_word, None if by_word else by_letter, favoured)
        self._opinions = _with_options(opinions, options or BeamOptions())

    @property
    def options(self) -> BeamOptions:
        """Weights and widths."""
        return self._opinions.options

    @property
    def scores_words(self) -> bool:
        """Whether a word model has its say."""
        return self._opinions.words is not None

    def with_options(self, options: BeamOptions) -> BeamDecoder:
        """The same models and hotwords under other weights; nothing is loaded again."""
        other = copy.copy(self)
        other._opinions = _with_options(self._opinions, options)
        return other

    def __call__(self, log_probs: LogProbs) -> list[Emission]:
        """Emissions of the best hypothesis for log-probabilities (T, V)."""
        found = self.n_best(log_probs, 1)
        return list(found[0].emissions) if found else []

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
                best[text] = Hypothesis(
                    text,
                    tuple(emissions_along(path, log_probs, self._blank)),
                    result.score,
                    result.score - result.lmScore,
                    result.lmScore,
                )
            if len(best) == count:
                break
        return list(best.values())

    def text_of(self, path: np.ndarray) -> str:
        """The words of a path of one token a frame."""
        changes = path[np.concatenate(([True], np.diff(path) != 0))]
        return " ".join("".join(self._opinions.steps[t] for t in changes).split())

    def _search(self, fusion: Any) -> Any:
        from flashlight.lib.text.decoder import CriterionType, LexiconFreeDecoder, LexiconFreeDecoderOptions

        options = LexiconFreeDecoderOptions(
            beam_size=self.options.beam_width,
            beam_size_token=min(self.options.token_cutoff, len(self._inventory.tokens)),
            beam_threshold=self.options.beam_threshold,
            lm_weight=1.0,  # the parts are weighted where they are added up
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
    if words is not None:  # its score is in nats of the whole, not of the language model, which is weighted
        words = words.with_unknown(options.unknown_words, options.unknown_score / max(options.lm_weight, 1e-3))
    return replace(opinions, options=options, words=words)


def _step(token: str, role: str) -> str:
    if role == "space":
        return " "
    return token.replace(PIECE_SPACE, " ") if role == "letter" else ""


def _of_unit(model: LanguageModel, unit: str) -> LanguageModel:
    if model.card.unit != unit:
        raise ModelError(
            f"it is a model of {model.card.unit}s, not of {unit}s", where=model.path, fix="swap the models"
        )
    return model
