"""Audacity, Label Studio, CHAT, Transcriber: what is special in each, and what is broken."""

from __future__ import annotations

import json

import pytest
from fieldwork import Reading, pitch_of, recording

from vizinho.audio.io import load_audio
from vizinho.corpora.readers import detect


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def test_audacity_labels_whose_tabs_became_spaces(tmp_path):
    recording(tmp_path / "v.wav")
    path = write(tmp_path / "v.txt", "0.5 1.5  3 casas\n2.0\t3.0\t4 5\n4 5 6\n")
    assert detect(path) == "audacity"
    read = Reading("audacity", path)
    assert read.texts == ["3 casas", "4 5"]
    (fault,) = read.faults
    assert "v.txt:3: not start, end and text between tabs: '4 5 6'" in fault


def test_audacity_names_bad_lines_and_reads_confidences_as_such(tmp_path):
    recording(tmp_path / "v.wav")
    labels = "0.5\t1,5\tbom dia [0.93]\n\\\t100\t200\n2.0\t2.0\tponto\nxx\n3.0\t4.0\n5.0\t4.0\ttrás\n8.0\t99.0\tfim\n"
    read = Reading("audacity", write(tmp_path / "v.txt", labels))
    assert [(u.text, u.duration_seconds) for u in read.utterances] == [("bom dia", 1.0)]
    assert [fault.removeprefix(f"{tmp_path}/v.txt")[:30] for fault in read.faults] == [
        ":4: not start, end and text be",
        ":3 (2.00 s): ends at 2.00 s, w",
        ":6 (5.00 s): ends at 4.00 s, w",
        ":7 (8.00 s): segment 8 to 99 s",
    ]
    assert read.noted("empty") == ["no text in tier labels"]


def test_text_files_beside_labels_are_named(tmp_path):
    recording(tmp_path / "v.wav")
    write(tmp_path / "v.txt", "0.5\t1.5\tbom dia\n")
    write(tmp_path / "LEIAME.txt", "Sobre estas gravações\n")
    assert detect(tmp_path) == "audacity"
    read = Reading("audacity", tmp_path)
    assert (read.texts, len(read.noted("another file"))) == (["bom dia"], 1)


def region(number, start, end, text=None, labels=None, channel=0, score=None):
    place = {"start": start, "end": end, "channel": channel}
    item = {"id": f"r{number}", "to_name": "audio", "original_length": 10.0}
    parts = [item | {"from_name": "labels", "type": "labels", "value": place | {"labels": labels}}] if labels else []
    if text is not None:
        parts.append(item | {"from_name": "transcription", "type": "textarea", "value": place | {"text": [text]}})
    return [part | ({"score": score} if score else {}) for part in parts]


def tasks(path, *done, audio="v.wav", **more):
    return write(path, json.dumps([{"id": 3, "data": {"note": "x", "audio": audio}, "annotations": done} | more]))


def test_label_studio_reads_speakers_and_channels(tmp_path):
    recording(tmp_path / "v.wav", channels=2)
    result = (
        region(1, 1, 2, "bom dia", ["Ana"])
        + region(2, 3, 4, "olá", ["Ben"], channel=1)
        + region(3, 5, 6, None, ["Noise"])
    )
    old = {"result": region(1, 1, 2, "velho")}
    cancelled = {"result": region(1, 1, 2, "nada"), "was_cancelled": True}
    read = Reading("label-studio", tasks(tmp_path / "x.json", old, {"result": result}, cancelled))
    assert read.said == [("Ana", "bom dia"), ("Ben", "olá")]
    assert [u.id for u in read.utterances] == ["x-task-3-00001000", "x-task-3-00003000"]
    assert [pitch_of(load_audio(u.audio)) for u in read.utterances] == [200, 800]


def test_label_studio_takes_predictions_and_whole_recordings(tmp_path):
    recording(tmp_path / "v.wav")
    guess = [{"score": 0.7, "result": region(1, 0, 2, "bom dia", ["Speech"], score=0.7)}]
    read = Reading("label-studio", tasks(tmp_path / "x.json", predictions=guess, audio="/data/local-files/?d=a/v.wav"))
    assert read.said == [("", "bom dia")]
    whole = [{"id": "r", "from_name": "t", "to_name": "a", "type": "textarea", "value": {"text": ["um", "dois"]}}]
    read = Reading("label-studio", tasks(tmp_path / "x.json", {"result": whole}))
    assert [(u.text, u.duration_seconds) for u in read.utterances] == [("um dois", 10.0)]


def test_label_studios_short_export(tmp_path):
    recording(tmp_path / "v.wav")
    regions = [{"start": 1, "end": 2, "channel": 0, "labels": ["Ana"]}, {"start": 3, "end": 4, "labels": ["Ben"]}]
    task = {"id": 4, "audio": "/data/upload/1/01234567-v.wav", "label": regions, "transcription": ["bom dia", "olá"]}
    whole = {"id": 5, "audio": "v.wav", "transcription": "bom dia a todos"}
    read = Reading("label-studio", write(tmp_path / "x.json", json.dumps([task, whole])))
    assert read.said == [("Ana", "bom dia"), ("Ben", "olá"), ("", "bom dia a todos")]


def test_label_studio_names_bad_tasks_and_reads_the_others(tmp_path):
    recording(tmp_path / "v.wav")
    good = {"id": 1, "data": {"audio": "v.wav"}, "annotations": [{"result": region(1, 0, 1, "bom dia")}]}
    bad = [7, {"id": 2}, {"data": {"audio": 3}}, {"data": {"audio": "v.wav"}, "annotations": [{"result": [{"id": 1}]}]}]
    broken = {"id": 6, "data": {"audio": "v.wav"}, "annotations": [{"result": region(1, "x", 1, "mau")}]}
    read = Reading("label-studio", write(tmp_path / "x.json", json.dumps([good, *bad, broken])))
    assert read.texts == ["bom dia"]
    assert [fault.split(": ")[1] for fault in read.faults] == [f"task {n}" for n in range(2, 7)]
    (fault,) = Reading("label-studio", write(tmp_path / "x.json", '{"id": 1}')).faults
    assert "x.json" in fault


CHA = """@UTF8
@Begin
@Participants:\tCHI Rui Target_Child, MOT Mother
@Media:\tv, audio
*MOT:\t<bom dia> [/] bom dia &-uh (es)tás bem [= fine] ? \x150_1500\x15
%mor:\tx
*CHI:\t0 [=! laughs] . \x151500_2000\x15
*CHI:\tquero xxx +... \x152000_3000\x15
*MOT:\tnão sei .
*CHI:\tvou , já
\tagora . \x154000_5000\x15
*MOT:\tum [ dois . \x155000_6000\x15
*MOT:\tfim . \x158000_99000\x15
@End
"""


def test_chat_is_read_as_it_sounds(tmp_path):
    pytest.importorskip("pylangacq")
    recording(tmp_path / "v.wav")
    read = Reading("chat", write(tmp_path / "v.cha", CHA))
    assert read.said == [("MOT", "bom dia bom dia uh estás bem?"), ("Rui", "vou, já agora.")]
    assert read.noted("events only") == ["[laughs] ."]
    assert read.noted("unclear") == ["quero xxx"]
    assert [fault.removeprefix(f"{tmp_path}/v.cha")[:28] for fault in read.faults] == [
        ":12: a bracket without its p",
        ":9: no times: 'não sei .' ->",
        ":13 (8.00 s): segment 8 to 9",
    ]


def test_chat_that_was_never_linked_is_one_problem(tmp_path):
    pytest.importorskip("pylangacq")
    recording(tmp_path / "v.wav")
    linked = "@Participants:\tCHI Rui Target_Child\n*CHI:\tsim . \x150_900\x15\n"
    write(tmp_path / "v.cha", linked)
    write(tmp_path / "w.cha", "@Participants:\tCHI Rui Target_Child\n*CHI:\tsim .\n*CHI:\tnão .\n")
    read = Reading("chat", tmp_path)
    assert read.texts == ["sim."]
    assert [fault.partition(" -> ")[0] for fault in read.faults] == [f"{tmp_path}/w.cha: none of its 2 lines has times"]


@pytest.mark.parametrize("kind", ["chat", "eaf", "textgrid"])
def test_what_another_library_writes_is_read(tmp_path, kind):
    srt = pytest.importorskip("rustling.srt")
    recording(tmp_path / "v.wav")
    cues = "1\n00:00:00,500 --> 00:00:01,500\nbom dia\n\n2\n00:00:02,000 --> 00:00:03,250\naté já\n"
    subtitles = srt.SRT.from_strs([cues])
    suffix, convert = {
        "chat": ("cha", subtitles.to_chat_strs),
        "eaf": ("eaf", subtitles.to_elan_strs),
        "textgrid": ("TextGrid", subtitles.to_textgrid_strs),
    }[kind]
    read = Reading(kind, write(tmp_path / f"v.{suffix}", convert()[0]))
    assert [(u.text, u.place.start_seconds, u.duration_seconds) for u in read.utterances] == [
        ("bom dia", 0.5, 1.0),
        ("até já", 2.0, 1.25),
    ]
    assert read.problems == []


TRS = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE Trans SYSTEM "trans-14.dtd">
<Trans scribe="x" audio_filename="v">
<Speakers><Speaker id="spk1" name="Ana"/><Speaker id="spk2" name="João"/></Speakers>
<Episode><Section type="report" startTime="0" endTime="9">
<Turn speaker="spk1" startTime="0" endTime="4"><Sync time="0"/>
bom dia <Event desc="riso" type="noise" extent="instantaneous"/> a todos
<Sync time="2"/>
até <Comment desc="baixo"/> já
</Turn>
<Turn speaker="spk1 spk2" startTime="4" endTime="5"><Sync time="4"/><Who nb="1"/>sim<Who nb="2"/>não</Turn>
<Turn startTime="5" endTime="6"><Sync time="5"/></Turn>
<Turn speaker="spk2" startTime="6" endTime="oito"><Sync time="6"/>mau</Turn>
<Turn speaker="spk2" startTime="8" endTime="9"><Sync time="8"/>olá</Turn>
</Section></Episode></Trans>
"""


def test_transcriber_has_turns_cut_at_its_points(tmp_path):
    recording(tmp_path / "v.wav")
    read = Reading("transcriber", write(tmp_path / "v.trs", TRS, "latin-1"))
    assert read.said == [("Ana", "bom dia a todos"), ("Ana", "até já"), ("João", "olá")]
    assert [(u.place.start_seconds, u.duration_seconds) for u in read.utterances] == [(0, 2), (2, 2), (8, 1)]
    assert read.noted("event") == ["[riso]", "[baixo]"]
    assert read.noted("several speakers") == ["sim não"]
    assert len(read.noted("empty")) == 1
    assert len(read.faults) == 1
    assert "v.trs:13: a time that is no number" in read.faults[0]
