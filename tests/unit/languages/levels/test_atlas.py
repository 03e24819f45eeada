"""The map and the family tree: known distances, what holds for any two languages, gaps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.languages.levels.atlas import compare_map
from vizinho.languages.levels.glottolog import all_places, place_of
from vizinho.languages.measures import LevelResult
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.families import Place, distance_km, family_distance, parse_atlas, read_atlas
from vizinho.text.language import Language

ATLAS = read_atlas()
COMMON = (
    "es", "pt", "gl", "ca", "it", "fr", "ro", "oc", "en", "de", "nl", "sv", "da", "no", "pl",
    "cs", "ru", "uk", "el", "tr", "ar", "fi", "hu", "eu", "zh", "ja", "hi", "id", "sw",
)  # fmt: skip
places = st.builds(
    Place,
    st.text("ab", min_size=1),
    st.just("name"),
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.lists(st.sampled_from("ABC"), min_size=1, max_size=4).map(tuple),
)


def _compared(target: str, donor: str, folder: Path | None = None) -> LevelResult:
    (result,) = compare_map(Language.of(target), [Language.of(donor)], Inputs(TextSources(folder)))
    return result


def _between(measure: str, target: str, donor: str) -> float:
    return {m.name: m.value for m in _compared(target, donor).measures}[measure]


def test_the_languages_of_speech_recognition_are_there_and_every_line_is_read() -> None:
    assert not ATLAS.skipped
    assert set(COMMON) <= set(ATLAS.places)
    assert all(place.path[-1] == place.name for place in ATLAS.places.values())


def test_distances_that_are_known() -> None:
    lisbon, madrid = Place("a", "a", 38.72, -9.14, ("x",)), Place("b", "b", 40.42, -3.70, ("x",))
    assert distance_km(lisbon, madrid) == pytest.approx(503, abs=3)
    pole, equator = Place("a", "a", 90, 0, ("x",)), Place("b", "b", 0, 77, ("x",))
    assert distance_km(pole, equator) == pytest.approx(10_007.5, abs=1)


def test_the_family_orders_the_donors_of_portuguese() -> None:
    by_donor = {d: _between("family_distance", "pt", d) for d in ("gl", "es", "ca", "it", "ro", "en", "eu")}
    assert list(by_donor) == sorted(by_donor, key=lambda d: by_donor[d])
    assert by_donor["eu"] == 1 and 0 < by_donor["gl"] < 0.2
    assert _between("family_distance", "de", "nl") < _between("family_distance", "de", "sv")


@given(places, places)
def test_distances_are_symmetric_and_bounded(a: Place, b: Place) -> None:
    assert distance_km(a, b) == pytest.approx(distance_km(b, a))
    assert 0 <= distance_km(a, b) <= 20_016
    assert family_distance(a, b) == family_distance(b, a)
    assert 0 <= family_distance(a, b) <= 1
    assert family_distance(a, a) == 0 and distance_km(a, a) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("code", COMMON)
def test_a_language_against_itself_reaches_the_ceiling(code: str) -> None:
    for measure in _compared(code, code).measures:
        assert measure.nearness == pytest.approx(1) and measure.interval is None and measure.floor > 0


def test_the_median_language_is_at_the_floor() -> None:
    home = place_of(Language.of("pt"))
    assert home is not None
    distances = sorted(distance_km(home, p) for p in all_places() if p.path != home.path)
    floor = _compared("pt", "es").measures[0].floor
    assert floor == pytest.approx(distances[len(distances) // 2], rel=0.01)


def test_a_variant_has_its_own_place_and_falls_back_on_its_language() -> None:
    assert _between("kilometres", "pt-br", "pt") > 5000
    assert _between("family_distance", "pt-br", "pt") < 0.1
    assert _compared("fr-ca", "pt").measures[0].value == _between("kilometres", "fr", "pt")


def test_an_unknown_language_is_a_gap_that_says_what_to_do() -> None:
    result = _compared("pt", "tlh")
    assert not result.measures
    assert result.gaps[0].reason == "Glottolog has no tlh" and "atlas.tsv" in result.gaps[0].fix


def test_a_folder_of_texts_adds_languages_and_its_faults_are_named(tmp_path: Path) -> None:
    (tmp_path / "atlas.tsv").write_text(
        "code\tname\tlatitude\tlongitude\tclassification\ntlh\tKlingon\t10\t20\tKlingonic > Klingon\nbad\tline\n"
        "zz\tZ\t99\t0\tZ\nyy\tY\tnorth\t0\tY\n",
        encoding="utf-8",
    )
    result = _compared("pt", "tlh", tmp_path)
    assert result.measures[1].value == 1
    assert [gap.reason.split(": ")[0] for gap in result.gaps] == [f"left out atlas.tsv:{n}" for n in (3, 4, 5)]


@given(st.text(alphabet="ab\t1.-> #\n"))
def test_any_text_is_read_or_named(text: str) -> None:
    atlas = parse_atlas(text, "t")
    assert all(note.startswith("t:") for note in atlas.skipped)
    assert all(abs(p.latitude) <= 90 and p.path for p in atlas.places.values())


def test_evidence_is_plain_json() -> None:
    evidence = _compared("pt", "es").evidence
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
    assert [p["code"] for p in evidence["places"]] == ["pt", "es"]
    assert evidence["classification"]["Spanish"].endswith("Castilic > Spanish")
