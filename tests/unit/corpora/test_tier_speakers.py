"""Speakers by the names of tiers, where a format names no participants."""

from __future__ import annotations

from pathlib import Path

import pytest
from fieldwork import Reading, recording

from vizinho.corpora.documents import Document, Span, Tier
from vizinho.corpora.export import export_corpus
from vizinho.corpora.tier_speakers import speakers_by_name
from vizinho.corpora.tiers import choose_tiers
from vizinho.records import Place, Utterance


def speakers(*documents, patterns=("*",)):
    """By documents of tier names, all of them read."""
    read = [
        Document(Path(f"{n}.TextGrid"), tuple(Tier(name, (Span(0, 1, "bom dia"),)) for name in names))
        for n, names in enumerate(documents)
    ]
    return speakers_by_name(read, choose_tiers(read, patterns, "pt"), "pt")


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([["tx-ana", "tx-ben"]], {"tx-ana": "ana", "tx-ben": "ben"}),
        ([["utterances ana"], ["utterances ben"]], {"utterances ana": "ana", "utterances ben": "ben"}),
        ([["Ana - Transcription", "ana_maria_tx"]], {"Ana - Transcription": "Ana", "ana_maria_tx": "ana_maria"}),
        ([["A_phrase-txt-pt", "B_phrase-txt-pt"]], {"A_phrase-txt-pt": "A", "B_phrase-txt-pt": "B"}),
        ([["Ana"], ["Ben"]], {"Ana": "Ana", "Ben": "Ben"}),
        ([["Texto (Uxía)"]], {"Texto (Uxía)": "Uxía"}),
        ([["tx@ana"]], {"tx@ana": "ana"}),
        ([["tx@a@b.org"]], {"tx@a@b.org": "a@b.org"}),
        ([["Transcription:speaker0", "Transcription:speaker1"]],
         {"Transcription:speaker0": "speaker0", "Transcription:speaker1": "speaker1"}),
        ([["tx1", "tx2"]], {"tx1": "tx1", "tx2": "tx2"}),
        ([["tx"], ["Mary"], ["Tier 1"], ["orthographic transcription"]], {}),
        ([["tx-draft"]], {}),
    ],
)  # fmt: skip
def test_names_of_tiers_tell_speakers(documents, expected):
    assert speakers(*documents) == expected


@pytest.mark.parametrize("tier", ["tx", "tx@ana", "ana", "ana tx", "tx@maria", "speech", "speech-2"])
def test_a_single_speaker_comes_back_from_a_textgrid(tmp_path, tier):
    path = recording(tmp_path / "v.wav", 3)
    # The last two overlap, so that they stand in two tiers.
    places = [Place(path, n / 2, tier) for n in (0, 3, 4)]
    rows = [Utterance(f"u{n}", path, "bom dia", "pt", "ana", 1.0, "train", place=p) for n, p in enumerate(places)]
    export_corpus(rows, tmp_path / "out", "textgrid")
    read = Reading("textgrid", tmp_path / "out", media=(tmp_path,))
    assert read.said == [("ana", "bom dia")] * 3 and read.faults == []


def test_one_speaker_whose_name_is_in_anothers_tier_has_a_tier_of_their_own(tmp_path):
    path = recording(tmp_path / "v.wav", 3)
    rows = [
        Utterance(who, path, "bom dia", "pt", who, 1.0, "train", place=Place(path, n, "tx@anabela"))
        for n, who in enumerate(("anabela", "ana"))
    ]
    export_corpus(rows, tmp_path / "out", "eaf")
    assert Reading("eaf", tmp_path / "out", media=(tmp_path,)).said == [("anabela", "bom dia"), ("ana", "bom dia")]
