"""Every way of scoring gives the same rates for the same texts, whatever is asked of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.errors import CorpusError
from vizinho.evaluation.score import as_json, count_errors, error_rates, per_speaker, score, score_errors
from vizinho.evaluation.significance import compare, pool

Texts = Mapping[str, str]
Scorer = Callable[[Texts, Texts], tuple[float, float]]


def by_score(references: Texts, hypotheses: Texts) -> tuple[float, float]:
    found = score(references, hypotheses, normalizer="pt-v1", data_fingerprint="ab", resamples=20)
    return found.cer, found.wer


def by_speakers(references: Texts, hypotheses: Texts) -> tuple[float, float]:
    """Rates put together again from those of the speakers."""
    speakers = {i: f"s{n % 2}" for n, i in enumerate(references)}
    found = score(
        references, hypotheses, speakers=speakers, normalizer="pt-v1", data_fingerprint="ab", seed=2, resamples=20
    )
    lengths = {
        s: [sum(getattr(e, unit) for e in found.errors if e.speaker == s) for unit in ("characters", "words")]
        for s in per_speaker(found)
    }
    rates = [
        sum((row[measure] or 0.0) * lengths[s][place] for s, row in per_speaker(found).items())
        / sum(length[place] for length in lengths.values())
        for place, measure in enumerate(("cer", "wer"))
    ]
    return rates[0], rates[1]


def by_json(references: Texts, hypotheses: Texts) -> tuple[float, float]:
    found = as_json(score(references, hypotheses, normalizer="pt-v1", data_fingerprint="ab", resamples=20))
    rows = found["per_utterance"]
    return (
        sum(r["character_errors"] for r in rows) / sum(r["characters"] for r in rows),
        sum(r["word_errors"] for r in rows) / sum(r["words"] for r in rows),
    )


def by_pooled_seeds(references: Texts, hypotheses: Texts) -> tuple[float, float]:
    errors = count_errors(references, hypotheses)
    found = score_errors(pool([errors, errors, errors]), resamples=20)
    return found["cer"], found["wer"]


def by_comparison(references: Texts, hypotheses: Texts) -> tuple[float, float]:
    """The rate of a system is its difference from a perfect one."""
    errors, perfect = count_errors(references, hypotheses), count_errors(references, references)
    found = [compare(errors, perfect, metric=m, resamples=20).difference for m in ("cer", "wer")]
    return found[0], found[1]


SCORERS = (by_score, by_speakers, by_json, by_pooled_seeds, by_comparison)
LINE = st.lists(st.text("aáãé", min_size=1, max_size=4), min_size=1, max_size=4).map(" ".join)
CORPUS = st.lists(st.tuples(LINE, LINE | st.just("")), min_size=1, max_size=6)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda s: s.__name__)
@given(pairs=CORPUS)
@settings(max_examples=30)
def test_all_scorers_agree(scorer: Scorer, pairs: list[tuple[str, str]]) -> None:
    references = {f"u{i}": reference for i, (reference, _) in enumerate(pairs)}
    hypotheses = {f"u{i}": hypothesis for i, (_, hypothesis) in reversed(list(enumerate(pairs)))}
    assert scorer(references, hypotheses) == pytest.approx(error_rates(references, hypotheses))


@pytest.mark.parametrize("scorer", [error_rates, *SCORERS], ids=lambda s: s.__name__)
def test_all_scorers_know_the_simple_cases(scorer: Scorer) -> None:
    assert scorer({"1": "avó", "2": "é"}, {"1": "avó", "2": "é"}) == (0, 0)
    assert scorer({"1": "avó", "2": "é"}, {"1": "avô", "2": "é"}) == pytest.approx((1 / 4, 1 / 2))
    assert scorer({"1": "avó"}, {"1": ""}) == pytest.approx((1, 1))


@pytest.mark.parametrize("scorer", [error_rates, *SCORERS], ids=lambda s: s.__name__)
def test_no_scorer_drops_an_utterance_in_silence(scorer: Scorer) -> None:
    with pytest.raises(CorpusError, match="stand on one side only"):
        scorer({"1": "avó", "2": "é"}, {"1": "avó"})
    with pytest.raises(CorpusError, match="stand on one side only"):
        scorer({"1": "avó"}, {"1": "avó", "2": "é"})


@given(pairs=CORPUS, seed=st.integers(0, 2**31))
@settings(max_examples=40)
def test_rates_are_zero_exactly_for_equal_texts_and_intervals_are_in_order(
    pairs: list[tuple[str, str]], seed: int
) -> None:
    references = {str(i): reference for i, (reference, _) in enumerate(pairs)}
    hypotheses = {str(i): hypothesis for i, (_, hypothesis) in enumerate(pairs)}
    found = score(references, hypotheses, normalizer="pt-v1", data_fingerprint="ab", seed=seed, resamples=50)
    assert (found.cer == 0) == (references == hypotheses)
    assert 0 <= found.cer_ci.low <= found.cer_ci.high
    assert 0 <= found.wer_ci.low <= found.wer_ci.high


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": "pt-v2"},
        {"data_fingerprint": "cd"},
        {"seed": 2},
        {"resamples": 21},
        {"cluster": True},
    ],
    ids=str,
)
def test_whatever_could_change_a_number_changes_its_signature(change: dict[str, object]) -> None:
    references, hypotheses = {"1": "avó", "2": "é"}, {"1": "avô", "2": "é"}
    options = {"normalizer": "pt-v1", "data_fingerprint": "ab", "seed": 1, "resamples": 20}
    speakers = {"1": "ana", "2": "rui"}
    first = score(references, hypotheses, speakers=speakers, **options)
    second = score(references, hypotheses, speakers=speakers, **(options | change))
    assert first.signature != second.signature
    form = r"metric:cer\+wer\|norm:[\w-]+\|boot:\d+\|unit:(utterance|speaker)\|seed:\d+\|n:2\|data:\w+\|jiwer:[\d.]+"
    assert re.fullmatch(form, first.signature)
    assert re.fullmatch(form, second.signature)
