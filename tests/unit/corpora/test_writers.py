"""What is written for ELAN, Praat, Audacity and Label Studio: other libraries read it, and so do our readers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fieldwork import Reading, recording
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.readers import READERS
from vizinho.corpora.writers import WRITERS

TIERS = (
    Tier(
        "speech", (Span(0.5, 2.0, "bom dia", confidence=0.934), Span(3.0, 4.25, 'disse "não" & <sim>', confidence=0.5))
    ),
    Tier("words", (Span(0.5, 1.0, "bom", confidence=0.9), Span(1.0, 2.0, "dia", confidence=0.97)), parent="speech"),
)


def written(folder, kind, tiers=TIERS, seconds=10.0):
    suffix, write = WRITERS[kind]
    path = folder / f"v{suffix}"
    path.write_text(write(Document(path, tiers, (Media(str(folder / "v.wav")),), duration_seconds=seconds)), "utf-8")
    return path


def test_pympi_reads_tiers_and_confidences(tmp_path):
    import pympi

    document = pympi.Eaf(written(tmp_path, "eaf"))
    assert document.media_descriptors[0]["RELATIVE_MEDIA_URL"] == "./v.wav"
    assert document.media_descriptors[0]["MEDIA_URL"] == (tmp_path / "v.wav").as_uri()
    assert sorted(document.get_tier_names()) == ["confidence@speech", "confidence@words", "speech", "words"]
    assert [a[:3] for a in document.get_annotation_data_for_tier("speech")] == [
        (500, 2000, "bom dia"),
        (3000, 4250, 'disse "não" & <sim>'),
    ]
    assert [a[:3] for a in document.get_ref_annotation_data_for_tier("confidence@words")] == [
        (500, 1000, "0.90"),
        (1000, 2000, "0.97"),
    ]
    assert document.get_parameters_for_tier("confidence@words")["PARENT_REF"] == "words"


def test_praat_reads_tiers_and_confidences(tmp_path):
    parselmouth = pytest.importorskip("parselmouth")
    call = parselmouth.praat.call
    grid = parselmouth.read(str(written(tmp_path, "textgrid")))
    names = [call(grid, "Get tier name", n) for n in range(1, call(grid, "Get number of tiers") + 1)]
    assert names == ["speech", "confidence of speech", "words", "confidence of words"]
    assert call(grid, "Get end time") == 10.0
    assert [call(grid, "Get label of interval", 1, n) for n in range(1, 6)] == [
        "",
        "bom dia",
        "",
        'disse "não" & <sim>',
        "",
    ]
    assert [call(grid, "Get label of interval", 2, n) for n in (2, 4)] == ["0.93", "0.50"]
    assert (call(grid, "Get start time of interval", 1, 4), call(grid, "Get end time of interval", 1, 4)) == (3.0, 4.25)


def test_label_studio_gets_predictions_to_correct(tmp_path):
    (task,) = json.loads(written(tmp_path, "label-studio").read_text("utf-8"))
    assert task["data"] == {"audio": "v.wav"}
    (prediction,) = task["predictions"]
    assert prediction["score"] == pytest.approx(0.717)
    labels, text = prediction["result"][:2]
    assert labels["id"] == text["id"]
    assert text["value"] == {"start": 0.5, "end": 2.0, "channel": 0, "text": ["bom dia"]}
    assert (text["type"], text["from_name"], text["score"], text["original_length"]) == (
        "textarea",
        "transcription",
        0.934,
        10,
    )
    tiers = (Tier("speech", (Span(0, 1, "bom dia"),), "Ana"),)
    (task,) = json.loads(written(tmp_path, "label-studio", tiers).read_text("utf-8"))
    assert task["annotations"][0]["result"][0]["value"]["labels"] == ["Ana"]


def test_audacity_gets_speakers_and_confidences_in_the_text(tmp_path):
    tiers = (*TIERS, Tier("b", (Span(0.6, 0.9, "a\tb\nc"),), "Ben"))
    assert written(tmp_path, "audacity", tiers).read_text("utf-8") == (
        "0.500000\t2.000000\tbom dia [0.93]\n"
        "0.600000\t0.900000\tBen: a b c\n"
        '3.000000\t4.250000\tdisse "não" & <sim> [0.50]\n'
    )


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_what_a_recogniser_wrote_comes_back(tmp_path, kind):
    recording(tmp_path / "v.wav")
    tiers = (
        Tier("speech", (Span(0.5, 2.0, "bom dia", confidence=0.9), Span(3.0, 4.25, "até já", confidence=0.5))),
        TIERS[1],
    )
    read = Reading(kind, written(tmp_path, kind, tiers))
    assert [(u.text, u.place.start_seconds, u.duration_seconds) for u in read.utterances] == [
        ("bom dia", 0.5, 1.5),
        ("até já", 3.0, 1.25),
    ]
    assert (read.problems, read.noted("recording elsewhere")) == ([], [])


WORDS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=30)


@st.composite
def tiers(draw):
    """Tiers with spans in whole milliseconds, which may overlap."""
    made = []
    for name, speaker in draw(st.sampled_from([[("speech", "")], [("a@Ana", "Ana"), ("b@Ben", "Ben")]])):
        starts = draw(st.lists(st.integers(0, 8000), max_size=6))
        lengths = draw(st.lists(st.integers(1, 2000), min_size=len(starts), max_size=len(starts)))
        texts = draw(st.lists(WORDS, min_size=len(starts), max_size=len(starts)))
        sure = draw(st.sampled_from([None, 0.25]))
        spans = [
            Span(s / 1000, (s + n) / 1000, t, confidence=sure) for s, n, t in zip(starts, lengths, texts, strict=True)
        ]
        made.append(Tier(name, tuple(spans), speaker))
    return tuple(made)


@settings(deadline=None, max_examples=150)
@given(tiers=tiers(), kind=st.sampled_from(["eaf", "textgrid"]))
def test_every_document_comes_back_whole(tmp_path_factory, tiers, kind):
    folder = Path(tmp_path_factory.getbasetemp()) / "documents"
    folder.mkdir(exist_ok=True)
    path = written(folder, kind, tiers)
    read = READERS[kind].parse(path, "", lambda problem: pytest.fail(str(problem)))
    spans = [s for t in read.tiers if "confidence" not in t.name for s in t.spans if s.text]
    from vizinho.corpora.writers.spans import printable

    expected = [(s.start_seconds, s.end_seconds, printable(s.text)) for t in tiers for s in t.spans]
    assert sorted((s.start_seconds, s.end_seconds, s.text) for s in spans) == sorted(e for e in expected if e[2])
    sure = [float(s.text) for t in read.tiers if "confidence" in t.name for s in t.spans if s.text]
    assert len(sure) == sum(s.confidence is not None for t in tiers for s in t.spans)
    assert np.allclose(sure, 0.25)
