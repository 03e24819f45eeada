"""How many adjustments each start needed and how large they were, tested over seeds; and what is left of the donor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from vizinho.evaluation.significance import holm
from vizinho.experiment.results import Line, Result, amount_of

MEASURES = {"encoder_moved_share": "fewer", "encoder_distance": "smaller"}
"""Without the head, whose rows are other letters in another language; the words for a lower value."""


def adjustments(lines: Sequence[Line], updates: Sequence[Line]) -> dict[str, Any]:
    """Rows of every line that has a donor and of the same-language updates, and tests between the donors.

    Seeds are the units of the tests (paired by seed: equal batches and augmentation), Holm's correction runs over all
    pairs and measures. Two seeds are the fewest that can be tested, and few seeds show large differences only.
    """
    moved = [line for line in (*lines, *updates) if line.arms[0]["movement"]]
    return {"rows": [_row(line) for line in moved], "tests": _tests([m for m in moved if m.kind == "donor"])}


def _row(line: Line) -> dict[str, Any]:
    names = [layer["layer"] for layer in line.arms[0]["movement"]["layers"]]
    by_layer = np.array([[layer["relative_distance"] for layer in arm["movement"]["layers"]] for arm in line.arms])
    return {
        "line": line.name,
        "kind": line.kind,
        "minutes": line.minutes,
        "amount": amount_of(line.arms[0]),
        "seeds": len(line.arms),
        **{name: _spread([measured(arm)[name] for arm in line.arms]) for name in measured(line.arms[0])},
        "layers": {n: _spread(list(map(float, by_layer[:, i]))) for i, n in enumerate(names)},
    }


def measured(arm: Result) -> dict[str, float]:
    """The movement of an arm in numbers, with the share of the encoder's weights that moved."""
    found = arm["movement"]
    encoder = [layer for layer in found["layers"] if layer["layer"] != "head"]
    size = sum(layer["weights"] for layer in encoder)
    return {
        "encoder_moved_share": sum(layer["moved_share"] * layer["weights"] for layer in encoder) / max(size, 1),
        "encoder_distance": found["encoder_distance"],
        "moved_share": found["moved_share"],
        "relative_distance": found["relative_distance"],
        "batch_norm_drift": found["batch_norm_drift"],
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "deviation": deviation}


def _tests(lines: Sequence[Line]) -> list[dict[str, Any]]:
    made = [
        _paired(a, b, measure)
        for a, b in combinations(lines, 2)
        if amount_of(a.arms[0]) == amount_of(b.arms[0]) and a.recipe == b.recipe
        for measure in MEASURES
    ]
    tested = [t for t in made if t["p"] is not None]
    for test, p in zip(tested, holm([t["p"] for t in tested]), strict=True):
        test["p_holm"] = p
    return made


def _paired(a: Line, b: Line, measure: str) -> dict[str, Any]:
    theirs = {arm["seed"]: measured(arm)[measure] for arm in b.arms}
    pairs = [(measured(arm)[measure], theirs[arm["seed"]]) for arm in a.arms if arm["seed"] in theirs]
    differences = np.array([x - y for x, y in pairs])
    return {
        "a": a.name,
        "b": b.name,
        "minutes": a.minutes,
        "measure": measure,
        "matched": a.matched and b.matched,
        "difference": float(differences.mean()) if pairs else None,
        "seeds": len(pairs),
        "p": _t_test(differences),
        "p_holm": None,
    }


def _t_test(differences: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    from scipy.stats import ttest_1samp

    if len(differences) < 2 or float(differences.std()) == 0:
        return None
    return float(ttest_1samp(differences, 0.0).pvalue)


def retention(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """CER of the donor's language before and after, and the rates of both languages on the way between the weights."""
    rows = []
    for line in lines:
        kept = [a["retention"] for a in line.arms if a["retention"]]
        ways = [a["interpolation"] for a in line.arms if a["interpolation"]]
        if not kept and not ways:
            continue
        rows.append(
            {
                "line": line.name,
                "minutes": line.minutes,
                "lang": kept[0]["lang"] if kept else None,
                "utterances": kept[0]["utterances"] if kept else None,
                "donor_cer": float(np.mean([k["donor_cer"] for k in kept])) if kept else None,
                "cer": _spread([k["cer"] for k in kept]) if kept else None,
                "way": [_place([way[i] for way in ways]) for i in range(len(ways[0]))] if ways else [],
            }
        )
    return rows


def _place(points: Sequence[dict[str, Any]]) -> dict[str, Any]:
    theirs = [p["donor_cer"] for p in points if p["donor_cer"] is not None]
    return {
        "place": points[0]["place"],
        "cer": _spread([p["cer"] for p in points]),
        "donor_cer": _spread(theirs) if theirs else None,
    }
