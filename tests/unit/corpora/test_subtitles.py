"""SubRip and WebVTT beside a long recording."""

from __future__ import annotations

import pytest
from fieldwork import Reading, recording

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Bom dia</i>, {\\an8}tudo
<font color="#fff">bem?</font>

2
00:00:03,000 --> 00:00:04,000
(risos) [porta] Sim.

3
00:00:04,500 --> 00:00:05,000
♪ ♪

4
00:00:05,000 --> 00:00:06,000
- Ana?
- Não.

5
00:00:06,000 --> 00:00:07,000
- Adeus.
"""


def subtitles(folder, text, suffix=".srt", encoding="utf-8"):
    recording(folder / "v.wav")
    path = folder / f"v{suffix}"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["unix", "windows"])
def test_subrip_without_its_markup_and_sounds(tmp_path, encoding, ends):
    read = Reading("srt", subtitles(tmp_path, SRT.replace("\n", ends), encoding=encoding))
    assert read.texts == ["Bom dia, tudo bem?", "Sim.", "Adeus."]
    assert [(u.place.start_seconds, u.duration_seconds) for u in read.utterances] == [(1, 1.5), (3, 1), (6, 1)]
    assert read.noted("event") == ["[porta]", "(risos)", "♪", "♪"]
    assert read.noted("several speakers") == ["Ana? Não."]
    assert read.problems == []


VTT = """WEBVTT - made by hand

STYLE
::cue { color: red }

NOTE two lines
of a comment

intro
00:01.000 --> 00:02.000 align:start position:0%
<v.loud Ana>bom &amp; <c.yellow>belo</c></v>

00:02.000 --> 00:03.000
<v Ben>sim</v> <00:02.500>senhora
01:00:00.000 --> 01:00:01.000
<v Ana>tarde</v>

00:04.000 --> 00:05.000
<v Ana>uma</v>
<v Ben>outra</v>
"""


def test_webvtt_has_voices(tmp_path):
    read = Reading("vtt", subtitles(tmp_path, VTT, ".vtt"))
    assert read.said == [("Ana", "bom & belo"), ("Ben", "sim senhora")]
    assert read.faults == [
        f"{tmp_path}/v.vtt:15 (3600.00 s): segment 3600 to 3601 s does not lie in the 10.00 s of {tmp_path}/v.wav -> "
        "correct the times or leave the row out"
    ]
    assert read.noted("several speakers") == ["uma outra"]


def test_captions_that_roll_are_read_once(tmp_path):
    cues = [
        ("1.00", "2.00", "vamos ao mar"),
        ("2.00", "2.01", "vamos ao mar"),
        ("2.01", "4.00", "vamos ao mar\ne ao rio"),
    ]
    text = "WEBVTT\n\n" + "".join(f"00:0{a}0 --> 00:0{b}0\n{words}\n\n" for a, b, words in cues)
    assert Reading("vtt", subtitles(tmp_path, text, ".vtt")).texts == ["vamos ao mar", "e ao rio"]


def test_bad_cues_are_named_and_the_others_are_read(tmp_path):
    bad = "6\n00:00:0x,000 --> 00:00:08,000\nmau\n\n7\n00:00:08,000 -> 00:00:09,000\npior\n\nsem tempo\n\n"
    bad += "8\n00:00:09,000 --> 00:00:08,000\nao contrário\n"
    read = Reading("srt", subtitles(tmp_path, SRT + "\n" + bad))
    assert len(read.texts) == 3
    assert [fault.removeprefix(f"{tmp_path}/")[:26] for fault in read.faults] == [
        "v.srt:24: not two times: '",
        "v.srt:28: not two times: '",
        "v.srt:31: text outside a c",
        "v.srt:34 (9.00 s): ends at",
    ]


def test_what_other_writers_write_is_read(tmp_path):
    pysubs2 = pytest.importorskip("pysubs2")
    subs = pysubs2.SSAFile()
    for start, text in ((0, "bom dia"), (1500, "até\\Namanhã"), (3000, "{\\i1}não{\\i0} & sim")):
        subs.append(pysubs2.SSAEvent(start=start, end=start + 1200, text=text))
    recording(tmp_path / "v.wav")
    for suffix in ("srt", "vtt"):
        subs.save(str(tmp_path / f"v.{suffix}"))
        read = Reading(suffix, tmp_path / f"v.{suffix}")
        assert read.texts == ["bom dia", "até amanhã", "não & sim"]
        assert [u.place.start_seconds for u in read.utterances] == [0, 1.5, 3]
