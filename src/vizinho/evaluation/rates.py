"""Corpus-level CER and WER without intervals: the quick view that training looks at."""

from __future__ import annotations

from collections.abc import Mapping

from vizinho.errors import CorpusError
from vizinho.evaluation.score import count_errors


def error_rates(references: Mapping[str, str], hypotheses: Mapping[str, str]) -> tuple[float, float]:
    """(CER, WER) over utterances paired by id. Raises CorpusError when all references are empty."""
    errors = count_errors(references, hypotheses)
    characters, words = sum(e.characters for e in errors), sum(e.words for e in errors)
    if not characters:
        raise CorpusError("all references are empty", where="references", fix="check the texts")
    return sum(e.character_errors for e in errors) / characters, sum(e.word_errors for e in errors) / max(words, 1)
