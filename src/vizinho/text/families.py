"""Where languages are at home and how they are related, by a built-in atlas of those that recognisers are made for."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from vizinho.text.language import Language

EARTH_RADIUS_KM = 6371.0
COLUMNS = ("code", "name", "latitude", "longitude", "classification")


@dataclass(frozen=True, slots=True)
class Place:
    """A language on the map and in its family, from the family down to the language itself."""

    code: str
    name: str
    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east."""
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Atlas:
    """Languages by code, and the lines that could not be read ("FILE:LINE: reason")."""

    places: dict[str, Place]
    skipped: tuple[str, ...] = ()

    def find(self, language: Language) -> Place | None:
        """The row of the variant, else that of its language."""
        return next((self.places[code] for code in language.candidates if code in self.places), None)


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
    built_in = resources.files("vizinho.text") / "atlas.tsv"
    return parse_atlas(built_in.read_text(encoding="utf-8"), "atlas.tsv")


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
