import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.g2p import espeak
from vizinho.g2p.espeak import is_available
from vizinho.languages.levels.charts import chart, place_of, x_sampa
from vizinho.languages.levels.inventory import _phones, compare_sounds, sound_distance
from vizinho.languages.measures import LevelResult
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.language import Language

needs_espeak = pytest.mark.skipif(not is_available(), reason="eSpeak NG is not installed")


def sounds(target: str, donor: str, texts: TextSources, g2p: str = "espeak") -> LevelResult:
    (result,) = compare_sounds(Language.of(target), [Language.of(donor)], Inputs(texts, g2p=g2p))
    return result


PHONES = st.lists(st.sampled_from(["a", "ɐ", "s", "z", "tʃ", "ɲ", "p"]), max_size=6)


@given(PHONES, PHONES)
def test_sound_distance_is_a_distance_up_to_length(a, b):
    assert sound_distance(a, b) == pytest.approx(sound_distance(b, a))
    assert 0 <= sound_distance(a, b) <= 1
    assert sound_distance(a, a) == 0
    assert (sound_distance(a, b) == 0) == (a == b)


def test_near_sounds_cost_less_than_far_ones():
    assert sound_distance("kaza", "kasa") < sound_distance("kaza", "kapa") < 1
    assert sound_distance("kasa", "") == 1.0


@pytest.mark.parametrize(
    ("phone", "place"),
    [
        ("ɲ", ("consonant", "nasal", "palatal")),
        ("tʃ", ("consonant", "affricate", "postalveolar")),
        ("ɐ̃", ("vowel", "near-open", "central")),
        ("w", ("consonant", "approximant", "labial-velar")),
        ("?", None),
    ],
)
def test_phones_have_their_place_in_the_charts(phone, place):
    assert place_of(phone) == place


@pytest.mark.parametrize(
    ("phone", "written"), [("ɲ", "J"), ("ʎ", "L"), ("tʃ", "tS"), ("ɐ̃", "6~"), ("õ", "o~"), ("ɾ", "4")]
)
def test_x_sampa(phone, written):
    assert x_sampa(phone) == written


def test_a_chart_says_who_has_a_phone():
    cells = chart({"s": (0.1, 0.2), "z": (0.1, 0.0), "θ": (0.0, 0.1), "@": (0.1, 0.1)})
    found = {p["ipa"]: p["in"] for cell in cells for p in cell["phones"]}
    assert found == {"s": "shared", "z": "target", "θ": "donor", "@": "shared"}
    assert {cell["chart"] for cell in cells} == {"consonant", "other"}


@needs_espeak
def test_portuguese_has_nasal_vowels_that_spanish_lacks_and_each_has_a_nearest_phone():
    evidence = sounds("pt", "es", TextSources()).evidence
    rows = {row["target"]: row for row in evidence["nearest_phones"]}
    assert {"ɐ̃", "z", "v"} <= set(rows)
    assert rows["z"]["nearest in donor"] == "s"
    assert "voi" in rows["z"]["features that differ"]


def test_a_missing_voice_and_a_missing_synthesiser_are_named(monkeypatch, tmp_path):
    folder = tmp_path / "frequencies"
    folder.mkdir()
    (folder / "gl.tsv").write_text("casa\t2\nxente\t1\n", encoding="utf-8")
    if is_available():
        (gap,) = sounds("pt", "gl", TextSources(tmp_path)).gaps
        assert "no voice for gl" in gap.reason
    monkeypatch.setattr(espeak, "is_available", lambda: False)
    (gap,) = sounds("pt", "es", TextSources()).gaps
    assert "eSpeak NG is not installed" in gap.reason


def test_lexicons_replace_the_synthesiser_for_both(tmp_path):
    for part in ("frequencies", "lexicons"):
        (tmp_path / part).mkdir()
    for code, said in (("pt", {"casa": "k a z ɐ", "rua": "ʁ u ɐ"}), ("gl", {"casa": "k a s a", "rúa": "r u a"})):
        (tmp_path / "frequencies" / f"{code}.tsv").write_text("".join(f"{w}\t5\n" for w in said), encoding="utf-8")
        lines = "".join(f"{w}\t{p}\n" for w, p in said.items())
        (tmp_path / "lexicons" / f"{code}.tsv").write_text(lines, encoding="utf-8")
    sources = TextSources(tmp_path)
    found = {m.name: m for m in sounds("pt", "gl", sources, g2p="lexicon").measures}
    assert found["coverage"].value == pytest.approx(3 / 7)  # k, a, u of k a z ɐ ʁ u ɐ
    assert found["inventory_overlap"].value == pytest.approx(3 / 8)
    (tmp_path / "lexicons" / "gl.tsv").write_text("casa k a s a\n", encoding="utf-8")
    (gap,) = sounds("pt", "gl", sources, g2p="lexicon").gaps
    assert "gl.tsv:1" in gap.reason


@needs_espeak
@pytest.mark.parametrize(
    ("word", "phones"),
    [("filho", "f i ʎ ʊ"), ("sim", "s ĩ"), ("lento", "l ẽ t ʊ"), ("bem", "b ẽ j̃"), ("banco", "b ɐ̃ ŋ k ʊ")],
)
def test_portuguese_has_its_palatal_and_nasals(word, phones):
    assert [unicodedata.normalize("NFC", p) for p in _phones(word, "pt-br", "pt")] == phones.split()
