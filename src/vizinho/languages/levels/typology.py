"""How differently two languages are built, by the features that linguists have noted of thousands of languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.errors import CorpusError
from vizinho.languages.levels.glottolog import FEATURES, features
from vizinho.languages.levels.sampling import mean_interval
from vizinho.languages.measures import Gap, Kind, LevelResult, by_donor
from vizinho.languages.sources import Inputs
from vizinho.text.language import Language

LEVEL = "typology"
LEAST_FEATURES = 15
"""Features known of both languages below which nothing is measured."""
SHOWN_DIFFERENCES = 40
_KINDS = {
    prefix: Kind(LEVEL, name, f"Share of the known features of {of} that differ", "lower", True, "share", FEATURES)
    for prefix, name, of in (
        ("S_", "grammar_distance", "grammar"),
        ("P_", "sound_pattern_distance", "sound patterns"),
        ("INV_", "inventory_distance", "phoneme inventories"),
    )
}
Values = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class _Target:
    values: Values
    """(features,): 1 yes, 0 no, -1 unknown."""
    names: tuple[str, ...]
    everybody: Values
    """(languages, features)"""


def compare_typology(target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """Shares of features that differ, over those known of both languages; the features that differ as evidence.

    A kind of feature of which too few are known is a gap.
    """
    return by_donor(
        LEVEL, donors, lambda: _learn(target), lambda learnt, donor: _compare(learnt, donor, target, inputs.seed)
    )


def _learn(target: Language) -> _Target:
    table = features()
    return _Target(_known(target), table.names, table.values)


def _known(language: Language) -> Values:
    values = features().of(language)
    if values is None or (values < 0).all():
        raise CorpusError(f"no features of {language.code} are known", fix="compare it by text and recordings")
    return values


def _compare(own: _Target, donor: Language, target: Language, seed: int) -> LevelResult:
    rng = np.random.default_rng([seed, 14])
    other = _known(donor)
    measures, gaps = [], []
    for prefix, kind in _KINDS.items():
        columns = np.array([name.startswith(prefix) for name in own.names])
        both = columns & (own.values >= 0) & (other >= 0)
        count = int(both.sum())
        if count < LEAST_FEATURES:
            reason = f"{count} features are known of both {target.code} and {donor.code}, {LEAST_FEATURES} are needed"
            gaps.append(Gap(LEVEL, kind.name, reason))
            continue
        # One row a feature: resampling features says how much the answer hangs on which of them somebody noted.
        differ = (own.values[both] != other[both]).astype(np.float64)
        measures.append(
            kind.measure(
                float(differ.mean()),
                floor=_by_chance(own, columns),
                ceiling=(0.0, "the language itself"),
                sample=(count, "features known of both"),
                interval=mean_interval(differ, rng),
            )
        )
    return LevelResult(LEVEL, tuple(measures), tuple(gaps), _evidence(own, other))


def _by_chance(own: _Target, columns: npt.NDArray[np.bool_]) -> float:
    """The median share of features that differ from a language taken at random, among those with enough of them."""
    both = columns & (own.values >= 0) & (own.everybody >= 0)  # (languages, features)
    counts = both.sum(axis=1)
    # Related languages are among them: few, beside thousands.
    differ = (both & (own.everybody != own.values)).sum(axis=1)
    enough = counts >= LEAST_FEATURES
    return float(np.median(differ[enough] / counts[enough]))


def _evidence(own: _Target, other: Values) -> dict[str, Any]:
    differing = np.flatnonzero((own.values >= 0) & (other >= 0) & (own.values != other))
    names = [own.names[i] for i in differing if own.names[i].startswith(("S_", "P_"))]
    answers = ("no", "yes")
    rows = [
        {
            "feature": name.split("_", 1)[1].replace("_", " ").lower(),
            "target": answers[int(own.values[own.names.index(name)])],
            "donor": answers[int(other[own.names.index(name)])],
        }
        for name in names[:SHOWN_DIFFERENCES]
    ]
    return {"features_that_differ": rows, "features_that_differ_in_all": len(names)}
