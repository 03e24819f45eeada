"""Where languages are spoken and how they descend: facts from atlas.tsv, not samples."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from vizinho.languages.measures import Gap, LevelResult, Measure
from vizinho.languages.variants import Variant

LEVEL = "map"
EARTH_RADIUS_KM = 6371.0
SOURCE = "atlas.tsv: centres to a degree, classification after Glottolog 5"


@dataclass(frozen=True, slots=True)
class Place:
    """A language on the map and in the family tree."""

    code: str
    name: str
    latitude: float
    longitude: float
    classification: tuple[str, ...]


def compare_map(target: Variant, donor: Variant) -> LevelResult:
    """Distance on the map and in the family tree; languages that the atlas lacks make the level a gap.

    There is no sample behind these, hence no interval; chance is the median over all languages of the atlas.
    """
    places = atlas()
    missing = [v.base for v in (target, donor) if v.base not in places]
    if missing:
        fix = "add a line to src/vizinho/languages/atlas.tsv"
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", f"{', '.join(missing)} is not in the atlas", fix),))
    ours, theirs = places[target.base], places[donor.base]
    others = [p for p in places.values() if p.code != ours.code]
    measures = (
        Measure(
            LEVEL,
            "kilometres",
            "Distance between the centres of the two languages",
            great_circle_km(ours, theirs),
            "lower",
            2,
            "places",
            float(np.median([great_circle_km(ours, p) for p in others])),
            0.0,
            "the language itself; chance: the median language of the atlas",
            symmetric=True,
            unit="km",
            source=SOURCE,
        ),
        Measure(
            LEVEL,
            "family_distance",
            "Share of the two languages' branches that they do not have in common",
            family_distance(ours, theirs),
            "lower",
            2,
            "languages",
            float(np.median([family_distance(ours, p) for p in others])),
            0.0,
            "the language itself; chance: the median language of the atlas",
            symmetric=True,
            unit="share",
            source=SOURCE,
        ),
    )
    return LevelResult(LEVEL, measures, evidence=_evidence(ours, theirs))


@cache
def atlas() -> dict[str, Place]:
    """All languages of atlas.tsv by code."""
    text = (resources.files("vizinho.languages") / "atlas.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader((line for line in text.splitlines() if not line.startswith("#")), delimiter="\t")
    return {
        row["code"]: Place(
            row["code"],
            row["name"],
            float(row["latitude"]),
            float(row["longitude"]),
            tuple(row["classification"].split(" > ")),
        )
        for row in rows
    }


def great_circle_km(a: Place, b: Place) -> float:
    """Distance over the globe by the haversine formula."""
    phi, psi = math.radians(a.latitude), math.radians(b.latitude)
    across = math.radians(b.longitude - a.longitude)
    h = math.sin((psi - phi) / 2) ** 2 + math.cos(phi) * math.cos(psi) * math.sin(across / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(h))


def family_distance(a: Place, b: Place) -> float:
    """0 for the same language, else 1 minus the shared share of both paths, the languages themselves counted in."""
    if a.code == b.code:
        return 0.0
    ours, theirs = (*a.classification, a.code), (*b.classification, b.code)
    common = next(i for i, (x, y) in enumerate(zip(ours, theirs, strict=False)) if x != y)
    return 1 - 2 * common / (len(ours) + len(theirs))


def _evidence(ours: Place, theirs: Place) -> dict[str, Any]:
    return {
        "classification": {p.name: " > ".join(p.classification) for p in (ours, theirs)},
        "places": [{"code": p.code, "latitude": p.latitude, "longitude": p.longitude} for p in (ours, theirs)],
    }
