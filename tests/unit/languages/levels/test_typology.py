"""Features of thousands of languages: known answers, what holds for any two, gaps that say how much is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.languages.levels.glottolog import all_places, features, place_of
from vizinho.languages.levels.typology import compare_typology
from vizinho.languages.measures import LevelResult
from vizinho.languages.sources import Inputs
from vizinho.text.language import Language

KNOWN = ("pt", "es", "hi", "ta", "sw", "eu", "zh", "ar", "qu", "arn", "fi")


def compared(target: str, donor: str) -> LevelResult:
    (result,) = compare_typology(Language.of(target), [Language.of(donor)], Inputs())
    return result


def test_thousands_of_languages_have_a_place_and_a_family():
    assert len(all_places()) > 7000
    assert all(abs(p.latitude) <= 90 and abs(p.longitude) <= 180 and p.path[-1] == p.name for p in all_places())


@pytest.mark.parametrize(
    ("code", "name", "family"),
    [
        ("mwl", "Mirandese", "Indo-European"),
        ("qu", "Cusco Quechua", "Quechuan"),
        ("eu", "Basque", "Basque"),
        ("zh", "Mandarin Chinese", "Sino-Tibetan"),
        ("sw", "Swahili", "Atlantic-Congo"),
        ("arn", "Mapudungun", "Araucanian"),
    ],
)
def test_macrolanguages_and_small_languages_are_found(code, name, family):
    place = place_of(Language.of(code))
    assert (place.name, place.path[0]) == (name, family)


def test_a_code_for_private_use_has_no_place():
    assert place_of(Language.of("qaa")) is None


def test_features_that_are_known():
    table = features()
    portuguese, hindi = (table.of(Language.of(code)) for code in ("pt", "hi"))
    order = table.names.index("S_SVO"), table.names.index("S_SOV")
    assert [int(portuguese[i]) for i in order] == [1, 0]
    assert [int(hindi[i]) for i in order] == [0, 1]


@given(st.sampled_from(KNOWN), st.sampled_from(KNOWN))
def test_shares_are_symmetric_and_bounded(a, b):
    forth, back = ({m.name: m for m in compared(x, y).measures} for x, y in ((a, b), (b, a)))
    assert {n: m.value for n, m in forth.items()} == {n: m.value for n, m in back.items()}
    assert all(0 <= m.value <= 1 and 0 < m.floor < 1 for m in forth.values())
    assert a != b or all(m.value == 0 for m in forth.values())


def test_the_neighbour_differs_less_and_the_features_are_shown():
    near, far = ({m.name: m for m in compared("pt", d).measures}["grammar_distance"] for d in ("gl", "zh"))
    assert near.value < far.value / 2
    rows = compared("es", "hi").evidence["features_that_differ"]
    assert {"feature": "svo", "target": "yes", "donor": "no"} in rows


def test_too_few_known_features_are_a_gap_with_their_number():
    gaps = {gap.name: gap.reason for gap in compared("pt", "es").gaps}
    assert gaps["sound_pattern_distance"] == "0 features are known of both pt and es, 15 are needed"
    assert "mwl" in compared("mwl", "pt").gaps[0].reason
