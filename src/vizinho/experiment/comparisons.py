"""Which lines are compared with which, by what tests, and what may be called better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

from vizinho.errors import CorpusError
from vizinho.evaluation.mapsswe import mapsswe
from vizinho.evaluation.significance import compare, holm
from vizinho.experiment.results import (
    ArmLine,
    ArmResult,
    BySpeaker,
    Ends,
    LineComparison,
    Mapsswe,
    SeedComparison,
    pooled_errors,
)
from vizinho.experiment.spec import CONTROLS
from vizinho.records import Interval, UtteranceErrors

SIGNIFICANT = 0.05
"""Holm-corrected p below which one line is called better than another."""
FEWEST_SPEAKERS = 6
"""With five speakers all of whom agree, exchanging systems by speaker gives p = 2/2^5 > .05: no test by speaker could
find anything."""
Metric = Literal["cer", "wer"]
METRICS: tuple[Metric, ...] = ("cer", "wer")
SEED_RESAMPLES = 2000  # single seeds decide nothing: coarser p-values will do


def compare_lines(lines: Sequence[ArmLine]) -> list[LineComparison]:
    """All planned comparisons, each on CER and on WER, with Holm's correction over every family of one metric.

    Families: "starts" (equal recipes and budgets), "recipes" (a start's recipes against its first, and against
    scratch), "synthetic" (with a stage of synthetic target speech), "controls" (against their donor and scratch),
    "unmatched" (with a donor of another budget). Lines of different amounts of target speech are never compared; all
    amounts are in one family.
    """
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(line.first.start, line.first.recipe)
    planned = [
        (family, a, b)
        for a, b in combinations(lines, 2)
        if a.first.amount == b.first.amount and (family := _family(a.first, b.first, first))
    ]
    compared = [_compared(family, a, b, metric) for metric in METRICS for family, a, b in planned]
    # Holm's correction needs all p-values of a family, so it is filled in when they are there.
    corrected: dict[int, LineComparison] = {}
    for key in dict.fromkeys((c.family, c.metric) for c in compared):
        places = [place for place, c in enumerate(compared) if (c.family, c.metric) == key]
        for place, p in zip(places, holm([compared[place].p_decisive for place in places]), strict=True):
            comparison = compared[place]
            better = _better(comparison) if p < SIGNIFICANT else None
            corrected[place] = replace(comparison, p_holm=p, family_size=len(places), better=better)
    return [corrected[place] for place in range(len(compared))]


def _family(a: ArmResult, b: ArmResult, first: dict[str, str]) -> str | None:
    """The family of a pair of lines, by their arms; None for a pair whose difference would answer no question."""
    controls = [arm for arm in (a, b) if arm.kind in CONTROLS]
    if controls:
        other = b if controls[0] is a else a
        is_origin = other.start == controls[0].origin and other.recipe == controls[0].recipe
        return "controls" if len(controls) == 1 and (is_origin or other.is_scratch) else None
    if a.start == b.start:
        return "recipes" if first[a.start] in (a.recipe, b.recipe) else None
    if any(arm.recipe != first[arm.start] for arm in (a, b)):
        return "recipes" if a.is_scratch or b.is_scratch else None
    if a.recipe != b.recipe and not (a.is_scratch or b.is_scratch):
        return None
    if not (a.matched and b.matched):
        return "unmatched"
    return "synthetic" if "synthetic" in (a.kind, b.kind) else "starts"


def _compared(family: str, a: ArmLine, b: ArmLine, metric: Metric) -> LineComparison:
    """A pair before its family is known: uncorrected, and none called better."""
    # Seeds are added up per utterance: two seeds of one utterance are no two independent observations.
    errors_a, errors_b = pooled_errors(a), pooled_errors(b)
    by_utterance = compare(errors_a, errors_b, metric=metric)
    by_speaker = _by_speaker(errors_a, errors_b, metric)
    p = by_speaker.p if by_speaker.decides and by_speaker.p is not None else by_utterance.p
    return LineComparison(
        family=family,
        a=a.name,
        b=b.name,
        metric=metric,
        minutes=a.first.minutes,
        difference=by_utterance.difference,
        ci=_ends(by_utterance.ci),
        relative=by_utterance.relative,
        relative_ci=None if by_utterance.relative_ci is None else _ends(by_utterance.relative_ci),
        cohens_d=by_utterance.cohens_d,
        p=by_utterance.p,
        p_randomisation=by_utterance.p_randomisation,
        test=by_utterance.test,
        by_speaker=by_speaker,
        p_decisive=p,
        decided_by="speaker" if by_speaker.decides else "utterance",
        by_seed=tuple(_by_seed(a, b, metric)),
        p_holm=p,
        family_size=1,
        better=None,
    )


def _ends(interval: Interval) -> Ends:
    return interval.low, interval.high


def _by_speaker(a: Sequence[UtteranceErrors], b: Sequence[UtteranceErrors], metric: Metric) -> BySpeaker:
    """The comparison with speakers as the units, or why there is none."""
    speakers = {e.speaker for e in a}
    count = len(speakers)
    try:
        comparison = compare(a, b, metric=metric, cluster=True)
    except CorpusError:  # speakers cannot be resampled where there is one, or where some are not named
        single = "one speaker only: this says nothing about other speakers"
        return BySpeaker(count, None, None, False, "some utterances name no speaker" if "" in speakers else single)
    decides = count >= FEWEST_SPEAKERS
    note = "" if decides else f"{count} speakers are too few for a test by speaker to decide"
    return BySpeaker(count, comparison.p, _ends(comparison.ci), decides, note)


def _by_seed(a: ArmLine, b: ArmLine, metric: Metric) -> list[SeedComparison]:
    """The seeds that both lines have, one by one."""
    errors_b = {arm.seed: arm.test.per_utterance for arm in b.arms}
    rows = []
    for arm in a.arms:
        if arm.seed not in errors_b:
            continue
        pair = arm.test.per_utterance, errors_b[arm.seed]
        comparison = compare(*pair, metric=metric, resamples=SEED_RESAMPLES)
        segments = mapsswe(*pair) if metric == "wer" else None
        matched = None if segments is None else Mapsswe(segments.segments, segments.z, segments.p)
        rows.append(SeedComparison(arm.seed, comparison.difference, comparison.p, matched))
    return rows


def _better(c: LineComparison) -> str | None:
    """The side with the lower rate; None where both are equal."""
    return None if not c.difference else c.a if c.difference < 0 else c.b
