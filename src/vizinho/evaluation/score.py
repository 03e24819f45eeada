"""CER and WER with bootstrap intervals; utterances are paired by id and every score carries its signature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import jiwer
import numpy as np

from vizinho.errors import CorpusError
from vizinho.evaluation.significance import Counts, bootstrap_sums, percentiles, speaker_sums
from vizinho.records import Interval, Scores, UtteranceErrors

_NAMED = 5
"""Ids that an error message names before it only counts."""


def score(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    *,
    speakers: Mapping[str, str] | None = None,
    normalizer: str,
    data_fingerprint: str,
    seed: int = 1,
    resamples: int = 2000,
    cluster: bool = False,
) -> Scores:
    """Score normalised texts against each other.

    Args:
        references, hypotheses: Texts by utterance id; the ids must be the same. Runs of white space count as one
            space, and none at either end.
        speakers: Speaker by utterance id; needed for `cluster`.
        normalizer: Name of the normaliser both sides went through; part of the signature.
        data_fingerprint: Names the data; part of the signature.
        seed, resamples: Of the percentile bootstrap (Bisani & Ney 2004). The order of the ids does not matter.
        cluster: Resample speakers instead of utterances.

    Raises CorpusError for ids without a partner or without a speaker, and when there is no reference text at all.
    """
    errors = tuple(count_errors(references, hypotheses, speakers))
    cer, wer = _rates(errors)
    cer_ci, wer_ci = _intervals(errors, seed, resamples, cluster)
    signature = _signature(normalizer, data_fingerprint, len(errors), seed, resamples, cluster)
    return Scores(cer, wer, cer_ci, wer_ci, len(errors), signature, errors)


def error_rates(references: Mapping[str, str], hypotheses: Mapping[str, str]) -> tuple[float, float]:
    """(CER, WER) without intervals, paired and counted as by `score`. Raises CorpusError as `score` does."""
    return _rates(count_errors(references, hypotheses))


def _rates(errors: Sequence[UtteranceErrors]) -> tuple[float, float]:
    """CER and WER of the whole: edits of all utterances over lengths of all."""
    characters, words = sum(e.characters for e in errors), sum(e.words for e in errors)
    if not characters:
        raise CorpusError("there is no reference text to score against", where="references", fix="check the corpus")
    return sum(e.character_errors for e in errors) / characters, sum(e.word_errors for e in errors) / max(words, 1)


def _signature(normalizer: str, data: str, utterances: int, seed: int, resamples: int, cluster: bool) -> str:
    drawn = f"boot:{resamples}|unit:{'speaker' if cluster else 'utterance'}|seed:{seed}"
    return f"metric:cer+wer|norm:{normalizer}|{drawn}|n:{utterances}|data:{data}|jiwer:{version('jiwer')}"


def count_errors(
    references: Mapping[str, str], hypotheses: Mapping[str, str], speakers: Mapping[str, str] | None = None
) -> list[UtteranceErrors]:
    """Edit counts of every utterance, in the references' order; spaces count as characters.

    An empty reference counts every hypothesised character and word as an error and adds nothing to the lengths.
    Raises CorpusError that names the ids that stand on one side only, or that `speakers` lacks.
    """
    missing = [i for i in references if i not in hypotheses]
    extra = [i for i in hypotheses if i not in references]
    if missing or extra:
        sides = [f"{_named(missing)} without a hypothesis"] * bool(missing)
        sides += [f"{_named(extra)} without a reference"] * bool(extra)
        what = f"{len(missing) + len(extra)} ids stand on one side only: {'; '.join(sides)}"
        raise CorpusError(what, where=(missing + extra)[0], fix="score the same utterances")
    speakerless = [i for i in references if speakers is not None and i not in speakers]
    if speakerless:
        what = f"no speaker is given for {_named(speakerless)}"
        raise CorpusError(what, where="speakers", fix="name the speaker of every id")
    return [_count(i, speakers[i] if speakers else "", references[i], hypotheses[i]) for i in references]


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")


def _count(id_: str, speaker: str, reference: str, hypothesis: str) -> UtteranceErrors:
    # jiwer strips some white space but not all; normalising it first makes its edits and these lengths agree.
    reference, hypothesis = " ".join(reference.split()), " ".join(hypothesis.split())
    if not reference:
        return UtteranceErrors(id_, speaker, reference, hypothesis, len(hypothesis), 0, len(hypothesis.split()), 0)
    letters = jiwer.process_characters(reference, hypothesis)
    words = jiwer.process_words(reference, hypothesis)
    character_errors = letters.substitutions + letters.deletions + letters.insertions
    word_errors = words.substitutions + words.deletions + words.insertions
    return UtteranceErrors(
        id_, speaker, reference, hypothesis, character_errors, len(reference), word_errors, len(reference.split())
    )


def _sums(errors: Sequence[UtteranceErrors]) -> Counts:
    """(utterances, 4): character errors, characters, word errors and words of each utterance."""
    return np.array([[e.character_errors, e.characters, e.word_errors, e.words] for e in errors], dtype=np.float64)


def _intervals(
    errors: Sequence[UtteranceErrors], seed: int, resamples: int, cluster: bool
) -> tuple[Interval, Interval]:
    """Intervals of CER and WER."""
    ordered = sorted(errors, key=lambda e: e.id)  # so that intervals do not depend on the order of the utterances
    counts = speaker_sums(ordered, _sums(ordered)) if cluster else _sums(ordered)
    drawn = bootstrap_sums(counts, np.random.default_rng(seed), resamples)
    low, high = percentiles(drawn[:, [0, 2]] / np.maximum(drawn[:, [1, 3]], 1))  # a draw may have no reference text
    return Interval(float(low[0]), float(high[0])), Interval(float(low[1]), float(high[1]))


def score_errors(errors: Sequence[UtteranceErrors], *, seed: int = 1, resamples: int = 2000) -> dict[str, Any]:
    """Rates and intervals of given counts (of several seeds pooled, say), as plain values.

    Raises CorpusError when there is no reference text.
    """
    cer, wer = _rates(errors)
    letters, words = _intervals(errors, seed, resamples, cluster=False)
    return {"cer": cer, "cer_ci": [letters.low, letters.high], "wer": wer, "wer_ci": [words.low, words.high]}


def per_speaker(scores: Scores) -> dict[str, dict[str, Any]]:
    """CER, WER and number of utterances of each speaker; rates are None where there is no reference text."""
    groups: dict[str, list[UtteranceErrors]] = defaultdict(list)
    for error in scores.errors:
        groups[error.speaker].append(error)
    rates: dict[str, dict[str, Any]] = {}
    for speaker, errors in sorted(groups.items()):
        cer, wer = _rates(errors) if any(e.characters for e in errors) else (None, None)
        rates[speaker] = {"cer": cer, "wer": wer, "utterances": len(errors)}
    return rates


def worst(scores: Scores, count: int = 10) -> list[UtteranceErrors]:
    """Utterances with the most character errors, the most first; those without an error are never among them."""
    wrong = [e for e in scores.errors if e.character_errors]
    return sorted(wrong, key=lambda e: (-e.character_errors, e.id))[:count]


def as_json(scores: Scores, *, per_utterance: bool = True) -> dict[str, Any]:
    """Plain values: rates, intervals as [low, high], signature, speakers, worst and, if asked for, every utterance."""
    values: dict[str, Any] = {
        "cer": scores.cer,
        "wer": scores.wer,
        "cer_ci": [scores.cer_ci.low, scores.cer_ci.high],
        "wer_ci": [scores.wer_ci.low, scores.wer_ci.high],
        "utterances": scores.utterances,
        "signature": scores.signature,
        "per_speaker": per_speaker(scores),
        "worst": [asdict(e) for e in worst(scores)],
    }
    return values | ({"per_utterance": [asdict(e) for e in scores.errors]} if per_utterance else {})
