"""Where languages are at home and how they are related: distance on the map and in the family tree.

These are facts, not samples: they have no interval. Places and lineages are Glottolog's; a file atlas.tsv in the folder
of texts adds languages or replaces them. The built-in `atlas.tsv` has where variants are at home, and
`related` uses it, which needs no tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from vizinho.languages.levels.glottolog import SOURCE, Place, all_places
from vizinho.languages.levels.glottolog import place_of as glottolog_place
from vizinho.languages.measures import Gap, Kind, LevelResult, by_donor
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.language import Language

LEVEL = "map"
EARTH_RADIUS_KM = 6371.0
_KILOMETRES = Kind(LEVEL, "kilometres", "Distance between homelands", "lower", True, "km", SOURCE)
_FAMILY_TITLE = "Distance in the family tree (0 the same language, 1 no common family)"
_FAMILY = Kind(LEVEL, "family_distance", _FAMILY_TITLE, "lower", True, "share", SOURCE)
COLUMNS = ("code", "name", "latitude", "longitude", "classification")


@dataclass(frozen=True, slots=True)
class Atlas:
    """Languages by code, and the lines that could not be read ("FILE:LINE: reason")."""

    places: dict[str, Place]
    skipped: tuple[str, ...] = ()

    def find(self, language: Language) -> Place | None:
        """The row of the variant, else that of its language."""
        return next((self.places[code] for code in language.candidates if code in self.places), None)


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


def distance_km(a: Place, b: Place) -> float:
    """Great-circle distance in kilometres, by the haversine formula."""
    north, south = math.radians(a.latitude), math.radians(b.latitude)
    east = math.radians(b.longitude - a.longitude)
    # Square of half the chord between the two points.
    chord = math.sin((south - north) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
    # Rounding may carry opposite points beyond 1.
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))


def family_distance(a: Place, b: Place) -> float:
    """Edges from both languages up to their nearest common group, as a share of all edges up to the root: 0 to 1.

    One minus the similarity of Wu and Palmer (1994). The root, above all families, is the only group that languages of
    different families share.
    """
    return 1 - 2 * shared_groups(a, b) / (len(a.path) + len(b.path))


def related(language: str, among: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """Languages (of `among`) in the same family, and 1 - `family_distance`, the nearest first.

    Of equally near ones the nearer on the map comes first; empty for a language that the atlas lacks.
    """
    atlas = read_atlas()
    home = atlas.find(Language.of(language))
    places = {code: place for code in among if (place := atlas.find(Language.of(code)))}
    if home is None:
        return ()
    near = {code: 1 - family_distance(home, place) for code, place in places.items() if shared_groups(home, place)}
    ranked = sorted(near, key=lambda code: (-near[code], distance_km(home, places[code])))
    return tuple((code, near[code]) for code in ranked)


def shared_groups(a: Place, b: Place) -> int:
    """How many groups both belong to, from the family down."""
    pairs = zip(a.path, b.path, strict=False)
    return next((depth for depth, (x, y) in enumerate(pairs) if x != y), min(len(a.path), len(b.path)))


@cache
def read_atlas() -> Atlas:
    """The built-in atlas."""
    built_in = resources.files("vizinho.languages.levels") / "atlas.tsv"
    return parse_atlas(built_in.read_text(encoding="utf-8"), "atlas.tsv")


def _added(texts: TextSources) -> Atlas:
    """What atlas.tsv of `texts` adds; malformed lines are left out and named."""
    path = None if texts.folder is None else texts.folder / "atlas.tsv"
    if path is None or not path.is_file():
        return Atlas({})
    return parse_atlas(path.read_text(encoding="utf-8", errors="replace"), path.name)


def parse_atlas(text: str, name: str) -> Atlas:
    """Read lines of COLUMNS with tabs between them; lines that begin with # and the header are passed over."""
    places: dict[str, Place] = {}
    skipped = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#") or line.split("\t")[0] == COLUMNS[0]:
            continue
        try:
            place = _place(line)
        except ValueError as error:
            skipped.append(f"{name}:{number}: {error}")
            continue
        places[place.code] = place
    return Atlas(places, tuple(skipped))


def _place(line: str) -> Place:
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{len(cells)} columns, not {len(COLUMNS)}")
    code, name, latitude, longitude, classification = cells
    north, east = float(latitude), float(longitude)
    if not (abs(north) <= 90 and abs(east) <= 180):
        raise ValueError(f"{latitude}, {longitude} is no place on Earth")
    path = tuple(group.strip() for group in classification.split(">") if group.strip())
    if not code or not path:
        raise ValueError("no code or no classification")
    return Place(Language.of(code).code, name, north, east, path)


def _evidence(home: Place, donor_home: Place) -> dict[str, Any]:
    return {
        "classification": {place.name: " > ".join(place.path) for place in (home, donor_home)},
        "groups_in_common": shared_groups(home, donor_home),
        "places": [
            {"code": place.code, "name": place.name, "latitude": place.latitude, "longitude": place.longitude}
            for place in (home, donor_home)
        ],
    }
