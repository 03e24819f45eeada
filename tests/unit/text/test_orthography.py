"""Orthographies: what Unicode says of a language, as TOML and back; no letter of real words is lost in any of them."""

from __future__ import annotations

import json
import os
import unicodedata
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import wordfreq
from gflanguages import LoadLanguages

from vizinho.errors import TextError
from vizinho.text.normalize import Normalizer, get_normalizer
from vizinho.text.orthography import (
    APOSTROPHES,
    Orthography,
    default_orthography,
    orthography_of,
    orthography_toml,
    read_orthography,
    write_orthography,
)

SHARED = Path(os.environ.get("VIZINHO_SHARED", "../shared"))
WORDS = 5_000
"""Most frequent words of each language that are checked."""
LISTED = {"sh": "hr"}  # wordfreq's list of Serbo-Croatian
WITH_APOSTROPHES = [
    "ace", "br", "esu", "gn", "gwi", "ha", "haw", "hus", "kek", "ktz", "lkt", "mic", "moh", "mos", "nv",
    "pov", "qu", "quc", "so", "srr", "to", "toj", "tvl", "tzh", "tzo", "uk", "vro", "wls", "xav", "yua", "zap", "zun",
]  # fmt: skip


def assert_kept(normalize: Normalizer, word: str) -> None:
    """Every letter and mark of a word comes out, in one word, and a second time nothing changes."""
    read = normalize.read(word)
    assert letters(read.text, normalize) == letters(word, normalize), f"{word!r} became {read.text!r}"
    assert " " not in read.text and not read.lost, f"{word!r} became {read}"
    assert normalize(read.text) == read.text


def letters(text: str, normalize: Normalizer) -> Counter[str]:
    """Letters and marks without case, width and the kinds of apostrophes: what must not get lost."""
    for typed, right in normalize.orthography.same:
        text = text.replace(typed, right)
    plain = unicodedata.normalize("NFKD", text.casefold()).replace("ı", "i").replace("ς", "σ")
    kept = (c for c in plain if c in APOSTROPHES or unicodedata.category(c)[0] in "LM")
    return Counter("'" if c in APOSTROPHES else c for c in kept if c != "\u0307")  # the dot of a capital İ


@cache
def frequent(language: str) -> list[str]:
    """Words of letters, marks and joiners in wordfreq's list."""
    words = []
    for word in wordfreq.iter_wordlist(language, "best"):
        core = [c for c in word if c not in APOSTROPHES + "·\u200c\u200d"]
        kinds = [unicodedata.category(c)[0] for c in core]
        edges = {word[0], word[-1]} & set(APOSTROPHES)
        if kinds and kinds[0] == "L" and set(kinds) <= {"L", "M"} and not edges and not set(core) & set("ºª"):
            words.append(word)
        if len(words) == WORDS:
            break
    return words


@pytest.mark.parametrize("language", sorted(wordfreq.available_languages("best")))
def test_no_letter_of_frequent_words_is_lost(language: str) -> None:
    normalize = get_normalizer(LISTED.get(language, language))
    for word in frequent(language):
        assert_kept(normalize, word)
        if word.upper().lower() == word:
            assert letters(normalize(word.upper()), normalize) == letters(word, normalize)


@pytest.mark.parametrize("language", WITH_APOSTROPHES)
def test_every_apostrophe_that_is_typed_for_a_letter_is_the_letter(language: str) -> None:
    normalize = get_normalizer(language)
    (letter,) = normalize.orthography.apostrophe
    for typed in "'’ʼʻ‘`´ꞌ":
        assert normalize(f"xa{typed}a {typed}a xo{typed}o") == f"xa{letter}a {letter}a xo{letter}o"


@pytest.mark.parametrize(
    ("language", "typed", "expected"),
    [
        ("naq", "!gâi |hai ‖nâ ||nâ ≠û khoe/tara, hai!", "ǃgâi ǀhai ǁnâ ǁnâ ǂû khoe tara hai"),
        ("ktz", "Ju|'hoansi n!ang ‘hai!’", "juǀʼhoansi nǃang hai"),
        ("vaj", "!Xun", "ǃxun"),
        ("squ", "7a7min Sḵwx̱wú7mesh 7ayás", "7a7min sḵwx̱wú7mesh 7ayás"),
        ("moh", "Kanien'kéha o’nó:wa: wahi", "kanien’kéha o’nó:wa wahi"),
        ("nmf", "ma˥˧ ta꜀ na꞉m", "ma˥˧ ta꜀ na꞉m"),
        ("hy", "Ինչո՞ւ, ո՜վ", "ինչու ով"),
        ("my", "မိမိ၏ဂုဏ် သည်၌", "မိမိ၏ဂုဏ် သည်၌"),
        ("kab", "Γef ԑli", "ɣef ɛli"),
        ("tr", "i\u0307stanbul", "istanbul"),
        ("lt", "i\u0307\u0301", "i\u0307\u0301"),
        ("de", "Auf\u200clage", "auflage"),
        ("fa", "می\u200cروم", "می\u200cروم"),
        ("el", "ΟΔΟΣ ΟΔΥΣΣΕΎΣ", "οδος οδυσσεύς"),
        ("ar", "ﻣﺮﺣﺒﺎ مـرحـبـا", "مرحبا مرحبا"),
    ],
)
def test_letters_that_look_like_something_else_stay_letters(language: str, typed: str, expected: str) -> None:
    read = get_normalizer(language).read(typed)
    assert (read.text, read.lost) == (expected, "")
    assert get_normalizer(language)(expected) == expected


def test_texts_of_hundreds_of_orthographies_lose_no_letter() -> None:
    """The samples of gflanguages (articles of the Declaration of Human Rights), word by word."""
    checked = set()
    for entry in LoadLanguages().values():
        if entry.script in ("Brai",) or not entry.exemplar_chars.base:
            continue
        try:
            normalize = get_normalizer(entry.language)
        except TextError:  # gflanguages has some codes that are not registered
            continue
        for word in (entry.sample_text.specimen_32 or "").split():
            core = word.strip("".join(c for c in word if unicodedata.category(c)[0] in "PSNZC"))
            if (
                core
                and core[0].isalpha()
                and "''" not in core
                and all(unicodedata.category(c)[0] in "LM" or c in "'’ʼʻ" for c in core)
            ):
                read = normalize.read(core)
                assert letters(read.text, normalize) == letters(core, normalize), (
                    f"{entry.id}: {core!r} became {read.text!r}"
                )
                assert " " not in read.text, f"{entry.id}: {core!r} became {read.text!r}"
                checked.add(entry.id)
    assert len(checked) > 300


@pytest.mark.skipif(not (SHARED / "speech" / "words").is_dir(), reason="VIZINHO_SHARED names no folder with word lists")
def test_no_letter_of_recorded_vocabularies_is_lost() -> None:
    manifests = sorted((SHARED / "speech" / "words").glob("*.jsonl"))
    assert len(manifests) > 30
    for manifest in manifests:
        normalize = get_normalizer(manifest.stem)
        for row in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
            for word in row["text"].split():
                core = word.strip("".join(c for c in word if unicodedata.category(c)[0] in "PSN"))
                if core.isalpha():
                    assert_kept(normalize, core)


@pytest.mark.skipif(
    not (SHARED / "text" / "treebanks").is_dir(), reason="VIZINHO_SHARED names no folder with treebanks"
)
def test_words_of_treebanks_stay_words() -> None:
    for path in sorted((SHARED / "text" / "treebanks").glob("*.conllu")):
        normalize = get_normalizer(path.name.partition("_")[0].partition("-")[0].partition(".")[0])
        lines = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
        for word in {fields[1] for fields in lines if len(fields) > 3 and fields[1].isalpha()}:
            assert_kept(normalize, word)


@pytest.mark.parametrize("language", ["pt", "uk", "uz", "tr", "he", "ml", "haw", "qaa", "zh", "fa"])
def test_an_orthography_is_the_same_as_toml_and_as_json(language: str, tmp_path: Path) -> None:
    orthography = default_orthography(language)
    write_orthography(tmp_path / "o.toml", orthography)
    assert read_orthography(tmp_path / "o.toml") == orthography
    assert orthography_of(json.loads(json.dumps(orthography.to_json()))) == orthography
    assert replace(orthography, marks="").digest == orthography.digest  # marks are kept whether they are listed or not


def test_what_a_file_does_not_say_is_the_language_s_own(tmp_path: Path) -> None:
    (tmp_path / "o.toml").write_text('language = "uk"\njoiners = "-"\n', encoding="utf-8")
    orthography = read_orthography(tmp_path / "o.toml")
    assert orthography == replace(default_orthography("uk"), joiners="-")
    assert get_normalizer("uk", orthography)("М'ята-М'ята") == "мʼята-мʼята"


@pytest.mark.parametrize(
    ("changes", "text", "expected"),
    [
        ({"tones": "12345"}, "nei5 hou2, 5", "nei5 hou2 cinco"),
        ({"tones": "¹²³"}, "ma¹ ma²", "ma¹ ma²"),
        ({"letters": "abcswxmesh7"}, "Sxwu7mesh 7", "sxwu7mesh sete"),
        ({"letters": "abc'"}, "'aba aba'", "'aba aba'"),
        ({"joiners": "':"}, "ra:aaly : a", "ra:aaly a"),
        ({"case": "keep"}, "qIp QIp", "qIp QIp"),
        ({"same": (("w", "u"), ("ç", "s"))}, "Waça", "uasa"),
    ],
)
def test_an_edited_orthography_changes_what_is_kept(changes: dict[str, object], text: str, expected: str) -> None:
    orthography = replace(default_orthography("pt"), **changes)
    normalize = get_normalizer("pt", orthography)
    assert normalize(text) == expected == normalize(expected) or "cinco" in expected or "sete" in expected
    assert normalize(text) == expected
    assert orthography.digest != default_orthography("pt").digest
    recorded = normalize.recorded()
    assert get_normalizer(recorded["normalizer"], json.loads(json.dumps(recorded["orthography"]))) == normalize


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("language = ", "not valid TOML"),
        ('letters = "a"', "no language"),
        ('language = "xx"', "is no language code"),
        ('language = "pt"\nvowels = "a"', "unknown key vowels"),
        ('language = "pt"\nletters = 3', "letters has a wrong value"),
        ('language = "pt"\ncase = "upper"', "unknown case 'upper'"),
        ('language = "pt"\n[same]\n"a" = 1', "same has a wrong value"),
        ('language = "pt"\n[same]\n"" = "a"', "same has a wrong value"),
    ],
)
def test_a_wrong_file_is_refused_by_name(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "o.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TextError, match=f"o.toml.*{message}"):
        read_orthography(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"o\.toml: no such orthography file"):
        read_orthography(tmp_path / "o.toml")


def test_an_orthography_of_another_language_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="it is of 'uk', not of 'pt'"):
        get_normalizer("pt", default_orthography("uk"))


def test_a_language_that_nobody_listed_has_the_general_rules() -> None:
    assert default_orthography("qaa") == Orthography("qaa")
    assert orthography_toml(Orthography("qaa")).startswith('language = "qaa"\n')


def test_letters_of_all_scripts_of_a_language_are_known() -> None:
    letters = default_orthography("uz").letters
    assert {"q", "қ", "ʻ", "ʼ"} <= set(letters)
    assert default_orthography("tr").case == default_orthography("az").case == "dotless"
    assert default_orthography("pt").case == "lower"
