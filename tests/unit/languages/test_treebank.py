import pytest

from vizinho.errors import CorpusError
from vizinho.languages.treebank import read_treebank, treebank_of
from vizinho.languages.variants import TextSources, Variant

GOOD = """# sent_id = one
1\tum\t_\tDET\t_\t_\t2\tdet\t_\t_
2\tcachorro\t_\tNOUN\t_\t_\t0\troot\t_\t_

"""


def written(tmp_path, text):
    path = tmp_path / "pt_x.conllu"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_malformed_sentence_is_named_by_its_line_and_the_rest_is_read(tmp_path):
    broken = "# sent_id = two\n1\tum\tnot ten columns\n\n"
    outside = "# sent_id = three\n1\tum\t_\tDET\t_\t_\t7\tdet\t_\t_\n\n"
    bank = read_treebank(written(tmp_path, GOOD + broken + outside + GOOD.replace("one", "four")))
    assert [s.id for s in bank.sentences] == ["one", "four"]
    assert [line.split(": ")[0] for line in bank.skipped] == ["pt_x.conllu:5", "pt_x.conllu:8"]


def test_subtypes_of_relations_and_ranges_of_words_are_taken_off(tmp_path):
    rows = [
        "1-2 do _ _ _ _ _ _ _ _",
        "1 de _ ADP _ _ 3 case _ _",
        "2 o _ DET _ _ 3 det:art _ _",
        "3 rio _ NOUN _ _ 0 root _ _",
    ]
    text = "\n".join(row.replace(" ", "\t") for row in rows) + "\n\n"
    (sentence,) = read_treebank(written(tmp_path, text)).sentences
    assert [(n.form, n.relation) for n in sentence.nodes] == [("de", "case"), ("o", "det"), ("rio", "root")]


@pytest.mark.parametrize("text", ["", "nothing of the kind\n"])
def test_a_file_without_sentences_is_an_error(tmp_path, text):
    with pytest.raises(CorpusError, match="no sentence could be read"):
        read_treebank(written(tmp_path, text))


def test_a_missing_file_and_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CorpusError, match="cannot read the treebank"):
        read_treebank(tmp_path / "nothing.conllu")
    with pytest.raises(CorpusError, match="no such folder of texts"):
        TextSources(tmp_path / "nothing")


@pytest.mark.parametrize("language", ["pt", "es", "en"])
def test_the_built_in_treebank_is_sound_and_parallel(language):
    bank = treebank_of(Variant(language), TextSources())
    assert len(bank.sentences) >= 24
    assert not bank.skipped
    assert [s.id for s in bank.sentences] == [s.id for s in treebank_of(Variant("pt-br"), TextSources()).sentences]
    for sentence in bank.sentences:
        for position in range(1, len(sentence.nodes) + 1):  # every word reaches the root
            seen, at = set(), position
            while at:
                assert at not in seen, sentence.text
                seen.add(at)
                at = sentence.nodes[at - 1].head


def test_a_language_without_a_treebank_has_none():
    assert treebank_of(Variant("fi"), TextSources()) is None
