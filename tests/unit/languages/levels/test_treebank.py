"""Reading CoNLL-U: what is read, what is left out and how it is named; the built-in treebanks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.errors import CorpusError
from vizinho.languages.levels.treebank import built_in, parse_treebank, read_treebank, treebank_of
from vizinho.languages.sources import TextSources
from vizinho.text.language import Language

GOOD = """# sent_id = a
# text = Está no mar
1\tEstá\testar\tVERB\t_\t_\t0\troot\t_\t_
2-3\tno\t_\t_\t_\t_\t_\t_\t_\t_
2\tem\tem\tADP\t_\t_\t4\tcase\t_\t_
3\to\to\tDET\t_\t_\t4\tdet:x\t_\t_
3.1\tvazio\t_\t_\t_\t_\t_\t_\t_\t_
4\tmar\tmar\tNOUN\t_\t_\t1\tobl\t_\t_
"""


def _row(number: int | str, head: int | str, *, form: str = "x", upos: str = "NOUN", relation: str = "dep") -> str:
    return f"{number}\t{form}\t_\t{upos}\t_\t_\t{head}\t{relation}\t_\t_"


def test_words_in_parts_count_as_their_parts_and_relations_lose_their_subtypes() -> None:
    (sentence,) = parse_treebank(GOOD, "g").sentences
    assert [node.form for node in sentence.nodes] == ["Está", "em", "o", "mar"]
    assert [node.head for node in sentence.nodes] == [0, 4, 4, 1]
    assert sentence.nodes[2].relation == "det"
    assert (sentence.id, sentence.text) == ("a", "Está no mar")


@pytest.mark.parametrize(
    ("rows", "line", "reason"),
    [
        (["1\tx\tVERB\t0"], 9, "4 columns, not 10"),
        ([_row(1, 0), _row(2, "one")], 10, "'one' is not a valid value"),
        ([_row("a", 0)], 9, "'a' is not a valid ID"),
        ([_row(1, 0), _row(3, 1)], 10, "word 3 where 2 was expected"),
        ([_row(1, 0), _row(2, 7)], 10, "head 7 in a sentence of 2 words"),
        ([_row(1, 0), _row(2, 0)], 10, "2 roots"),
        ([_row(1, 2), _row(2, 1)], 9, "0 roots"),
        ([_row(1, 0), _row(2, 3), _row(3, 2)], 10, "circle"),
        ([_row(1, 0), _row(2, 1, upos="_")], 10, "has no upos"),
        ([_row(1, 0), _row(2, 1, relation="_")], 10, "has no deprel"),
        ([_row(1, 0), _row(2, "_")], 10, "has no head"),
    ],
)
def test_a_malformed_line_is_named_and_its_sentence_skipped(rows: list[str], line: int, reason: str) -> None:
    # Eight lines and a blank one come first, hence line 9 minus the blank that split takes.
    text = GOOD + "\n" + "\n".join(rows).replace("\r", "") + "\n\n" + GOOD.replace("= a", "= b")
    bank = parse_treebank(text, "bank.conllu")
    assert [s.id for s in bank.sentences] == ["a", "b"]
    (named,) = bank.skipped
    assert named.startswith(f"bank.conllu:{line + 1}: ") and reason in named


@pytest.mark.parametrize("text", ["", "\n\n", "# a comment\n\n", "1\tx\n"])
def test_a_file_without_a_sentence_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(CorpusError, match=r"empty\.conllu"):
        parse_treebank(text, "empty.conllu")


def test_files_of_windows_with_a_mark_at_the_start_are_read(tmp_path: Path) -> None:
    (tmp_path / "w.conllu").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    bank = read_treebank(tmp_path / "w.conllu")
    assert not bank.skipped and bank.sentences[0].id == "a" and len(bank.sentences[0].nodes) == 4


def test_a_missing_file_and_one_that_is_not_text_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="cannot read"):
        read_treebank(tmp_path / "none.conllu")
    (tmp_path / "b.conllu").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match="cannot read"):
        read_treebank(tmp_path / "b.conllu")


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    import os

    path = tmp_path / "a.conllu"
    path.write_text(GOOD, encoding="utf-8")
    before = read_treebank(path)
    assert read_treebank(path) is before
    path.write_text(GOOD + "\n" + GOOD.replace("= a", "= b"), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert len(read_treebank(path).sentences) == 2


@given(st.text(alphabet="1230\t_ab#-. \n", max_size=200))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    bank = parse_treebank(GOOD + "\n" + text, "t")
    assert bank.sentences[0].id == "a" or bank.skipped
    for sentence in bank.sentences:
        assert sum(node.head == 0 for node in sentence.nodes) == 1
        assert all(0 <= node.head <= len(sentence.nodes) for node in sentence.nodes)


def test_the_built_in_treebanks_are_parallel_and_whole() -> None:
    banks = {language: built_in(language) for language in ("es", "pt", "en")}
    ids = {language: [s.id for s in bank.sentences] for language, bank in banks.items() if bank}
    assert len(ids["pt"]) == 41 and ids["pt"] == ids["es"] == ids["en"]
    assert all(bank is not None and not bank.skipped for bank in banks.values())
    assert built_in("xx") is None


def test_the_small_dog_has_the_same_tree_in_spanish_and_portuguese() -> None:
    trees = {}
    for language, text in (("es", "un perro pequeño"), ("pt", "um cachorro pequeno")):
        bank = built_in(language)
        assert bank is not None and bank.sentences[0].text == text
        trees[language] = [(n.upos, n.head, n.relation) for n in bank.sentences[0].nodes]
    assert trees["es"] == trees["pt"] == [("DET", 2, "det"), ("NOUN", 0, "root"), ("ADJ", 2, "amod")]


def test_a_treebank_at_hand_comes_before_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "treebanks").mkdir()
    (tmp_path / "treebanks" / "pt_x.conllu").write_text(GOOD, encoding="utf-8")
    sources = TextSources(tmp_path)
    found, fallback = treebank_of(Language.of("pt-br"), sources), treebank_of(Language.of("es"), sources)
    assert found is not None and found.name == "pt_x.conllu"
    assert fallback is not None and fallback.name == "built-in es"
    assert treebank_of(Language.of("xx"), sources) is None
