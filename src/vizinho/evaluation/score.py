"""CER and WER with bootstrap intervals; utterances are paired by id and every score carries its signature."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import jiwer
import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError
from vizinho.records import Interval, Scores, UtteranceErrors

CONFIDENCE = 0.95
_Counts = npt.NDArray[np.float64]


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
        references, hypotheses: Texts by utterance id; the ids must be the same.
        speakers: Speaker by utterance id; needed for `cluster`.
        normalizer: Name of the normaliser both sides went through; part of the signature.
        data_fingerprint: Names the data; part of the signature.
        seed, resamples: Of the percentile bootstrap (Bisani & Ney 2004).
        cluster: Resample speakers instead of utterances.

    Raises CorpusError for ids without a partner, or when there is no reference text at all.
    """
    errors = tuple(count_errors(references, hypotheses, speakers))
    if not any(e.characters for e in errors):
        raise CorpusError("there is no reference text to score against", where="references", fix="check the corpus")
    counts = _sums(errors, cluster)
    intervals = _bootstrap(counts, seed, resamples)
    total = counts.sum(axis=0)
    signature = "|".join(
        (
            "metric:cer+wer",
            f"norm:{normalizer}",
            f"boot:{resamples}",
            f"unit:{'speaker' if cluster else 'utterance'}",
            f"seed:{seed}",
            f"n:{len(errors)}",
            f"data:{data_fingerprint}",
            f"jiwer:{version('jiwer')}",
        )
    )
    return Scores(
        float(total[0] / total[1]),
        float(total[2] / total[3]),
        intervals[0],
        intervals[1],
        len(errors),
        signature,
        errors,
    )


def count_errors(
    references: Mapping[str, str], hypotheses: Mapping[str, str], speakers: Mapping[str, str] | None = None
) -> list[UtteranceErrors]:
    """Edit counts of every utterance, in the references' order; spaces count as characters.

    An empty reference counts every hypothesised character and word as an error and adds nothing to the lengths.
    """
    lacking = [i for i in references if i not in hypotheses] + [i for i in hypotheses if i not in references]
    if lacking:
        raise CorpusError(
            f"{len(lacking)} ids stand on one side only", where=lacking[0], fix="score the same utterances"
        )
    return [_count(i, speakers[i] if speakers else "", references[i], hypotheses[i]) for i in references]


def _count(id_: str, speaker: str, reference: str, hypothesis: str) -> UtteranceErrors:
    if not reference:
        return UtteranceErrors(id_, speaker, reference, hypothesis, len(hypothesis), 0, len(hypothesis.split()), 0)
    letters = jiwer.process_characters(reference, hypothesis)
    words = jiwer.process_words(reference, hypothesis)
    return UtteranceErrors(
        id_,
        speaker,
        reference,
        hypothesis,
        letters.substitutions + letters.deletions + letters.insertions,
        len(reference),
        words.substitutions + words.deletions + words.insertions,
        len(reference.split()),
    )


def _sums(errors: Sequence[UtteranceErrors], cluster: bool) -> _Counts:
    """(units, 4): character errors, characters, word errors, words of each utterance, or summed per speaker."""
    rows = np.array([[e.character_errors, e.characters, e.word_errors, e.words] for e in errors], dtype=np.float64)
    if not cluster:
        return rows
    speakers = sorted({e.speaker for e in errors})
    return np.array([rows[[e.speaker == s for e in errors]].sum(axis=0) for s in speakers])


def _bootstrap(counts: _Counts, seed: int, resamples: int) -> tuple[Interval, Interval]:
    rng = np.random.default_rng(seed)
    drawn = counts[rng.integers(0, len(counts), size=(resamples, len(counts)))].sum(axis=1)
    rates = drawn[:, [0, 2]] / np.maximum(drawn[:, [1, 3]], 1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(rates, [tail, 1 - tail], axis=0)
    return Interval(float(low[0]), float(high[0])), Interval(float(low[1]), float(high[1]))


def score_errors(errors: Sequence[UtteranceErrors], *, seed: int = 1, resamples: int = 2000) -> dict[str, Any]:
    """Rates and intervals of counts already made (of several seeds pooled, say), as plain values."""
    counts = _sums(errors, cluster=False)
    total, (letters, words) = counts.sum(axis=0), _bootstrap(counts, seed, resamples)
    return {
        "cer": float(total[0] / total[1]),
        "cer_ci": [letters.low, letters.high],
        "wer": float(total[2] / total[3]),
        "wer_ci": [words.low, words.high],
    }


def per_speaker(scores: Scores) -> dict[str, dict[str, Any]]:
    """CER, WER and number of utterances of each speaker; rates are None where there is no reference text."""
    groups: dict[str, list[UtteranceErrors]] = defaultdict(list)
    for error in scores.errors:
        groups[error.speaker].append(error)
    found: dict[str, dict[str, Any]] = {}
    for speaker, errors in sorted(groups.items()):
        total = _sums(errors, cluster=False).sum(axis=0)
        found[speaker] = {
            "cer": float(total[0] / total[1]) if total[1] else None,
            "wer": float(total[2] / total[3]) if total[3] else None,
            "utterances": len(errors),
        }
    return found


def worst(scores: Scores, count: int = 10) -> list[UtteranceErrors]:
    """Utterances with the most character errors."""
    return sorted(scores.errors, key=lambda e: (-e.character_errors, e.id))[:count]


def as_json(scores: Scores, *, per_utterance: bool = True) -> dict[str, Any]:
    """Plain values: rates, intervals as [low, high], signature, speakers, worst and, if asked for, every utterance."""
    made: dict[str, Any] = {
        "cer": scores.cer,
        "wer": scores.wer,
        "cer_ci": [scores.cer_ci.low, scores.cer_ci.high],
        "wer_ci": [scores.wer_ci.low, scores.wer_ci.high],
        "utterances": scores.utterances,
        "signature": scores.signature,
        "per_speaker": per_speaker(scores),
        "worst": [asdict(e) for e in worst(scores)],
    }
    if per_utterance:
        made["per_utterance"] = [asdict(e) for e in scores.errors]
    return made
