"""Transcripts with marks and capitals."""

from dataclasses import replace

import pytest
from taggers import tagger

from vizinho.recognition.punctuated import punctuated, punctuated_transcript
from vizinho.records import Alternative, Segment, Transcript, Word
from vizinho.server.protocols.phrases import phrases

SPOKEN = tuple(Word(text, float(i), i + 0.9, 0.5) for i, text in enumerate(["onde", "está", "ana", "hoje", "rui"]))


def test_words_keep_their_times_and_segments_their_words():
    segments = tuple(
        Segment(part[0].start_seconds, part[-1].end_seconds, " ".join(w.text for w in part), 0.5, part)
        for part in (SPOKEN[:3], SPOKEN[3:])
    )
    spoken = Transcript(
        "a", "onde está ana hoje rui", SPOKEN, 0.5, 6.0, segments, (Alternative("onde", -1.0, 0.0, SPOKEN[:1]),)
    )
    made = punctuated_transcript(spoken, tagger())
    assert made.text == "Onde está Ana? Hoje, Rui."
    assert [s.text for s in made.segments] == ["Onde está Ana?", "Hoje, Rui."]
    assert [(w.start_seconds, w.end_seconds) for w in made.words] == [(w.start_seconds, w.end_seconds) for w in SPOKEN]
    assert made.n_best[0].text[-1] in ".?"


@pytest.mark.parametrize("written", [("onde", "está,", "ana?"), ("Onde", "está", "ana")])
def test_words_of_a_recogniser_that_writes_marks_or_capitals_stay(written):
    words = tuple(replace(word, text=text) for word, text in zip(SPOKEN, written, strict=False))
    assert punctuated(words, tagger()) == words


def test_nothing_stays_nothing():
    assert punctuated_transcript(Transcript("a", "", (), 0.0, 1.0), tagger()).text == ""


def test_phrases_of_the_server_are_written_by_the_tagger():
    marked = punctuated(SPOKEN, tagger())
    assert [p.text for p in phrases(SPOKEN, punctuate=True, marked=marked)] == ["Onde está Ana? Hoje, Rui."]
    assert [p.text for p in phrases(SPOKEN, punctuate=False, marked=marked)] == ["onde está ana hoje rui"]
