"""Tables of recordings: Hugging Face's audio folders, Piper, Common Voice of today."""

from __future__ import annotations

import json
import unicodedata

import pytest
from fieldwork import Reading, recording

from vizinho.corpora.readers import detect


def write(path, *lines, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in lines).encode(encoding))
    return path


def test_an_audio_folder_with_one_table_above_the_splits(tmp_path):
    for name in ("train/a", "train/b", "test/a", "validation/c"):
        recording(tmp_path / f"{name}.wav", 1)
    rows = [
        {"file_name": f"{n}.wav", "text": f"frase {n}", "speaker_id": 7} for n in ("train/a", "test/a", "validation/c")
    ]
    write(tmp_path / "metadata.jsonl", *map(json.dumps, rows))
    assert detect(tmp_path) == "audiofolder"
    read = Reading("audiofolder", tmp_path)
    assert sorted((u.id, u.split, u.speaker, u.text) for u in read.utterances) == [
        ("a", "train", "7", "frase train/a"),
        ("a-2", "test", "7", "frase test/a"),
        ("c", "dev", "7", "frase validation/c"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b.wav,um,dois", "metadata.csv:3: 3 fields where the header has 2"),
        ("b.wav", "metadata.csv:3: 1 fields where the header has 2"),
        ('b.wav,"um" dois', "metadata.csv:3: not a row of CSV"),
        ("b.wav,mal\ufffd", "metadata.csv:3: the line is not UTF-8"),
        ("gone.wav,um", "metadata.csv:3: no such audio file"),
        (",um", "metadata.csv:3: no file or no text"),
        ("b.wav," + "longo " * 50_000, ""),
    ],
)
def test_bad_rows_of_a_table_are_named_and_the_others_are_read(tmp_path, line, message):
    for name in "abc":
        recording(tmp_path / f"{name}.wav", 1)
    write(tmp_path / "metadata.csv", "file_name,transcription", 'a.wav,"bom, dia"', line, 'c.wav,"duas', 'linhas"')
    read = Reading("audiofolder", tmp_path)
    texts = [" ".join(text.split()) for text in read.texts]
    assert [texts[0], texts[-1]] == ["bom, dia", "duas linhas"]
    assert [message in fault for fault in read.faults] == ([True] if message else [])


def test_lines_of_another_encoding_and_rows_without_columns_are_named(tmp_path):
    for name in "ab":
        recording(tmp_path / f"{name}.wav", 1)
    table = write(tmp_path / "metadata.csv", "file_name,text", "a.wav,pão", encoding="latin-1")
    with table.open("a", encoding="utf-8") as file:
        file.write("b.wav,pão\n")
    read = Reading("audiofolder", tmp_path)
    assert (read.texts, len(read.faults)) == (["pão"], 1)
    write(tmp_path / "metadata.csv", "file_name,label", "a.wav,3")
    assert "no file or no text among the columns file_name, label" in Reading("audiofolder", tmp_path).faults[0]


@pytest.mark.parametrize(
    ("rows", "encoding"),
    [
        (["File;Speaker;Transcription", "clips\\a 1.wav;Ana;um; sim", ";;"], "utf-8-sig"),
        (["File Name\tText", "C:\\Users\\Ana\\clips\\b.wav\tum; sim"], "utf-16"),
        (["sentence,path", '"um; sim",clips/é.m4a'], "utf-8"),
        (["audio;text", "clips/é;um; sim"], "utf-8"),
    ],
    ids=["semicolons", "absolute", "decomposed", "suffix"],
)
def test_tables_as_excel_saves_them(tmp_path, rows, encoding):
    for name in ("clips/a 1.wav", "b.wav"):
        recording(tmp_path / name, 1)
    recording(tmp_path / "é.wav", 1).rename(tmp_path / "clips" / unicodedata.normalize("NFD", "é.m4a"))
    table = tmp_path / "metadata.csv"
    rows = [row.replace(";um; sim", ';"um; sim"') for row in rows]
    table.write_text("\r\n".join(rows), encoding)
    assert detect(tmp_path) == detect(table) == "audiofolder"
    read = Reading("audiofolder", tmp_path)
    assert (read.texts, read.faults) == (["um; sim"], [])


def test_pipers_speakers_are_told_from_ljspeechs_texts(tmp_path):
    for name in "abcd":
        recording(tmp_path / "p" / "wavs" / f"{name}.wav", 1)
    write(tmp_path / "p" / "metadata.csv", "a|ana|bom dia", "b|ben|olá Ana", "c|ana|até já", "d|ben|sim")
    assert detect(tmp_path / "p") == "piper"
    assert Reading("piper", tmp_path / "p").said == [
        ("ana", "bom dia"),
        ("ben", "olá Ana"),
        ("ana", "até já"),
        ("ben", "sim"),
    ]
    write(tmp_path / "p" / "metadata.csv", "a|5 anos|cinco anos", "b|um dia|um dia", "c|o 1 de maio|o um de maio")
    assert detect(tmp_path / "p") == "ljspeech"
    write(tmp_path / "p" / "metadata.csv", "a|casa|Casa", "b|rua|rua.")
    assert detect(tmp_path / "p") == "ljspeech"


HEADER = "client_id audio_id audio_file duration_ms prompt_id prompt transcription votes age gender language split"
ROWS = (
    "s1\t1\ta.mp3\t1\t1\tOnde?\tna [disfluency] praia [laugh]\t2\t\t\tpt\ttrain",
    "s2\t2\tb.mp3\t1\t1\tOnde?\tem [unclear] casa\t2\t\t\tpt\ttest",
    "s3\t3\tc.mp3\t1\t1\tOnde?\t\t0\t\t\tpt\t",
    "s4\t4\td.mp3\t1\t1\tOnde?\tno campo\t0\t\t\tpt\tunassigned",
    "s5\t5\te.mp3\t1\t1\tOnde?\taqui\t0\t\t\tpt\tdev",
)


def test_spontaneous_speech_has_events_that_are_no_words(tmp_path):
    for name in "abcde":
        recording(tmp_path / "audios" / f"{name}.wav", 1).rename(tmp_path / "audios" / f"{name}.mp3")
    write(tmp_path / "ss-corpus-pt.tsv", HEADER.replace(" ", "\t"), *ROWS)
    assert detect(tmp_path) == detect(tmp_path / "ss-corpus-pt.tsv") == "common-voice-spontaneous"
    read = Reading("common-voice-spontaneous", tmp_path)
    assert [(u.text, u.events, u.split, u.speaker) for u in read.utterances] == [
        ("na praia", "[disfluency] [laugh]", "train", "s1"),
        ("aqui", "", "dev", "s5"),
    ]
    assert read.noted("unclear") == ["em [unclear] casa"]
    assert len(read.noted("unassigned")) == 2
    read = Reading("common-voice-spontaneous", tmp_path, split="unassigned")
    assert [(u.text, u.split) for u in read.utterances] == [("no campo", "train")]
    assert read.noted("empty") == ["not transcribed"]
    read = Reading("common-voice-spontaneous", tmp_path, split="test", keep_unclear=True)
    assert [(u.text, u.split) for u in read.utterances] == [("em casa", "test")]


def test_scripted_speech_keeps_variant_and_domain(tmp_path):
    recording(tmp_path / "clips" / "a.wav", 1)
    columns = "client_id path sentence_id sentence sentence_domain up_votes down_votes age gender accents variant "
    columns += "locale segment"
    values = ["s1", "a.wav", "x", "bom dia", "health_care", "2", "0", "", "", "Norte", "pt-BR", "pt", ""]
    write(tmp_path / "train.tsv", "\t".join(columns.split()), "\t".join(values))
    (utterance,) = Reading("common-voice", tmp_path).utterances
    assert (utterance.accent, utterance.variant, utterance.domain) == ("Norte", "pt-BR", "health_care")
