"""Where languages are at home and how they are related: distance on the map and in the family tree.

These are facts, not samples: they have no interval. Places and lineages are Glottolog's; a file atlas.tsv in the folder
of texts adds languages or replaces them. The built-in one has where variants are at home.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vizinho.languages.levels.glottolog import SOURCE, all_places
from vizinho.languages.levels.glottolog import place_of as glottolog_place
from vizinho.languages.measures import Gap, Kind, LevelResult, by_donor
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.families import (
    COLUMNS,
    Atlas,
    Place,
    distance_km,
    family_distance,
    parse_atlas,
    read_atlas,
    shared_groups,
)
from vizinho.text.language import Language

LEVEL = "map"
_KILOMETRES = Kind(LEVEL, "kilometres", "Distance between homelands", "lower", True, "km", SOURCE)
_FAMILY_TITLE = "Distance in the family tree (0 the same language, 1 no common family)"
_FAMILY = Kind(LEVEL, "family_distance", _FAMILY_TITLE, "lower", True, "share", SOURCE)


def compare_map(target: Language, donors: Sequence[Language], inputs: Inputs) -> Iterator[LevelResult]:
    """Distance on the map and in the family tree. A language that neither Glottolog nor atlas.tsv has is a gap."""

    def learn() -> _Home:
        added = _added(inputs.texts)
        place = _place_of(target, added)
        # Variants of the target are no strangers.
        others = [p for p in all_places() if place is None or p.path[: len(place.path)] != place.path]
        return _Home(added, place, others)

    return by_donor(LEVEL, donors, learn, lambda home, donor: _compare(home, target, donor))


@dataclass(frozen=True, slots=True)
class _Home:
    """What all donors share: places that the user added, the target's own, and those of all other languages."""

    added: Atlas
    place: Place | None
    others: Sequence[Place]


def _compare(home: _Home, target: Language, donor: Language) -> LevelResult:
    place, donor_place = home.place, _place_of(donor, home.added)
    form = f"{', '.join(COLUMNS)} with tabs between"
    gaps = tuple(Gap(LEVEL, "skipped_lines", f"left out {line}", f"give {form}") for line in home.added.skipped)
    if place is None or donor_place is None:
        unknown = " and ".join(v.code for v, known in ((target, place), (donor, donor_place)) if known is None)
        fix = f"add a line to atlas.tsv in the folder of texts: {form}"
        return LevelResult(LEVEL, gaps=(Gap(LEVEL, "*", f"Glottolog has no {unknown}", fix), *gaps))
    measures = []
    for kind, distance in ((_KILOMETRES, distance_km), (_FAMILY, family_distance)):
        # What chance gives: the distance to a language taken at random.
        floor = float(np.median([distance(place, other) for other in home.others]))
        sample = len(home.others), "languages, whose median is the floor"
        ceiling = 0.0, "the language itself"
        measures.append(kind.measure(distance(place, donor_place), floor=floor, ceiling=ceiling, sample=sample))
    return LevelResult(LEVEL, tuple(measures), gaps, _evidence(place, donor_place))


def _place_of(language: Language, added: Atlas) -> Place | None:
    """The place that the user gave, else Glottolog's; a variant's is that of the built-in atlas."""
    place = added.find(language) or glottolog_place(language)
    variant = None if language.code == language.base else read_atlas().places.get(language.code)
    if place is None or variant is None:
        return place
    return replace(variant, path=(*place.path, variant.name))


def _added(texts: TextSources) -> Atlas:
    """What atlas.tsv of `texts` adds; malformed lines are left out and named."""
    path = None if texts.folder is None else texts.folder / "atlas.tsv"
    if path is None or not path.is_file():
        return Atlas({})
    return parse_atlas(path.read_text(encoding="utf-8", errors="replace"), path.name)


def _evidence(home: Place, donor_home: Place) -> dict[str, Any]:
    return {
        "classification": {place.name: " > ".join(place.path) for place in (home, donor_home)},
        "groups_in_common": shared_groups(home, donor_home),
        "places": [
            {"code": place.code, "name": place.name, "latitude": place.latitude, "longitude": place.longitude}
            for place in (home, donor_home)
        ],
    }
