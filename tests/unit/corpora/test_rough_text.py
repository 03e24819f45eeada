"""A rough text becomes utterances: lines, sentences, turns, events; nothing of it is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.corpora.rough_text import divided, read_rough_text
from vizinho.errors import CorpusError


def read(tmp_path, text, lang="pt"):
    path = tmp_path / "text.txt"
    path.write_text(text, encoding="utf-8")
    return read_rough_text(path, lang)


def test_lines_and_sentences_end_utterances(tmp_path):
    utterances = read(tmp_path, "O Sr. Silva foi a Lisboa. E voltou!\n\nUm verso\noutro verso\n")
    assert [(u.text, u.line) for u in utterances] == [
        ("O Sr. Silva foi a Lisboa.", 1), ("E voltou!", 1), ("Um verso", 3), ("outro verso", 4),
    ]  # fmt: skip


def test_turns_begin_with_names_that_repeat(tmp_path):
    utterances = read(tmp_path, "ANA: Bom dia. Tudo bem?\nRUI: Tudo.\nE consigo?\nANA: Também: ótimo.\nRUI: Pois.\n")
    assert [(u.speaker, u.text) for u in utterances] == [
        ("ANA", "Bom dia."), ("ANA", "Tudo bem?"), ("RUI", "Tudo."), ("RUI", "E consigo?"), ("ANA", "Também: ótimo."),
        ("RUI", "Pois."),
    ]  # fmt: skip


def test_events_leave_the_text_and_unclear_words_are_marked(tmp_path):
    first, second = read(tmp_path, "Olá [riso] a todos.\n[música]\nEle disse xxx ontem.\n")
    assert (first.text, first.events, first.unclear) == ("Olá a todos.", "[riso]", False)
    assert second.unclear


@pytest.mark.parametrize("text", ["", "\n \n", "[música]\n...\n"])
def test_a_text_without_words_is_refused(tmp_path, text):
    with pytest.raises(CorpusError, match=r"text.txt: the text has no words"):
        read(tmp_path, text)


SRT = "1\n00:00:01,000 --> 00:00:02,500\nBom dia\n"
XML = '<?xml version="1.0"?>\n<ANNOTATION_DOCUMENT/>'


@pytest.mark.parametrize(
    "content",
    [SRT, "WEBVTT\n\n00:01.000 --> 00:02.500\nBom dia", XML, "PK\x03\x04\x14\x00", "{\\rtf1 Bom dia}", "%PDF-1.7",
     'File type = "ooTextFile"\nObject class = "TextGrid"', '{"id": "a", "text": "Bom dia"}\n', '[\n  {"data": {}}]'],
    ids=["srt", "vtt", "xml", "docx", "rtf", "pdf", "textgrid", "manifest", "label-studio"],
)  # fmt: skip
def test_transcripts_and_documents_of_other_programs_are_no_text(tmp_path, content):
    with pytest.raises(CorpusError, match=r"text\.txt: not plain text .*corpus convert"):
        read(tmp_path, content)


@given(st.lists(st.text("abcá,; ", min_size=1, max_size=40), max_size=30), st.integers(5, 60))
def test_dividing_loses_nothing_and_keeps_within_the_limit(parts, longest):
    sentence = " ".join(" ".join(parts).split())
    pieces = divided(sentence, longest)
    assert "".join("".join(pieces).split()) == "".join(sentence.split())
    assert all(len(piece) <= longest or " " not in piece for piece in pieces if piece)
