"""Marks before digits, in files and in the server alike."""

import pytest

from vizinho.recognition.written import written_transcript, written_words
from vizinho.records import Transcript, Word
from vizinho.server.protocols.deepgram import ListenQuery, ListenResult, response
from vizinho.server.served import ServedModel


class Commas:
    """A tagger of one rule: a comma after "um", capitals and full stops at the ends; it refuses digits."""

    def texts(self, words, pauses=None):
        assert not any(c.isdigit() for word in words for c in word), words
        marked = [f"{word}," if word == "um" else word for word in words]
        return [marked[0].capitalize(), *marked[1:-1], marked[-1] + "."] if len(marked) > 1 else marked


TEXT = "tenho vinte e um cinquenta e quatro livros"
WORDS = tuple(Word(text, float(i), i + 0.9, 0.5) for i, text in enumerate(TEXT.split()))
SPOKEN = Transcript("a", TEXT, WORDS, 0.5, 9.0)


def answered(tmp_path, **asked):
    model = ServedModel("pt", 1, tmp_path, "pt")
    result = ListenResult("id", b"", model, [SPOKEN], punctuation=Commas())
    return response(ListenQuery(**asked), result).results


def test_files_and_the_server_write_alike(tmp_path):
    text = written_transcript(SPOKEN, Commas(), "pt").text
    assert text == "Tenho 21, 54 livros."
    for asked in ({"punctuate": True, "numerals": True}, {"smart_format": True}):
        best = answered(tmp_path, **asked, utterances=True).channels[0].alternatives[0]
        assert best.transcript == text == " ".join(w.punctuated_word for w in best.words)
        assert [w.word for w in best.words] == ["tenho", "21", "54", "livros"]


def test_paragraphs_have_marks_where_words_have_none(tmp_path):
    best = answered(tmp_path, numerals=True, paragraphs=True).channels[0].alternatives[0]
    assert best.transcript == "tenho 21 54 livros" and best.words[0].punctuated_word is None
    assert best.paragraphs.transcript == "Tenho 21, 54 livros."


def test_what_a_request_rewrites_keeps_the_marks(tmp_path):
    asked = {"punctuate": True, "replace": ["livros:cadernos", "tenho:"], "redact": ["numbers"]}
    best = answered(tmp_path, **asked).channels[0].alternatives[0]
    assert best.transcript == "[NUMBERS_1] cadernos."
    assert [w.word for w in best.words] == ["[NUMBERS_1]", "cadernos"]


@pytest.mark.parametrize("punctuation", [None, Commas()], ids=["pauses", "tagger"])
def test_words_without_marks_are_those_that_were_recognised(punctuation):
    plain, marked = written_words(WORDS, punctuation)
    assert plain == WORDS
    assert [(w.start_seconds, w.end_seconds) for w in marked] == [(w.start_seconds, w.end_seconds) for w in WORDS]
