"""Corpus-level CER and WER without intervals: the quick view that training looks at."""

from __future__ import annotations

from collections.abc import Mapping

import jiwer

from vizinho.errors import CorpusError


def error_rates(references: Mapping[str, str], hypotheses: Mapping[str, str]) -> tuple[float, float]:
    """(CER, WER) over utterances paired by id: edits over reference length. Empty references are counted as edits only.

    Raises CorpusError when an id lacks its hypothesis or all references are empty.
    """
    lacking = [id_ for id_ in references if id_ not in hypotheses]
    if lacking:
        raise CorpusError(f"{len(lacking)} utterances have no hypothesis", where=lacking[0], fix="transcribe them all")
    ids = list(references)
    said, heard = [references[i] for i in ids], [hypotheses[i] for i in ids]
    if not any(said):
        raise CorpusError("all references are empty", fix="check the texts")
    letters, words = jiwer.process_characters(said, heard), jiwer.process_words(said, heard)
    return float(letters.cer), float(words.wer)
