"""From finished arms to what they show: pooled rates, steps to scratch's best, comparisons, and a plain reading."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from vizinho.evaluation.score import score_errors
from vizinho.evaluation.significance import compare, holm, pool
from vizinho.experiment.values import DEFAULT, SCRATCH
from vizinho.records import UtteranceErrors

SIGNIFICANT = 0.05
"""Holm-corrected p below which one arm is called better than another."""

Result = dict[str, Any]


def summarise(arms: Sequence[Result]) -> dict[str, Any]:
    """The "pooled", "comparisons" and "reading" of results.json; adds steps to scratch's best to the arms.

    Arms of different amounts of target speech are never compared with each other.
    """
    pooled, comparisons = [], []
    for minutes in sorted({a["minutes_asked"] or 0.0 for a in arms}):
        group = [a for a in arms if (a["minutes_asked"] or 0.0) == minutes]
        for arm in group:
            arm["steps_to_scratch_best"] = _steps_to_scratch_best(arm, group)
        lines = list(dict.fromkeys(map(line_of, group)))
        pooled += [_pooled(line, [a for a in group if line_of(a) == line]) for line in lines]
        comparisons += _comparisons(lines, group)
    return {"pooled": pooled, "comparisons": comparisons, "reading": reading(pooled, comparisons)}


def line_of(arm: Result) -> str:
    """What the seeds of an arm have in common: its start, and its recipe where the file names recipes."""
    recipe = arm.get("recipe", DEFAULT)
    return str(arm["start"]) if recipe in (DEFAULT, SCRATCH) else f"{arm['start']}, {recipe}"


def _errors(arm: Result) -> list[UtteranceErrors]:
    return [UtteranceErrors(**row) for row in arm["test"]["per_utterance"]]


def _pooled(line: str, arms: Sequence[Result]) -> dict[str, Any]:
    """Seeds of one start and recipe together: rates over all their outputs, intervals by resampling utterances."""
    together = score_errors(pool([_errors(a) for a in arms]))
    moved = [a["movement"] for a in arms if a["movement"]]
    kept = [a["retention"] for a in arms if a["retention"]]
    return {
        "line": line,
        "start": arms[0]["start"],
        "recipe": arms[0].get("recipe", DEFAULT),
        "donor": arms[0]["donor"],
        "minutes": arms[0]["minutes"],
        "steps": arms[0]["steps"],
        "seeds": len(arms),
        "cer": together["cer"],
        "cer_ci": together["cer_ci"],
        "wer": together["wer"],
        "wer_ci": together["wer_ci"],
        "cer_by_seed": [a["test"]["cer"] for a in arms],
        "dev_cer_by_seed": [a["dev_cer"] for a in arms],
        "movement": {
            k: _mean([m[k] for m in moved])
            for k in ("moved_share", "relative_distance", "encoder_distance", "batch_norm_drift")
        }
        if moved
        else None,
        "retention": {
            "lang": kept[0]["lang"],
            "cer": _mean([k["cer"] for k in kept]),
            "donor_cer": kept[0]["donor_cer"],
        }
        if kept
        else None,
        "steps_to_scratch_best": [a["steps_to_scratch_best"] for a in arms],
    }


def _comparisons(lines: Sequence[str], group: Sequence[Result]) -> list[dict[str, Any]]:
    """Every pair of lines on CER and on WER; Holm's correction runs over the pairs of one metric."""
    found = []
    outputs = {line: pool([_errors(a) for a in group if line_of(a) == line]) for line in lines}
    for metric in ("cer", "wer"):
        made = [(a, b, compare(outputs[a], outputs[b], metric=metric)) for a, b in combinations(lines, 2)]
        corrected = holm([c.p for _, _, c in made])
        found += [
            {
                "a": a,
                "b": b,
                "metric": metric,
                "minutes": group[0]["minutes"],
                "difference": c.difference,
                "ci": [c.ci.low, c.ci.high],
                "p": c.p,
                "p_holm": p,
                "p_randomisation": c.p_randomisation,
                "test": c.test,
            }
            for (a, b, c), p in zip(made, corrected, strict=True)
        ]
    return found


def _steps_to_scratch_best(arm: Result, group: Sequence[Result]) -> int | None:
    """First evaluated step at which the arm is as good on dev as scratch of the same seed ever was; None if never."""
    scratch = next((a for a in group if a["start"] == SCRATCH and a["seed"] == arm["seed"]), None)
    if scratch is None:
        return None
    rates = [p["dev_cer"] for p in scratch["curve"] if p["dev_cer"] is not None]
    if not rates:
        return None
    return next((p["step"] for p in arm["curve"] if p["dev_cer"] is not None and p["dev_cer"] <= min(rates)), None)


def reading(pooled: Sequence[dict[str, Any]], comparisons: Sequence[dict[str, Any]]) -> str:
    """The comparisons in words: better and worse only where the corrected test says so."""
    rates = {(p["line"], p["minutes"]): p["cer"] for p in pooled}
    sentences = []
    for c in comparisons:
        if c["metric"] != "cer":
            continue
        a, b = rates[c["a"], c["minutes"]], rates[c["b"], c["minutes"]]
        figures = f"CER {a:.3f} against {b:.3f}, corrected p = {c['p_holm']:.3g}"
        if c["p_holm"] >= SIGNIFICANT:
            sentences.append(
                f"No difference shown between {c['a']} and {c['b']} at {c['minutes']:g} minutes ({figures})."
            )
        else:
            better, worse = (c["a"], c["b"]) if c["difference"] < 0 else (c["b"], c["a"])
            sentences.append(f"{better} is better than {worse} at {c['minutes']:g} minutes ({figures}).")
    return " ".join(sentences)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
