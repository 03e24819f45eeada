"""Which lines are compared with which, by what tests, and what may be called better."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from vizinho.errors import CorpusError
from vizinho.evaluation.mapsswe import mapsswe
from vizinho.evaluation.significance import Comparison, compare, holm
from vizinho.experiment.results import Line, amount_of, errors_of
from vizinho.experiment.spec import CONTROLS
from vizinho.records import UtteranceErrors

SIGNIFICANT = 0.05
"""Holm-corrected p below which one line is called better than another."""
FEWEST_SPEAKERS = 6
"""With five speakers all of whom agree, exchanging systems by speaker gives p = 2/2^5 > .05: no test by speaker could
find anything."""
METRICS = ("cer", "wer")
SEED_RESAMPLES = 2000


def compare_lines(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """All planned comparisons, each on CER and on WER, with Holm's correction over every family of one metric.

    Families: "starts" (equal recipes and budgets), "recipes" (a start's recipes against its first, and against
    scratch), "synthetic" (with a stage of synthetic target speech), "controls" (against their donor and scratch),
    "unmatched" (with a donor of another budget). Lines of different amounts of target speech are never compared; all
    amounts are in one family.
    """
    first = _first_recipes(lines)
    planned = [
        (family, a, b)
        for a, b in combinations(lines, 2)
        if amount_of(a.arms[0]) == amount_of(b.arms[0]) and (family := _family(a, b, first))
    ]
    made = [_compared(family, a, b, metric) for metric in METRICS for family, a, b in planned]
    for key in dict.fromkeys((c["family"], c["metric"]) for c in made):
        members = [c for c in made if (c["family"], c["metric"]) == key]
        for comparison, p in zip(members, holm([c["p_decisive"] for c in members]), strict=True):
            comparison["p_holm"] = p
            comparison["family_size"] = len(members)
            comparison["better"] = _better(comparison)
    return made


def _first_recipes(lines: Sequence[Line]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        found.setdefault(line.start, line.recipe)
    return found


def _family(a: Line, b: Line, first: dict[str, str]) -> str | None:
    """The family of a pair; None for one whose difference would answer no question."""
    controls = [line for line in (a, b) if line.kind in CONTROLS]
    if controls:
        other = b if controls[0] is a else a
        ours = other.start == controls[0].origin and other.recipe == controls[0].recipe
        return "controls" if len(controls) == 1 and (ours or other.is_scratch) else None
    if a.start == b.start:
        return "recipes" if first[a.start] in (a.recipe, b.recipe) else None
    if any(line.recipe != first[line.start] for line in (a, b)):
        return "recipes" if a.is_scratch or b.is_scratch else None
    if a.recipe != b.recipe and not (a.is_scratch or b.is_scratch):
        return None
    if not (a.matched and b.matched):
        return "unmatched"
    return "synthetic" if "synthetic" in (a.kind, b.kind) else "starts"


def _compared(family: str, a: Line, b: Line, metric: str) -> dict[str, Any]:
    ours, theirs = a.errors(), b.errors()
    found = compare(ours, theirs, metric=metric)
    speakers = _by_speaker(ours, theirs, metric)
    decisive = speakers["p"] if speakers["decides"] else found.p
    return {
        "family": family,
        "a": a.name,
        "b": b.name,
        "metric": metric,
        "minutes": a.minutes,
        **_as_json(found),
        "by_speaker": speakers,
        "p_decisive": decisive,
        "decided_by": "speaker" if speakers["decides"] else "utterance",
        "by_seed": _by_seed(a, b, metric),
    }


def _as_json(found: Comparison) -> dict[str, Any]:
    return {
        "difference": found.difference,
        "ci": [found.ci.low, found.ci.high],
        "relative": found.relative,
        "relative_ci": None if found.relative_ci is None else [found.relative_ci.low, found.relative_ci.high],
        "cohens_d": found.cohens_d,
        "p": found.p,
        "p_randomisation": found.p_randomisation,
        "test": found.test,
    }


def _by_speaker(a: Sequence[UtteranceErrors], b: Sequence[UtteranceErrors], metric: str) -> dict[str, Any]:
    """The same comparison with speakers as the units, or why there is none."""
    speakers = {e.speaker for e in a}
    try:
        found = compare(a, b, metric=metric, cluster=True)
    except CorpusError:
        note = (
            "some utterances name no speaker"
            if "" in speakers
            else "one speaker only: this says nothing about other speakers"
        )
        return {"speakers": len(speakers), "p": None, "ci": None, "decides": False, "note": note}
    decides = len(speakers) >= FEWEST_SPEAKERS
    note = "" if decides else f"{len(speakers)} speakers are too few for a test by speaker to decide"
    return {
        "speakers": len(speakers),
        "p": found.p,
        "ci": [found.ci.low, found.ci.high],
        "decides": decides,
        "note": note,
    }


def _by_seed(a: Line, b: Line, metric: str) -> list[dict[str, Any]]:
    """Seeds singly; MAPSSWE belongs to words and to single outputs, so it stands here."""
    theirs = {arm["seed"]: errors_of(arm) for arm in b.arms}
    made = []
    for arm in a.arms:
        if arm["seed"] not in theirs:
            continue
        ours = errors_of(arm)
        found = compare(ours, theirs[arm["seed"]], metric=metric, resamples=SEED_RESAMPLES)
        row = {"seed": arm["seed"], "difference": found.difference, "p": found.p}
        if metric == "wer":
            segments = mapsswe(ours, theirs[arm["seed"]])
            row["mapsswe"] = {"segments": segments.segments, "z": segments.z, "p": segments.p}
        made.append(row)
    return made


def _better(comparison: dict[str, Any]) -> str | None:
    """Which of the two is better; None where no difference is shown."""
    if comparison["p_holm"] >= SIGNIFICANT or not comparison["difference"]:
        return None
    return str(comparison["a"] if comparison["difference"] < 0 else comparison["b"])
