"""Options that set up a beam search, shared by the commands that decode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizinho.errors import SpecError

if TYPE_CHECKING:
    from vizinho.decoding.setup import DecoderSpec
    from vizinho.recognition.recognizer import Recognizer

Lms = Annotated[
    list[Path] | None, typer.Option("--lm", help="Language model (ARPA): of words, of characters, or one of each.")
]
LmWeight = Annotated[float | None, typer.Option("--lm-weight", help="Weight of the language model.")]
WordScore = Annotated[float | None, typer.Option("--word-score", help="Nats added for every word.")]
LetterScore = Annotated[float | None, typer.Option("--letter-score", help="Nats added for every letter.")]
BeamWidth = Annotated[int | None, typer.Option("--beam-width", help="Hypotheses kept after every frame.", min=1)]
HotwordList = Annotated[
    list[str] | None, typer.Option("--hotword", help="Word or phrase to favour, as WORD or WORD=NATS; repeatable.")
]
DecoderFile = Annotated[
    Path | None, typer.Option("--decoder", help="Settings written by `vizinho lm tune`; the other options win.")
]


def spec_of(
    lms: list[Path] | None = None,
    lm_weight: float | None = None,
    word_score: float | None = None,
    letter_score: float | None = None,
    beam_width: int | None = None,
    hotwords: list[str] | None = None,
    file: Path | None = None,
) -> DecoderSpec | None:
    """The beam search that the options describe; None (greedy) without any of them."""
    from vizinho.decoding.setup import DecoderSpec, read_decoder

    scores = {"lm_weight": lm_weight, "word_score": word_score, "letter_score": letter_score}
    changes: dict[str, Any] = {n: v for n, v in {**scores, "beam_width": beam_width}.items() if v is not None}
    if not (lms or hotwords or file or changes):
        return None
    spec = read_decoder(file) if file else DecoderSpec()
    boosts = {**spec.hotwords, **_boosts(hotwords or [])}
    return DecoderSpec(tuple(lms) if lms else spec.lms, replace(spec.options, **changes), boosts)


def _boosts(hotwords: list[str]) -> dict[str, float]:
    from vizinho.decoding.hotwords import DEFAULT_BOOST

    boosts = {}
    for hotword in hotwords:
        word, _, boost = hotword.partition("=")
        try:
            boosts[word] = float(boost) if boost else DEFAULT_BOOST
        except ValueError as error:
            raise SpecError(f"{boost!r} is not a number", where=f"--hotword {hotword}", fix="give WORD=NATS") from error
    return boosts


def beam_alone() -> DecoderSpec:
    """A search without language model or hotwords."""
    from vizinho.decoding.beam import BeamOptions
    from vizinho.decoding.setup import DecoderSpec

    return DecoderSpec(options=BeamOptions(lm_weight=0.0))


def rescoring(recognizer: Recognizer, folder: Path, weight: float) -> Recognizer:
    """The recogniser with its search's best hypotheses reordered by a neural language model.

    Raises ModelError for a folder without one and SpecError for a recogniser without a search.
    """
    from vizinho.decoding.beam import BeamDecoder
    from vizinho.decoding.rescore import RescoreOptions, RescoringDecoder
    from vizinho.text_models.lstm_scores import NeuralScorer

    if not isinstance(recognizer.decoder, BeamDecoder):
        raise SpecError("there is no search to rescore", where="--rescore", fix="give --beam-width or --lm")
    decoder = RescoringDecoder(recognizer.decoder, NeuralScorer.load(folder), RescoreOptions(weight=weight))
    return recognizer.with_decoder(decoder)
