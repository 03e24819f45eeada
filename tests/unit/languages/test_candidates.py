import pytest

from vizinho.languages.candidates import candidates
from vizinho.text.language import Language


@pytest.mark.parametrize(
    ("target", "relatives"),
    [("gl", {"pt", "es"}), ("gd", {"ga", "cy"}), ("fo", {"is", "da"}), ("tt", {"ba", "kk"}), ("hsb", {"cs", "pl"})],
)
def test_relatives_come_first_and_english_last(target, relatives):
    donors = candidates(Language.of(target), ["es"])
    assert relatives <= set(donors[:6]) and donors[-1] == "en"
    assert "es" in donors and len(set(donors)) == len(donors)


def test_the_target_is_no_candidate_whatever_it_is_called():
    assert "pt" not in candidates(Language.of("pt-br"), ["pt", "en"])
    assert "en" not in candidates(Language.of("en"))
    assert not {"no", "nb"} <= set(candidates(Language.of("da")))  # a macrolanguage and its standard


def test_a_language_without_a_place_has_the_donors_at_hand():
    assert candidates(Language.of("qaa"), ["es"]) == ("es", "en")
