"""The place of a phone in the charts of the International Phonetic Association (2020 revision), and its X-SAMPA."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

PLACES = (
    "bilabial", "labiodental", "labial-velar", "dental", "alveolar", "postalveolar", "retroflex", "palatal", "velar",
    "uvular", "pharyngeal", "glottal",
)  # fmt: skip
MANNERS = ("plosive", "nasal", "trill", "tap", "affricate", "fricative", "approximant", "lateral")
HEIGHTS = ("close", "near-close", "close-mid", "mid", "open-mid", "near-open", "open")
BACKNESSES = ("front", "central", "back")
_CONSONANTS = {
    "plosive": "bilabial p b, alveolar t d, retroflex ʈ ɖ, palatal c ɟ, velar k ɡ g, uvular q ɢ, glottal ʔ",
    "nasal": "bilabial m, labiodental ɱ, alveolar n, retroflex ɳ, palatal ɲ, velar ŋ, uvular ɴ",
    "trill": "bilabial ʙ, alveolar r, uvular ʀ",
    "tap": "alveolar ɾ, retroflex ɽ",
    "affricate": "alveolar ts dz, postalveolar tʃ dʒ",
    "fricative": "bilabial ɸ β, labiodental f v, dental θ ð, alveolar s z, postalveolar ʃ ʒ ɕ ʑ, retroflex ʂ ʐ, "
    "palatal ç ʝ, velar x ɣ, uvular χ ʁ, pharyngeal ħ ʕ, glottal h ɦ",
    "approximant": "labiodental ʋ, labial-velar w ʍ ɥ, alveolar ɹ, retroflex ɻ, palatal j, velar ɰ",
    "lateral": "alveolar l ɫ ɬ ɮ, retroflex ɭ, palatal ʎ, velar ʟ",
}
_VOWELS = {
    "close": "front i y, central ɨ ʉ ᵻ, back ɯ u",
    "near-close": "front ɪ ʏ, back ʊ",
    "close-mid": "front e ø, central ɘ ɵ, back ɤ o",
    "mid": "central ə ɚ",
    "open-mid": "front ɛ œ, central ɜ ɞ ɝ, back ʌ ɔ",
    "near-open": "front æ, central ɐ",
    "open": "front a ɶ, back ɑ ɒ",
}


def place_of(phone: str) -> tuple[str, str, str] | None:
    """("consonant", manner, place) or ("vowel", height, backness) of a phone, marks aside; None for one not charted."""
    # Palatalised, aspirated, labialised, velarised and long phones are in the cell of the plain one.
    return _charted().get("".join(c for c in phone if not unicodedata.combining(c) and c not in "ʲʰʷˠː"))


def x_sampa(phone: str) -> str:
    """The phone in X-SAMPA (Wells 1995) by panphon's table; a symbol that the table lacks stays as it is."""
    table = _x_sampa()
    return "".join(table.get(c, c) for c in unicodedata.normalize("NFD", phone))


def chart(shares: Mapping[str, tuple[float, float]]) -> list[dict[str, Any]]:
    """Cells of the consonant and vowel charts that hold phones; `shares` are a phone's in the target and in the donor.

    Each cell: chart, row, column, and its phones with IPA, X-SAMPA, both shares and whether they are "shared", only
    the target's or only the donor's. Phones that are not charted are in the row "other".
    """
    cells: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for phone, (target, donor) in sorted(shares.items()):
        where = "shared" if target and donor else "target" if target else "donor"
        shown = {"ipa": phone, "xsampa": x_sampa(phone), "target": round(target, 5), "donor": round(donor, 5)}
        cells.setdefault(place_of(phone) or ("other", "other", ""), []).append(shown | {"in": where})
    return [{"chart": c, "row": r, "column": k, "phones": phones} for (c, r, k), phones in cells.items()]


def charted_phones() -> tuple[str, ...]:
    """Every phone of the charts."""
    return tuple(_charted())


@cache
def _charted() -> dict[str, tuple[str, str, str]]:
    places: dict[str, tuple[str, str, str]] = {}
    for kind, table in (("consonant", _CONSONANTS), ("vowel", _VOWELS)):
        for row, cells in table.items():
            for cell in cells.split(", "):
                column, *phones = cell.split()
                places |= dict.fromkeys(phones, (kind, row, column))
    return places


@cache
def _x_sampa() -> dict[str, str]:
    file = resources.files("panphon") / "data" / "ipa-xsampa.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {row["IPA"]: row["X-SAMPA"] for row in rows if len(row["IPA"]) == 1}
