import json
import subprocess
import sys

import pytest

from vizinho.errors import CorpusError, SpecError
from vizinho.languages import compare as comparing
from vizinho.languages.compare import compare
from vizinho.languages.measures import LevelResult
from vizinho.languages.sources import Inputs, TextSources


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    for language, words in (
        ("pt", ["casa", "livro", "água", "gato", "mesa", "porta", "noite", "senhora", "cabeça", "centro"]),
        ("es", ["casa", "libro", "agua", "gato", "mesa", "puerta", "noche", "señora", "cabeza", "centro"]),
        ("en", ["house", "book", "water", "cat", "table", "door", "night", "lady", "head", "centre"]),
    ):
        (folder / "frequencies").mkdir(parents=True, exist_ok=True)
        lines = [f"{w}\t{100 - i}" for i, w in enumerate(words)]
        (folder / "frequencies" / f"{language}.tsv").write_text("\n".join(lines), encoding="utf-8")
    return Inputs(TextSources(folder))


WORDS = ("vocabulary", "map")


def test_donors_are_ranked_and_gaps_stay_gaps(texts):
    found = compare("pt", ["en", "es", "qaa"], texts, levels=WORDS)
    assert [r.donor for r in found.ranking] == ["es", "en", "qaa"]
    assert found.ranking[-1].score is None
    values = json.loads(json.dumps(found.as_json()))
    gaps = {g["level"]: g["reason"] for level in values["levels"]["qaa"] for g in level["gaps"]}
    assert "qaa" in gaps["vocabulary"] and "qaa" in gaps["map"]
    assert {m["name"] for m in values["levels"]["es"][0]["measures"]} >= {"exact_share", "mean_distance"}


def test_cognates_and_rules_come_out_of_the_words(texts):
    evidence = compare("pt", ["es"], texts, levels=("vocabulary",)).results["es"][0].evidence
    pairs = {(row["donor"], row["target"]) for name, rows in evidence.items() if "edit" in name for row in rows}
    assert {("señora", "senhora"), ("cabeza", "cabeça"), ("libro", "livro")} <= pairs
    assert ("casa", "casa") in {(row["donor"], row["target"]) for row in evidence["look_alikes_spelt_alike"]}


def test_the_cache_is_used_and_follows_the_contents(texts, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = compare("pt", ["es"], texts, levels=WORDS, cache=cache)
    for level in WORDS:
        monkeypatch.setitem(comparing.LEVELS, level, lambda *_: pytest.fail("computed again"))
    again = compare("pt", ["es"], texts, levels=WORDS, cache=cache)
    assert again.results == first.results
    assert set(again.seconds.values()) == {0.0}
    next(cache.glob("*vocabulary*.json")).write_text("{broken")
    with pytest.raises(pytest.fail.Exception, match="computed again"):
        compare("pt", ["es"], texts, levels=WORDS, cache=cache)


def test_a_changed_word_list_is_another_cache_entry(texts, tmp_path):
    cache = tmp_path / "cache"
    before = compare("pt", ["es"], texts, levels=("vocabulary",), cache=cache)
    path = texts.texts.folder / "frequencies" / "es.tsv"
    path.write_text("casa\t5\nnada\t4\n", encoding="utf-8")
    assert compare("pt", ["es"], texts, levels=("vocabulary",), cache=cache).results != before.results


def test_a_level_without_its_library_is_a_gap_for_every_donor(texts, monkeypatch):
    def lacking(*_):
        raise ModuleNotFoundError("no", name="spacy")

    monkeypatch.setitem(comparing.LEVELS, "map", lacking)
    found = compare("pt", ["es", "en"], texts, levels=("map",))
    assert [found.results[donor][0].gaps[0].reason for donor in ("es", "en")] == ["spacy is not installed"] * 2


def test_forms_of_a_code_are_one_language_and_an_unknown_one_is_refused(texts):
    found = compare("por", ["spa"], texts, levels=("map",))
    assert (found.target, list(found.results)) == ("pt", ["es"])
    with pytest.raises(SpecError, match="both target and donor"):
        compare("pt", ["por"], texts, levels=("map",))
    with pytest.raises(SpecError, match="donors: 'klingonese' is no language code"):
        compare("pt", ["klingonese"], texts, levels=("map",))


def test_a_level_that_fails_leaves_the_others_whole(texts, monkeypatch):
    def broken(*_):
        raise CorpusError("out of order", fix="mend it")

    monkeypatch.setitem(comparing.LEVELS, "map", broken)
    monkeypatch.setitem(comparing.LEVELS, "vocabulary", lambda *_: iter([LevelResult("vocabulary")]))
    found = compare("pt", ["es"], texts, levels=WORDS)
    assert [len(r.gaps) for r in found.results["es"]] == [0, 1]
    assert "out of order" in found.results["es"][1].gaps[0].reason


@pytest.mark.parametrize(
    ("donors", "levels", "message"),
    [
        ([], WORDS, "no donors"),
        (["es", "es"], WORDS, "given twice"),
        (["pt"], WORDS, "both target and donor"),
        (["es"], ("smell",), "unknown level 'smell'"),
    ],
)
def test_what_cannot_be_compared_is_refused(texts, donors, levels, message):
    with pytest.raises(SpecError, match=message):
        compare("pt", donors, texts, levels=levels)


def test_two_processes_give_the_same(texts):
    one = compare("pt", ["es", "en"], texts, levels=("vocabulary", "spelling", "map"))
    two = compare("pt", ["es", "en"], texts, levels=("vocabulary", "spelling", "map"), processes=2)
    assert one.results == two.results
    assert one.ranking == two.ranking


def test_from_the_package_itself():
    code = (
        "import vizinho, sys; c = vizinho.compare('pt', ['es'], levels=('map',)); "
        "print(c.ranking[0].donor, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["es", "False"]


def test_two_variants_with_one_source_are_a_gap_not_alike(texts):
    found = compare("pt", ["pt-pt"], texts, levels=("vocabulary", "map")).results["pt-pt"]
    assert "one and the same source" in found[0].gaps[0].reason
    assert not found[0].measures
    own = texts.texts.folder / "frequencies" / "pt-pt.tsv"
    own.write_text("casa\t5\nautocarro\t4\n", encoding="utf-8")
    assert compare("pt", ["pt-pt"], texts, levels=("vocabulary",)).results["pt-pt"][0].measures
