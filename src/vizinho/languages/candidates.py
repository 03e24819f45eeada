"""Languages to compare a target with where nobody names any."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from vizinho.g2p.espeak import spoken_languages
from vizinho.g2p.words import is_listed
from vizinho.languages.levels.glottolog import place_of
from vizinho.text.alphabets import sample_sentences
from vizinho.text.families import distance_km, family_distance
from vizinho.text.language import Language

RELATIVES = 6
EVERYBODYS = "en"
"""The donor that everybody has: beside it shows what a neighbour is worth."""


def candidates(target: Language, also: Iterable[str] = ()) -> tuple[str, ...]:
    """The target's nearest relatives of which words or a voice are known, then the languages `also` and English.

    Relatives go by the family tree, equally near ones by the map; a target without a place has none.
    """
    home = place_of(target)
    relatives: list[str] = []
    if home is not None:
        known = {code: place for code in _known() if (place := place_of(Language.of(code))) is not None}
        paths = {home.path, *(place.path for place in known.values())}
        near = sorted(
            (family_distance(home, place), distance_km(home, place), code)
            for code, place in known.items()
            # A macrolanguage stands above its standard, which stands for it; either may be the target itself.
            if place.path != home.path and not any(place.path == p[: len(place.path)] for p in paths - {place.path})
        )
        relatives = list(islice((code for _, _, code in near if _has_words(code)), RELATIVES))
    chosen = dict.fromkeys([*relatives, *(Language.of(code).base for code in also), EVERYBODYS])
    return tuple(code for code in chosen if code != target.base)


def _has_words(code: str) -> bool:
    """Whether words are known that a target's can be compared with."""
    return is_listed(code) or bool(sample_sentences(code))


def _known() -> list[str]:
    """Languages that have a voice or a list of words."""
    import wordfreq

    return sorted({Language.of(code).base for code in (*wordfreq.available_languages(), *spoken_languages())})
