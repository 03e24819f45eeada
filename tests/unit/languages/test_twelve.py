"""Twelve languages in eight scripts, by small texts and tables alone: a relative leads, and docs/compare.md says so."""

from pathlib import Path

import pytest

from vizinho.languages.compare import compare
from vizinho.languages.rank import LEAST_VOTES
from vizinho.languages.sources import Inputs

DOCS = Path(__file__).parents[3] / "docs" / "compare.md"
LEVELS = ("vocabulary", "spelling", "typology", "map")
TWELVE = (
    ("hi", "ur,bn,en", "ur"),
    ("ur", "hi,fa,en", "hi"),
    ("uk", "pl,ru,en", "ru"),
    ("mk", "bg,ro,en", "bg"),
    ("ar", "he,fa,en", "he"),
    ("he", "ar,fa,en", "ar"),
    ("ta", "te,hi,en", "te"),
    ("el", "it,hi,ta", "it"),
    ("gl", "pt,eu,qu", "pt"),
    ("qu", "ay,es,eu", "ay"),
    ("sw", "zu,ha,es", "zu"),
    ("zh", "yue,es,tr", "yue"),
)
"""Target, donors, and the donor that no linguist would doubt to be the nearest of them."""


@pytest.mark.parametrize(("target", "donors", "nearest"), TWELVE, ids=[target for target, _, _ in TWELVE])
def test_the_relative_leads(target: str, donors: str, nearest: str) -> None:
    comparison = compare(target, donors.split(","), Inputs(top=1000), levels=LEVELS)
    first = comparison.ranking[0]
    scores = {r.donor: (r.score and round(r.score, 2), r.cast) for r in comparison.ranking}
    assert first.donor == nearest, scores
    assert first.score is not None and first.cast >= LEAST_VOTES
    others = ", ".join(f"{r.donor} " + ("–" if r.score is None else f"{r.score:.2f}") for r in comparison.ranking[1:])
    row = f"| {target} | {nearest} {first.score:.2f} ({first.cast} votes) | {others} |"
    assert row in DOCS.read_text(encoding="utf-8"), row
