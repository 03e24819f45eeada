import numpy as np
import pytest

from vizinho.errors import CorpusError
from vizinho.languages.levels.orthography import compare_spelling, letter_shares
from vizinho.languages.levels.vocabulary import cognates, compare_vocabulary, compare_words, respelling_rules
from vizinho.languages.levels.words import folded, words_of
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.language import Language

PT, ES = Language.of("pt"), Language.of("es")


def sources(tmp_path, **lists):
    (tmp_path / "frequencies").mkdir(exist_ok=True)
    for code, words in lists.items():
        lines = [f"{w}\t{len(words) - i}" for i, w in enumerate(words)]
        (tmp_path / "frequencies" / f"{code}.tsv").write_text("\n".join(lines), encoding="utf-8")
    return TextSources(tmp_path)


def test_shares_are_what_one_counts(tmp_path):
    made = sources(tmp_path, pt=["casa", "mesa", "avó", "água"], es=["casa", "mesa", "agua", "perro"])
    found = {m.name: m for m in next(compare_vocabulary(PT, [ES], Inputs(made))).measures}
    assert found["exact_share"].value == 0.5
    assert found["folded_share"].value == 0.75
    assert found["within_1"].value == 1.0  # of the words of four letters and more
    assert found["mean_distance"].value == 0.0
    assert found["token_coverage"].value == pytest.approx((4 + 3) / 10)
    assert found["exact_share"].n == 4


def test_words_are_cognates_when_each_is_the_others_nearest(tmp_path):
    made = sources(tmp_path, pt=["libro", "livro", "muito"], es=["libro", "mucho", "pronto"])
    pairs = cognates(words_of(PT, made, 10), words_of(ES, made, 10))
    assert [(c.target, c.donor, c.edits) for c in pairs] == [("libro", "libro", 0)]


def test_rules_of_spanish_and_portuguese_come_from_real_words():
    pairs = cognates(*(words_of(language, TextSources(), 5000) for language in (PT, ES)))
    rules = {r.donor: r.target for r in respelling_rules(pairs)}
    assert rules["ción"] == "ção"
    assert rules["ñ"] == "nh"


def test_disagreeing_vectors_are_flagged(tmp_path):
    made = sources(tmp_path, pt=["largo", "casa"], es=["largo", "casa"])
    cosines = {"largo": 0.0, "casa": 0.8}
    words = words_of(PT, made, 10)
    result = compare_words(words, words, seed=1, source="test", cosine=lambda a, _: cosines[a])
    rows = {r["target"]: r["vectors disagree"] for r in result.evidence["cognates_spelt_alike"]}
    assert rows == {"largo": True, "casa": False}
    assert not result.gaps


def test_lists_are_read_and_mistakes_named(tmp_path):
    made = sources(tmp_path, pt=["Casa", "a", "x1", "casa", "mesa"])
    assert [w for w, _ in words_of(PT, made, 10)] == ["casa", "mesa"]
    (tmp_path / "frequencies" / "es.tsv").write_text("casa\tmany\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"es\.tsv:1"):
        words_of(ES, made, 10)
    with pytest.raises(CorpusError, match="wordfreq has no words of 'xx'"):
        words_of(Language.of("xx"), made, 10)


@pytest.mark.parametrize(("language", "word"), [("hi", "हिन्दी"), ("th", "ภาษาไทย"), ("bn", "বাংলা"), ("ta", "தமிழ்")])
def test_words_with_vowel_signs_are_words(tmp_path, language, word):
    made = sources(tmp_path, **{language: [word, "x1", "a-b"]})
    assert [w for w, _ in words_of(Language.of(language), made, 10)] == [word]


def test_words_that_are_all_short_are_a_gap(tmp_path):
    made = sources(tmp_path, pt=["casa", "mesa"], es=["el", "la"])
    (result,) = compare_vocabulary(PT, [ES], Inputs(made))
    assert "no words of 4 letters" in result.gaps[0].reason


def test_folding_takes_marks_off():
    assert folded("opiniões") == "opinioes"
    assert folded("ñandú") == "nandu"


def test_letters_are_counted_in_running_words(tmp_path):
    made = sources(tmp_path, pt=["aab", "bcc"], es=["abc", "xyz"])
    shares = letter_shares(words_of(PT, made, 10))
    assert shares == pytest.approx({"a": 4 / 9, "b": 3 / 9, "c": 2 / 9})
    evidence = next(compare_spelling(PT, [ES], Inputs(made))).evidence
    assert evidence["only_the_donor"] == "x y z"
    assert evidence["shared_letters"] == 3
    assert np.isclose(sum(row["target, per cent"] or 0 for row in evidence["letters"]), 100, atol=0.01)
