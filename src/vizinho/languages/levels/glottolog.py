"""Where 8,000 languages are at home, how they are related and built: the tables of Glottolog and URIEL+.

The package `urielplus` (Khan et al. 2025) carries them: Glottolog's places and lineages, features of WALS, SSWL,
Ethnologue and PHOIBLE as URIEL has them, and Grambank's. Its tables are read as they lie in the package: its own
classes copy them into their folder first.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from vizinho.text.families import Place
from vizinho.text.language import Language

SOURCE = "Glottolog (CC BY 4.0), as carried by urielplus"
FEATURES = "WALS, SSWL, Ethnologue, PHOIBLE and Grambank, as carried by urielplus (Khan et al. 2025)"
_STANDARDS = {
    "ar": "arb", "az": "azj", "et": "ekk", "fa": "pes", "gn": "gug", "ku": "kmr", "lv": "lvs", "mg": "plt", "mn": "khk",
    "ms": "zsm", "ne": "npi", "no": "nob", "or": "ory", "qu": "quz", "sh": "srp", "sq": "als", "sw": "swh", "uz": "uzn",
    "yi": "ydd", "zh": "cmn",
}  # fmt: skip
"""The language that stands for a macrolanguage; of others the one that most is known of."""


@dataclass(frozen=True, slots=True)
class Features:
    """Yes-or-no features of all languages: (languages, features), 1 yes, 0 no, -1 unknown."""

    rows: Mapping[str, int]
    names: tuple[str, ...]
    values: npt.NDArray[np.int8]

    def of(self, language: Language) -> npt.NDArray[np.int8] | None:
        """The features of a language, of a macrolanguage with its standard language; None for an unknown one."""
        rows = [self.values[self.rows[code]] for code in _codes(language)[:2] if code in self.rows]
        if not rows:
            return None
        return np.asarray(np.where(rows[0] < 0, rows[-1], rows[0]), dtype=np.int8)


def place_of(language: Language) -> Place | None:
    """A language's place and lineage; None for one that Glottolog lacks. Raises ImportError without urielplus."""
    glottocode = next((glotto for iso in _codes(language) if (glotto := _glottocodes().get(iso)) in _places()), "")
    known = _places().get(glottocode)
    return None if known is None else Place(language.code, known.name, known.latitude, known.longitude, known.path)


@cache
def all_places() -> tuple[Place, ...]:
    """Every language that has a code of ISO 639-3, a place and a lineage."""
    return tuple(_places()[glotto] for glotto in _glottocodes().values() if glotto in _places())


@cache
def features() -> Features:
    """URIEL's features and Grambank's, whichever source says yes."""
    with np.load(_table("original_uriel", "features.npz")) as stored:
        names = [str(name) for name in stored["feats"]]
        values = stored["data"].max(axis=2).astype(np.int8)  # (languages, features): over the sources, yes before no
        rows = {str(code): row for row, code in enumerate(stored["langs"])}
    # Grambank goes by Glottolog's codes, URIEL by those of ISO 639-3.
    iso = {glotto: code for code, glotto in _glottocodes().items() if glotto}
    table = _csv("grambank_data.csv")
    head = next(table)[1:]
    names += [name for name in head if name not in names]
    columns = [names.index(name) for name in head]
    # Grambank answers some of URIEL's own features and adds others to the right of them.
    wide = np.full((len(rows), len(names)), -1, dtype=np.int8)
    wide[:, : values.shape[1]] = values
    for glotto, *cells in table:
        row = rows.get(iso.get(glotto, ""))
        if row is not None:
            wide[row, columns] = np.maximum(wide[row, columns], np.array([float(c) for c in cells], dtype=np.int8))
    return Features(rows, tuple(names), wide)


@cache
def _codes(language: Language) -> tuple[str, ...]:
    """Codes of ISO 639-3 to look a language up by: its own, then those of the languages in a macrolanguage."""
    from langcodes import Language as Tag
    from langcodes.data_dicts import MACROLANGUAGES

    own = language.tag.partition("-")[0].lower()
    try:
        code = Tag.get(own).to_alpha3()
    except LookupError:  # a code for private use
        return (own,)
    if own in _STANDARDS:
        return code, _STANDARDS[own]
    parts = [part for part, macro in MACROLANGUAGES.items() if macro == own and part in _glottocodes()]
    return code, *sorted(parts, key=lambda part: (-_known(part), part))


def _known(iso: str) -> int:
    """How many features of a language are known."""
    table = features()
    return int((table.values[table.rows[iso]] >= 0).sum()) if iso in table.rows else 0


@cache
def _glottocodes() -> dict[str, str]:
    """Glottolog's code by that of ISO 639-3."""
    table = _csv("uriel_glottocode_map.csv")
    next(table)
    return {iso: glotto for iso, glotto in table if glotto}


@cache
def _places() -> dict[str, Place]:
    """Places and lineages by Glottolog's code; families and dialects without a place are left out."""
    table = _csv("lang_fam_geo.csv")
    next(table)
    places = {}
    for code, name, latitude, longitude, lineage in table:
        if latitude and longitude:
            groups = [group for group in lineage.split(", ") if group]
            east = (float(longitude) + 180) % 360 - 180  # some count to 360
            places[code] = Place(code, name, float(latitude), east, (*groups, name))
    return places


def _csv(name: str) -> Iterator[list[str]]:
    with _table("urielplus_csvs", name).open(encoding="utf-8", newline="") as file:
        yield from csv.reader(file)


def _table(*parts: str) -> Any:
    return resources.files("urielplus.database").joinpath(*parts)
