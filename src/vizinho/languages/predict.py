"""From measured transfers to what a donor may be expected to bring, with its uncertainty.

Benefit is 1 - CER(donor) / CER(scratch) at equal budgets. It is fitted to the votes of the comparison, either by one
slope on their weighted nearness or with weights of their own, ridge-shrunk towards the default ones; whichever errs
less on transfers left out (leave one out) is used, and if neither beats the plain mean, the note says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats

from vizinho.errors import SpecError
from vizinho.languages.rank import Ranked
from vizinho.text.language import Language, same_language

LEAST = 3
"""Measured transfers below which nothing is predicted."""
RIDGE = 1.0
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """One transfer of an experiment against scratch."""

    target: str
    donor: str
    minutes: float
    benefit: float
    source: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What donors may bring: `expected` has (benefit, low, high) by donor, or nothing where n is too small."""

    n: int
    method: str
    """"mean", "score" or "refitted weights"."""
    errors: Mapping[str, float]
    """Mean absolute error of each method on transfers left out."""
    weights: Mapping[str, float]
    expected: Mapping[str, tuple[float, float, float]]
    measured: tuple[Measured, ...]
    note: str


def read_measured(path: Path) -> list[Measured]:
    """Transfers of a results.json, every donor at every amount of speech. Raises SpecError for another kind of file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        languages = {d["name"]: d["language"] for d in values["donors"]}
        pooled = values["pooled"]
        scratch = {p["minutes"]: p["cer"] for p in pooled if p["donor"] is None}
        transfers = [p for p in pooled if p["donor"] is not None and p["minutes"] in scratch]
        donors = [Language.of(languages.get(p["start"], p["start"])).code for p in transfers]
        return [
            Measured(values["target"], donor, p["minutes"], 1 - p["cer"] / scratch[p["minutes"]], str(path))
            for donor, p in zip(donors, transfers, strict=True)
        ]
    except OSError as error:
        fix = "give the results.json of an experiment"
        raise SpecError(f"cannot be read ({error.strerror})", where=path, fix=fix) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SpecError("not a results.json", where=path, fix="give what `vizinho experiment` wrote") from error


def predict(ranking: Sequence[Ranked], measured: Sequence[Measured], target: str) -> Prediction:
    """Expected benefit of each donor of `ranking`, from transfers to `target` from donors that were compared too."""
    by_donor = {r.donor: r for r in ranking}
    used = tuple(m for m in measured if same_language(m.target, target) and m.donor in by_donor)
    names = _common_votes([by_donor[m.donor] for m in used])
    if len(used) < LEAST or not names:
        note = f"{len(used)} measured transfers to {target} from these donors; {LEAST} are needed to predict"
        return Prediction(len(used), "none", {}, {}, {}, used, note)
    nearness = np.array([_row(by_donor[m.donor], names) for m in used], dtype=np.float64)
    y = np.array([m.benefit for m in used])
    prior = np.array([next(v.weight for v in ranking[0].votes if _key(v) == n) for n in names])
    prior = prior / prior.sum()
    methods = {"mean": _fit_mean, "score": _fit_score, "refitted weights": _fit_weights}
    residuals = {name: _left_out(fit, nearness, y, prior) for name, fit in methods.items()}
    errors = {name: round(float(np.abs(r).mean()), 4) for name, r in residuals.items()}
    # Of equally good methods the plainest.
    method = min(methods, key=lambda name: (errors[name], name != "mean"))
    offset, slopes = methods[method](nearness, y, prior)
    # Root mean square error when left out, times the t quantile: few transfers make wide intervals.
    spread = float(np.sqrt((residuals[method] ** 2).mean())) * float(scipy.stats.t.ppf(0.975, max(1, len(used) - 2)))
    expected = {}
    for r in ranking:
        row = _row(r, names)
        if None not in row:
            value = float(offset + np.array(row, dtype=np.float64) @ slopes)
            expected[r.donor] = (value, value - spread, value + spread)
    note = f"from {len(used)} measured transfers, each left out once; intervals 95 %"
    if method == "mean":
        note += "; no vote predicts the benefit better than its mean"
    weights = dict(zip(names, map(float, slopes), strict=True))
    return Prediction(len(used), method, errors, weights, expected, used, note)


def _key(vote: Any) -> str:
    return f"{vote.level}/{vote.name}"


def _common_votes(ranked: Sequence[Ranked]) -> list[str]:
    """Votes that every one of these donors has."""
    if not ranked:
        return []
    return [_key(v) for i, v in enumerate(ranked[0].votes) if all(r.votes[i].nearness is not None for r in ranked)]


def _row(ranked: Ranked, names: Sequence[str]) -> list[float | None]:
    nearness = {_key(v): v.nearness for v in ranked.votes}
    return [nearness[name] for name in names]


def _fit_mean(nearness: Array, y: Array, prior: Array) -> tuple[float, Array]:
    return float(y.mean()), np.zeros(len(prior))


def _fit_score(nearness: Array, y: Array, prior: Array) -> tuple[float, Array]:
    """One slope on the nearness weighted by default."""
    s = nearness @ prior  # (transfers,)
    centred = s - s.mean()
    slope = float(centred @ (y - y.mean()) / max(float(centred @ centred), 1e-12))
    return float(y.mean() - slope * s.mean()), slope * prior


def _fit_weights(nearness: Array, y: Array, prior: Array) -> tuple[float, Array]:
    """Weights of their own, shrunk towards those of `_fit_score`."""
    _, slopes = _fit_score(nearness, y, prior)
    centred = nearness - nearness.mean(axis=0)  # (transfers, votes)
    rest = y - y.mean() - centred @ slopes
    # Ridge regression of what `_fit_score` leaves, with a penalty in units of the votes' own spread.
    scale = RIDGE * max(float((centred**2).sum(axis=0).mean()), 1e-12)
    change = np.linalg.solve(centred.T @ centred + scale * np.eye(len(prior)), centred.T @ rest)
    slopes = slopes + change
    return float(y.mean() - nearness.mean(axis=0) @ slopes), slopes


def _left_out(fit: Any, nearness: Array, y: Array, prior: Array) -> Array:
    """Error on each transfer when the fit has not seen it."""
    errors = []
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        offset, slopes = fit(nearness[others], y[others], prior)
        errors.append(offset + nearness[i] @ slopes - y[i])
    return np.array(errors)
