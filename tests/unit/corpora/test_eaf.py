"""ELAN files: what pympi writes, what ELAN writes, and what is broken."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from fieldwork import Reading, eaf, pitch_of, recording

from vizinho.audio.io import load_audio
from vizinho.corpora.readers.eaf import parse_eaf
from vizinho.errors import CorpusError

ANA = [(0.0, 1.0, "bom dia"), (1.0, 2.0, "tudo bem"), (3.0, 4.0, "até amanhã")]
BEN = [(2.0, 3.0, "sim senhora")]


def test_each_turn_is_cut_out_with_its_speaker_and_place(tmp_path):
    recording(tmp_path / "v.wav", channels=2)
    read = Reading("eaf", eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA), ("tx@ben", "Ben", BEN)], "v.wav"))
    assert read.said == [("Ana", "bom dia"), ("Ana", "tudo bem"), ("Ben", "sim senhora"), ("Ana", "até amanhã")]
    assert [u.place.start_seconds for u in read.utterances] == [0.0, 1.0, 2.0, 3.0]
    assert {u.place.recording for u in read.utterances} == {tmp_path / "v.wav"}
    assert (read.problems, read.notes) == ([], [])
    louder = [pitch_of(load_audio(u.audio)) for u in read.utterances]
    assert all(pitch % ((n + 1) * 100) < 3 for n, pitch in enumerate(louder))


def test_names_are_the_same_however_a_disk_writes_accents(tmp_path):
    recording(tmp_path / unicodedata.normalize("NFD", "Cèilidh.wav"))
    for name in ("cèilidh.wav", "C:/Users/Màiri/cèilidh.wav"):
        read = Reading("eaf", eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], name))
        assert (len(read.utterances), read.problems) == (3, [])


DEPENDENT = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT VERSION="3.0">
<HEADER><MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/rec/v.wav" RELATIVE_MEDIA_URL="./v.wav" TIME_ORIGIN="500"/></HEADER>
<TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2"/><TIME_SLOT TIME_SLOT_ID="ts3"/>
<TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="3000"/>
</TIME_ORDER>
<TIER TIER_ID="words" PARENT_REF="tx" LINGUISTIC_TYPE_REF="wd">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="w2" ANNOTATION_REF="x1" PREVIOUS_ANNOTATION="w1"><ANNOTATION_VALUE>dia</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="w1" ANNOTATION_REF="x1"><ANNOTATION_VALUE>bom</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
</TIER>
<TIER TIER_ID="tx" PARENT_REF="ref" PARTICIPANT="Ana" LINGUISTIC_TYPE_REF="tx">
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="x1" ANNOTATION_REF="r1"><ANNOTATION_VALUE>bom dia &amp; até já</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="x2" ANNOTATION_REF="r2"><ANNOTATION_VALUE>
 tudo
 bem
</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="x3" ANNOTATION_REF="gone"><ANNOTATION_VALUE>sem lugar</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>
</TIER>
<TIER TIER_ID="ref" LINGUISTIC_TYPE_REF="ref">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="r1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>001</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="r2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3"><ANNOTATION_VALUE>002</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="r3" TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4"><ANNOTATION_VALUE>003</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
</TIER>
</ANNOTATION_DOCUMENT>
"""  # noqa: E501


def test_dependent_tiers_have_their_parents_times_and_slots_without_one_share_what_is_between(tmp_path):
    recording(tmp_path / "v.wav")
    (tmp_path / "v.eaf").write_text(DEPENDENT, "utf-8")
    read = Reading("eaf", tmp_path / "v.eaf")
    assert read.said == [("Ana", "bom dia & até já"), ("Ana", "tudo bem")]
    # ELAN plays the recording from 0.5 s on (TIME_ORIGIN).
    assert [(u.place.start_seconds, u.duration_seconds) for u in read.utterances] == [(0.5, 1.0), (1.5, 1.0)]
    assert read.faults == [f"{tmp_path}/v.eaf:18: annotation x3 of tier 'tx' has no times -> align it in ELAN"]
    words = Reading("eaf", tmp_path / "v.eaf", tiers=("words",))
    assert words.texts == ["bom dia"]


def test_of_a_truncated_file_what_comes_before_is_read(tmp_path):
    recording(tmp_path / "v.wav")
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], "v.wav")
    text = path.read_text("utf-8")
    path.write_text(text[: text.index("até amanhã") + 4], "utf-8")
    read = Reading("eaf", path)
    assert read.texts == ["bom dia", "tudo bem"]
    line = text[: text.index("até amanhã")].count("\n") + 1
    assert len(read.faults) == 1
    assert f"v.eaf:{line}: broken XML" in read.faults[0]


@pytest.mark.parametrize("cut", ["<LINGUISTIC_TYPE", "</TIER>", "</ANNOTATION_DOCUMENT>"])
def test_of_a_file_cut_off_between_elements_all_are_read(tmp_path, cut):
    recording(tmp_path / "v.wav")
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], "v.wav")
    text = path.read_text("utf-8")
    path.write_text(text[: text.index(cut) + 3], "utf-8")
    read = Reading("eaf", path)
    assert read.texts == ["bom dia", "tudo bem", "até amanhã"]
    assert ["broken XML" in fault for fault in read.faults] == [True]


def test_tiers_without_a_text_are_said_to_have_none(tmp_path):
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", []), ("tx@ben", "Ben", [])], "v.wav")
    with pytest.raises(CorpusError, match="nothing is transcribed: no text in tx@ana, tx@ben"):
        Reading("eaf", path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('TIME_VALUE="2000"', 'TIME_VALUE="2x"', r"v\.eaf:\d+: '2x' is no time"),
        ('TIME_SLOT_REF2="ts5"', 'TIME_SLOT_REF2="ts99"', r"v\.eaf:\d+: annotation a3 .* has no times"),
        (
            'TIME_VALUE="2000"',
            'TIME_VALUE="99000"',
            r"v\.eaf:\d+ \(1\.00 s\): segment 1 to 99 s does not lie in the 10",
        ),
        ('TIME_VALUE="2000"', 'TIME_VALUE="500"', r"v\.eaf:\d+ \(1\.00 s\): ends at 0\.50 s, which cannot be"),
    ],
)
def test_a_bad_annotation_is_named_and_the_others_are_read(tmp_path, old, new, message):
    recording(tmp_path / "v.wav")
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], "v.wav")
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    read = Reading("eaf", path)
    assert read.texts == ["bom dia", "até amanhã"]
    import re

    assert any(re.search(message, fault) for fault in read.faults), read.faults


def test_entities_that_might_unfold_to_gigabytes_are_refused(tmp_path):
    bomb = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><ANNOTATION_DOCUMENT>&b;</ANNOTATION_DOCUMENT>'
    (tmp_path / "v.eaf").write_text(bomb)
    with pytest.raises(CorpusError, match="defines the entity 'b'"):
        parse_eaf(tmp_path / "v.eaf", "", lambda _: None)


def test_a_file_that_is_no_elan_file_is_named_and_the_others_are_read(tmp_path):
    recording(tmp_path / "v.wav")
    eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], "v.wav")
    (tmp_path / "w.eaf").write_text("not XML", "utf-8")
    (tmp_path / "x.eaf").write_text("<html></html>", "utf-8")
    read = Reading("eaf", tmp_path)
    assert len(read.utterances) == 3
    assert [fault.partition(": ")[0].rpartition("/")[2] for fault in read.faults] == ["w.eaf:1", "w.eaf", "x.eaf"]


def test_recordings_that_moved_are_looked_for(tmp_path):
    eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], "/media/usb/Visit 1.WAV")
    read = Reading("eaf", tmp_path / "v.eaf")
    assert read.faults == [
        f"{tmp_path}/v.eaf:4: no recording Visit 1.WAV, for 3 turns -> "
        "put it beside the file, or name its folder: --media"
    ]
    recording(tmp_path / "sound" / "deep" / "visit 1.flac")
    read = Reading("eaf", tmp_path / "v.eaf", media=(tmp_path / "sound",))
    assert len(read.utterances) == 3
    (note,) = read.noted("recording elsewhere")
    assert note.endswith("deep/visit 1.flac")
    recording(tmp_path / "sound" / "other" / "visit 1.flac")
    assert (
        "2 recordings are called Visit 1" in Reading("eaf", tmp_path / "v.eaf", media=(tmp_path / "sound",)).faults[0]
    )


def test_a_second_transcript_of_a_recording_is_noted(tmp_path):
    recording(tmp_path / "v.wav")
    for name in ("v", "v (1)"):
        eaf(tmp_path / f"{name}.eaf", [("tx@ana", "Ana", ANA)], "v.wav")
    read = Reading("eaf", tmp_path)
    assert len(read.utterances) == 6
    (note,) = read.noted("another transcript")
    assert "v.wav has the transcript" in note and "v (1).eaf" in note


def test_folders_named_after_a_split_are_that_split(tmp_path):
    for place in ("a/v1", "test/v2", "b/dev/v3"):
        recording(tmp_path / f"{place}.wav")
        eaf(tmp_path / f"{place}.eaf", [("tx@ana", "Ana", ANA[:1])], f"{Path(place).name}.wav")
    assert sorted((u.id, u.split) for u in Reading("eaf", tmp_path).utterances) == [
        ("a-v1-00000000", "train"),
        ("b-dev-v3-00000000", "dev"),
        ("test-v2-00000000", "test"),
    ]
    assert [u.split for u in Reading("eaf", tmp_path, split="dev").utterances] == ["dev"]
    assert [u.split for u in Reading("eaf", tmp_path / "a", split="dev").utterances] == ["dev"]
    assert [u.split for u in Reading("eaf", tmp_path / "test", split="train").utterances] == ["train"]


def test_hidden_files_that_disks_leave_are_no_transcripts(tmp_path):
    recording(tmp_path / "v.wav")
    eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], "gone/v.wav")
    (tmp_path / "._v.eaf").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "._v.wav").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / ".trash").mkdir()
    (tmp_path / ".trash" / "v.wav").write_bytes(b"RIFF")
    read = Reading("eaf", tmp_path)
    assert (len(read.utterances), read.faults) == (3, [])


def test_a_single_file_does_not_search_what_lies_around_it(tmp_path):
    recording(tmp_path / "deep" / "v.wav")
    path = eaf(tmp_path / "v.eaf", [("tx@ana", "Ana", ANA)], "gone/v.wav")
    assert "no recording v.wav" in Reading("eaf", path).faults[0]
    assert len(Reading("eaf", tmp_path).utterances) == 3


def test_a_tier_that_is_something_else_is_read_on_request_only(tmp_path):
    recording(tmp_path / "v.wav")
    path = eaf(tmp_path / "v.eaf", [("translation", "", ANA)], "v.wav")
    with pytest.raises(CorpusError, match="no tier with a transcription among: translation -> give --tier"):
        Reading("eaf", path)
    assert len(Reading("eaf", path, tiers=("translation",)).utterances) == 3
