"""Damaged transcripts of every kind: errors are ours, whatever the bytes; nothing else escapes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fieldwork import Reading, eaf, recording
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vizinho.errors import VizinhoError

SPANS = [(0.0, 1.0, "bom dia [riso]"), (1.0, 2.0, "até (já)"), (2.5, 3.5, "não xxx")]
SRT = "1\n00:00:00,000 --> 00:00:01,000\n<b>bom</b> dia\n\n2\n00:00:01,500 --> 00:00:02,500\n- sim\n- não\n"
VTT = "WEBVTT\n\nNOTE x\n\n00:00.000 --> 00:01.000\n<v Ana>bom &amp; dia</v>\n\n00:01.500 --> 00:02.500\nsim\n"
GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 4\ntiers? <exists>\nsize = 1\nitem []:\n'
    '    item [1]:\n        class = "IntervalTier"\n        name = "frase"\n        xmin = 0\n        xmax = 4\n'
    "        intervals: size = 2\n        intervals [1]:\n            xmin = 0\n            xmax = 1\n"
    '            text = "bom ""dia"""\n        intervals [2]:\n            xmin = 1\n            xmax = 4\n'
    '            text = "sim"\n'
)
CHA = "@UTF8\n"
CHA += "@Participants:\tCHI Rui Target_Child\n@Media:\tv, audio\n*CHI:\tbom <dia> [/] dia . \x150_900\x15\n%com:\tx\n"
TRS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Trans audio_filename="v"><Speakers><Speaker id="s" name="Ana"/></Speakers>'
    '<Episode><Section><Turn speaker="s" startTime="0" endTime="3"><Sync time="0"/>bom<Event desc="x"/>'
    '<Sync time="1.5"/>dia</Turn></Section></Episode></Trans>'
)
REGION = {
    "id": "a",
    "from_name": "t",
    "to_name": "a",
    "type": "textarea",
    "value": {"start": 0, "end": 1, "text": ["sim"]},
}
TASKS = json.dumps([{"id": 1, "data": {"audio": "v.wav"}, "annotations": [{"result": [REGION]}]}])
TABLE = 'file_name,text,speaker_id\nv.wav,"bom, dia",1\nv.wav,sim,2\n'
SPS = "client_id\taudio_file\ttranscription\tsplit\ns\tv.wav\tbom [laugh] dia\ttrain\ns\tv.wav\tsim\ttest\n"
SOURCES = {
    "eaf": ("v.eaf", None),
    "textgrid": ("v.TextGrid", GRID),
    "srt": ("v.srt", SRT),
    "vtt": ("v.vtt", VTT),
    "audacity": ("v.txt", "0.0\t1.0\tbom dia [0.91]\n\\\t1\t2\n1.5\t2.5\tsim\n"),
    "label-studio": ("v.json", TASKS),
    "chat": ("v.cha", CHA),
    "transcriber": ("v.trs", TRS),
    "audiofolder": ("metadata.csv", TABLE),
    "piper": ("metadata.csv", "v|ana|bom dia\nv|ben|sim\n"),
    "common-voice-spontaneous": ("ss-corpus-pt.tsv", SPS),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    recording(folder / "v.wav", 4)
    recording(folder / "audios" / "v.wav", 4)
    return folder


def whole(kind: str, place: Path) -> bytes:
    text = SOURCES[kind][1]
    if text is None:
        text = eaf(place / "whole.eaf", [("tx@ana", "Ana", SPANS)], "v.wav").read_text("utf-8")
    return text.encode()


DAMAGE = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 40), st.one_of(st.binary(max_size=6), st.sampled_from(
        [b"-1", b"1e999", b"nan", b'"', b"<", b"&", b"\x00", b"\xff", b"\t", b"\n\n", b"9" * 400, b"null", b"[]", b"{}"]
    ))),
    min_size=1, max_size=4,
)  # fmt: skip


@pytest.mark.parametrize("kind", sorted(SOURCES))
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=DAMAGE)
@example(damage=[(0, 10_000, b"")])
def test_only_our_errors_escape(kind, place, damage):
    data = whole(kind, place)
    for position, length, insertion in damage:
        position %= len(data) + 1
        data = data[:position] + insertion + data[position + length :]
    path = place / SOURCES[kind][0]
    path.write_bytes(data)
    try:
        read = Reading(kind, path)
    except VizinhoError as error:
        assert "\n" not in str(error)
    else:
        assert all(u.audio.is_file() and u.duration_seconds > 0 for u in read.utterances)


@pytest.mark.parametrize("kind", ["eaf", "textgrid", "srt", "vtt", "audacity", "label-studio", "chat", "transcriber"])
@pytest.mark.parametrize("number", ["9" * 400, "-9" * 3, "nan", "1e400"], ids=["huge", "negative", "nan", "overflow"])
def test_times_that_no_recording_has_are_named(kind, number, place):
    text = whole(kind, place).decode()
    changed = {
        "eaf": ('TIME_VALUE="1000"', f'TIME_VALUE="{number}"'),
        "textgrid": ("xmin = 0\n            xmax = 1", f"xmin = {number}\n            xmax = 1"),
        "srt": ("00:00:00,000", f"{number}:00:00,000"),
        "vtt": ("00:00.000", f"{number}:00:00.000"),
        "audacity": ("0.0\t", f"{number}\t"),
        "label-studio": ('"start": 0', f'"start": "{number}"'),
        "chat": ("\x150_900", f"\x15{number}_900"),
        "transcriber": ('time="1.5"', f'time="{number}"'),
    }[kind]
    assert changed[0] in text
    path = place / SOURCES[kind][0]
    path.write_text(text.replace(*changed, 1), "utf-8")
    assert Reading(kind, path).faults


@pytest.mark.parametrize("kind", sorted(SOURCES))
def test_the_undamaged_ones_are_read(kind, place):
    path = place / SOURCES[kind][0]
    path.write_bytes(whole(kind, place))
    read = Reading(kind, path)
    assert read.utterances
    assert read.problems == []


def test_a_tier_with_an_endless_count_of_intervals_has_none(place):
    whole_text = whole("textgrid", place).decode()
    path = place / SOURCES["textgrid"][0]
    path.write_text(re.sub(r"(intervals: size = )\d+", r"\g<1>1e999", whole_text, count=1))
    assert whole_text != path.read_text()
    (fault,) = Reading("textgrid", path).faults
    assert "a finite number expected" in fault
