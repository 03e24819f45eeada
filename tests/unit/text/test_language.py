"""The one value for a language: every form of a code is the same language, and an unknown code is refused."""

import subprocess
import sys

import pytest

from vizinho.errors import CorpusError, TextError
from vizinho.text.alphabets import alphabet
from vizinho.text.language import Language, same_language
from vizinho.text.normalize import Normalizer, get_normalizer


@pytest.mark.parametrize("code", ["pt", "PT", "por", "pt_BR", "pt-br", "pt-PT", "por_BR", " pt "])
def test_forms_of_portuguese_are_one_language_with_its_rules_and_letters(code: str) -> None:
    assert Language.parse(code).base == Language.of(code).base == "pt"
    assert same_language(code, "pt")
    assert get_normalizer(code) == Normalizer("pt")
    assert alphabet(code) == alphabet("pt") != ""


@pytest.mark.parametrize(
    ("first", "second"), [("cmn", "zho"), ("zho", "zh"), ("cmn_hans_cn", "zh-TW"), ("tl", "fil"), ("iw", "he"),
                          ("swh", "sw"), ("spa", "es-419"), ("ger", "deu"), ("rm-sursilv", "roh")]
)  # fmt: skip
def test_aliases_of_the_registry_are_one_language(first: str, second: str) -> None:
    assert same_language(first, second)


@pytest.mark.parametrize(("first", "second"), [("pt", "es"), ("yue", "zh"), ("gl", "pt"), ("ckb", "kmr")])
def test_languages_stay_apart(first: str, second: str) -> None:
    assert not same_language(first, second)


@pytest.mark.parametrize(
    ("code", "tag", "key", "candidates"),
    [("PT_br", "pt-BR", "pt-br", ("pt-br", "pt")), ("por", "pt", "pt", ("pt",)), ("es_419", "es-419", "es-419",
     ("es-419", "es")), ("cmn", "cmn", "cmn", ("cmn", "zh"))],
)  # fmt: skip
def test_the_tag_is_canonical_and_files_are_looked_up_by_its_lower_case(
    code: str, tag: str, key: str, candidates: tuple[str, ...]
) -> None:
    language = Language.parse(code)
    assert (language.tag, language.code, language.candidates) == (tag, key, candidates)
    assert Language.parse(language.tag) == language


@pytest.mark.parametrize("code", ["", "xx", "pt_read", "português falado", "../pt", "multi", "es-demo@1"])
def test_an_unknown_code_is_refused_where_it_is_read_but_not_where_it_was_stored(code: str) -> None:
    with pytest.raises(TextError, match="is no language code"):
        Language.parse(code)
    assert Language.of(code).tag == code


@pytest.mark.parametrize(
    ("code", "hint"), [("Portuguese", '"pt"'), ("portugese", '"pt"'), ("Español", '"es"'), ("guaraní", '"gn"')]
)
def test_a_name_is_answered_with_its_code_and_the_error_says_where(code: str, hint: str) -> None:
    with pytest.raises(CorpusError, match=f"^m.jsonl:3: .*no language code -> did you mean {hint}"):
        Language.parse(code, where="m.jsonl:3", error=CorpusError)


def test_a_recorded_normaliser_keeps_the_rules_it_was_recorded_with() -> None:
    assert get_normalizer("pt-br-v1") == Normalizer("pt", 1)
    assert get_normalizer("por-v1") == Normalizer("por", 1)  # general rules: version 0.x knew no three-letter codes
    assert get_normalizer("xx-v1").name == "xx-v1"


@pytest.mark.parametrize(
    ("code", "text", "word"), [("eng", "don't", "don't"), ("por", "5 anos", "cinco"), ("spa", "5 años", "cinco"),
                               ("fra", "l'été", "l'été"), ("ukr", "м’ята", "мʼята")]
)  # fmt: skip
def test_three_letters_keep_the_language_s_rules(code: str, text: str, word: str) -> None:
    assert word in get_normalizer(code)(text).split()


def test_tables_of_codes_are_loaded_by_the_first_code_that_is_read() -> None:
    tables = "{'langcodes', 'babel', 'gflanguages'}"
    program = f"import sys, vizinho.cli.main, vizinho.text.normalize; assert not {tables} & {{*sys.modules}}"
    subprocess.run([sys.executable, "-c", program], check=True)
