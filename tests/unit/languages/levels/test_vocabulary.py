import numpy as np
import pytest

from vizinho.errors import CorpusError
from vizinho.languages.levels.meaning import meaning_by_sentences
from vizinho.languages.levels.orthography import compare_spelling, letter_shares
from vizinho.languages.levels.vocabulary import cognates, compare_vocabulary, compare_words, respelling_rules
from vizinho.languages.levels.words import source_of, words_of, words_of_both
from vizinho.languages.sources import Inputs, TextSources
from vizinho.text.language import Language
from vizinho.text.spelling import bare

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


def test_look_alikes_of_another_meaning_are_no_cognates(tmp_path):
    made = sources(tmp_path, pt=["largo", "casa", "mesa"], es=["largo", "casa", "mesa"])
    meanings = {"largo": False, "casa": True, "mesa": None}
    words = words_of(PT, made, 10)
    result = compare_words(words, words, seed=1, source="test", meaning=lambda a, _: meanings[a])
    shown = {name: [row["target"] for row in rows] for name, rows in result.evidence.items() if "look" in name}
    assert shown == {"look_alikes_spelt_alike": ["mesa"], "look_alikes_of_another_meaning": ["largo"]}
    assert [row["target"] for row in result.evidence["cognates_spelt_alike"]] == ["casa"]
    assert not result.gaps


def test_sentences_tell_cognates_from_look_alikes_directly_and_over_a_third_language(tmp_path):
    both = [("muito largo", "very wide"), ("largo rio", "wide river"), ("largo e frio", "wide and cold")]
    spanish = [("largo camino", "long way"), ("largo y frio", "long and cold"), ("largo", "long")]
    cold = [("frio", "cold"), ("frio", "cold")]
    for name, rows in (("x_pt_en", both + cold), ("x_es_en", spanish + cold)):
        write(tmp_path / "parallel" / f"{name}.tsv", *("\t".join(row) for row in rows))
    over_english = meaning_by_sentences(PT, ES, TextSources(tmp_path))
    assert [over_english(w, w) for w in ("largo", "frio", "mesa")] == [False, True, None]
    rows = [("casa", "casa"), ("a casa", "la casa"), ("casa fria", "casa fría"), *[("largo", "ancho")] * 3]
    write(tmp_path / "parallel" / "y_pt_es.tsv", *("\t".join(row) for row in rows), *["longo\tlargo"] * 3)
    direct = meaning_by_sentences(PT, ES, TextSources(tmp_path))
    assert [direct(w, w) for w in ("casa", "largo", "frio")] == [True, False, None]
    assert meaning_by_sentences(PT, Language.of("gl"), TextSources(tmp_path)) is None


def test_lists_are_read_and_mistakes_named(tmp_path):
    made = sources(tmp_path, pt=["Casa", "a", "x1", "casa", "mesa"])
    assert [w for w, _ in words_of(PT, made, 10)] == ["casa", "mesa"]
    (tmp_path / "frequencies" / "es.tsv").write_text("casa\tmany\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"es\.tsv:1"):
        words_of(ES, made, 10)
    with pytest.raises(CorpusError, match="no words of 'xx'"):
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
    assert bare("opiniões") == "opinioes"
    assert bare("ñandú") == "nandu"


def test_letters_are_counted_in_running_words(tmp_path):
    made = sources(tmp_path, pt=["aab", "bcc"], es=["abc", "xyz"])
    shares = letter_shares(words_of(PT, made, 10))
    assert shares == pytest.approx({"a": 4 / 9, "b": 3 / 9, "c": 2 / 9})
    evidence = next(compare_spelling(PT, [ES], Inputs(made))).evidence
    assert evidence["only_the_donor"] == "x y z"
    assert evidence["shared_letters"] == 3
    assert np.isclose(sum(row["target, per cent"] or 0 for row in evidence["letters"]), 100, atol=0.01)


GALICIAN = (
    "todos os seres humanos nacen libres e iguais en dignidade e dereitos e dotados como están de razón e conciencia",
    "toda persoa ten os dereitos e liberdades proclamados nesta declaración sen distinción ningunha de raza cor sexo",
    "idioma relixión opinión política ou de calquera outra índole orixe nacional ou social posición económica",
    "nacemento ou calquera outra condición ademais non se fará distinción ningunha baseada na condición política",
    "xurídica ou internacional do país ou territorio da xurisdicción do cal dependa unha persoa tanto se se trata",
    "dun país independente coma dun territorio baixo administración fiduciaria non autónomo ou sometido a limitación",
)


def write(path, *lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_words_of_a_language_without_a_list_are_counted_in_whatever_text_is_there(tmp_path):
    made, gl = TextSources(tmp_path), Language.of("gl")
    assert source_of(gl, made) == "sample sentences of gflanguages (gl)"
    write(tmp_path / "sentences" / "udhr_gl.txt", *GALICIAN)
    write(tmp_path / "parallel" / "some_gl_en.tsv", "a lingua galega\tthe Galician language")
    words = dict(words_of(gl, made, 1000))
    assert words["dereitos"] == pytest.approx(2 * words["dignidade"])
    assert "galega" in words and "language" not in words
    assert source_of(gl, made) == "counted in udhr_gl.txt, some_gl_en.tsv"


def test_a_lexicon_is_a_list_where_there_is_no_text(tmp_path):
    words = {word for line in GALICIAN for word in line.split()}
    write(tmp_path / "lexicons" / "gl.tsv", *(f"{word}\tx" for word in words))
    assert dict(words_of(Language.of("gl"), TextSources(tmp_path), 5000)).keys() == {w for w in words if len(w) > 1}


def test_too_little_text_and_text_without_spaces_are_named(tmp_path):
    write(tmp_path / "sentences" / "gl.txt", "poucas palabras")
    write(tmp_path / "lo.txt", *("ພາສາລາວ " + chr(0x0E81 + i % 3) * 2 + chr(0x0E94 + i) for i in range(4)))
    with pytest.raises(CorpusError, match="only 2 different words of gl"):
        words_of(Language.of("gl"), TextSources(tmp_path), 10)
    with pytest.raises(CorpusError, match="no spaces between words"):
        words_of(Language.of("lo"), TextSources(tmp_path), 10)


def test_a_language_without_any_text_is_known_by_sample_sentences():
    quechua = Language.of("qu")
    sample, listed, sources = words_of_both(quechua, ES, TextSources(), 1000)
    assert 60 < len(sample) < 1000 == len(listed)
    assert sources == ("sample sentences of gflanguages (qu)", "wordfreq")


def test_a_target_with_a_long_list_is_cut_to_as_many_words_as_a_donor_has():
    listed, sample, _ = words_of_both(ES, Language.of("qu"), TextSources(), 1000)
    assert len(listed) == len(sample) and listed == words_of(ES, TextSources(), 1000)[: len(listed)]


def test_words_in_another_script_than_the_lists_own_are_left_out(tmp_path):
    made = sources(tmp_path, hi=["में", "the", "हिन्दी", "of", "भाषा"])
    assert [w for w, _ in words_of(Language.of("hi"), made, 10)] == ["में", "हिन्दी", "भाषा"]


def test_two_scripts_are_compared_in_latin_letters(tmp_path):
    made = sources(tmp_path, uk=["мама", "вода", "молоко", "рука"], pl=["mama", "woda", "mleko", "ręka"])
    result = next(compare_vocabulary(Language.of("uk"), [Language.of("pl")], Inputs(made)))
    by_name = {m.name: m for m in result.measures}
    assert by_name["exact_share"].value == 0.25 and by_name["within_1"].value == 0.75
    assert "uroman" in by_name["exact_share"].source


def test_beside_a_script_without_vowels_words_are_their_consonants(tmp_path):
    made = sources(tmp_path, hi=["किताब", "हिन्दुस्तान", "में"], ur=["کتاب", "ہندوستان", "میں"])
    result = next(compare_vocabulary(Language.of("hi"), [Language.of("ur")], Inputs(made)))
    measure = next(m for m in result.measures if m.name == "exact_share")
    assert (measure.value, measure.n) == (1.0, 2)
    spelling = next(compare_spelling(Language.of("hi"), [Language.of("ur")], Inputs(made)))
    assert {gap.name for gap in spelling.gaps} >= {"cross_entropy", "letter_divergence"}


@pytest.mark.parametrize(("code", "letter"), [("uz", "q"), ("uz-Cyrl", "қ")])
def test_sample_words_are_in_the_script_that_the_code_names(code, letter):
    assert any(letter in word for word, _ in words_of(Language.of(code), TextSources(), 100))
