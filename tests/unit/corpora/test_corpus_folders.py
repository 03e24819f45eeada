"""What Kaldi, NeMo, LJSpeech and Common Voice have besides: segments, channels, offsets, rows that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_corpora import CLIPS, RATE, common_voice, kaldi, ljspeech, nemo, read, tone, write, write_text

from vizinho.audio.io import load_audio
from vizinho.corpora.convert import convert_corpus
from vizinho.corpora.manifest import read_manifest
from vizinho.corpora.readers import detect, get_reader
from vizinho.corpora.readers.common_voice import stated_language
from vizinho.errors import CorpusError, VizinhoError


def long_recording(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.concatenate([tone(c) for c in CLIPS]), RATE)
    return path


def test_kaldi_segments_are_cut_out(tmp_path: Path) -> None:
    root = tmp_path / "data" / "train"
    long_recording(tmp_path / "wav" / "all.wav")
    write_text(root / "wav.scp", "rec wav/all.wav")
    write_text(root / "segments", "a rec 0.0 0.5", "b rec 0.5 1.25", "c rec 1.25 -1")
    write_text(root / "text", "a um", "b dois", "c três")
    found = read("kaldi", root)
    assert [u.duration_seconds for u in found] == [0.5, 0.75, 1.0]
    for utterance, clip in zip(found, CLIPS, strict=True):
        np.testing.assert_allclose(load_audio(utterance.audio), tone(clip), atol=1e-4)


def test_nemo_offsets_are_cut_out(tmp_path: Path) -> None:
    long_recording(tmp_path / "all.wav")
    rows = [{"audio_filepath": "all.wav", "offset": 0.5, "duration": 0.75, "text": "dois"}]
    found = read("nemo", write_text(tmp_path / "m.json", *map(json.dumps, rows)))
    np.testing.assert_allclose(load_audio(found[0].audio), tone(CLIPS[1]), atol=1e-4)


@pytest.mark.parametrize("duration", [0.5, 0.75])
def test_nemo_durations_without_offsets_are_those_of_the_beginning(duration: float, tmp_path: Path) -> None:
    long_recording(tmp_path / "all.wav")
    rows = [{"audio_filepath": "all.wav", "duration": duration, "text": "um"}]
    (found,) = read("nemo", write_text(tmp_path / "m.json", *map(json.dumps, rows)))
    assert (found.duration_seconds, found.id) == (duration, "all-0")
    assert load_audio(found.audio).size == round(duration * RATE)


@pytest.mark.parametrize(
    "bad", [{"duration": 9.0}, {"duration": 0.0}, {"offset": 3.0}, {"offset": 1.0, "duration": 5.0}, {"duration": "2"}]
)
def test_nemo_ranges_outside_the_recording_are_named(bad: dict[str, object], tmp_path: Path) -> None:
    long_recording(tmp_path / "all.wav")
    row = {"audio_filepath": "all.wav", "text": "um"}
    write_text(tmp_path / "m.json", json.dumps(row | bad), json.dumps(row | {"duration": 2.3}))
    problems: list[VizinhoError] = []
    reader = get_reader("nemo")
    whole = reader(tmp_path / "m.json", lang="pt", split=None, audio_dir=tmp_path, on_problem=problems.append)
    assert [(u.audio.name, u.duration_seconds) for u in whole] == [("all.wav", 2.25)]
    assert ["m.json:1" in p.where for p in problems] == [True]


def stereo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    seconds = np.arange(RATE) / RATE
    soundfile.write(path, np.stack([0.3 * np.sin(2 * np.pi * hz * seconds) for hz in (300, 700)], axis=1), RATE)
    return path


@pytest.mark.parametrize(
    "segments", [(), ("a call_a 0 0.5", "b call_b 0 0.5"), ("a call_a 0 0.5 0", "b call_a 0 0.5 1")]
)
def test_kaldi_takes_each_speaker_from_their_channel(segments: tuple[str, ...], tmp_path: Path) -> None:
    stereo(tmp_path / "call.wav")
    keys = ("a", "b") if segments else ("call_a", "call_b")
    write_text(tmp_path / "wav.scp", "call_a call.wav", "call_b call.wav")
    write_text(tmp_path / "reco2file_and_channel", "call_a call A", "call_b call B")
    write_text(tmp_path / "text", f"{keys[0]} um", f"{keys[1]} dois")
    if segments:
        write_text(tmp_path / "segments", *segments)
    found = read("kaldi", tmp_path)
    pitches = [np.argmax(np.abs(np.fft.rfft(load_audio(u.audio)))) / u.duration_seconds for u in found]
    assert pitches == [300, 700]


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        ("wav.scp", "a sox x.wav -t wav - |", r"wav\.scp:1: a command instead of a file"),
        ("wav.scp", "a raw.ark:17", r"wav\.scp:1: no such audio file: raw\.ark:17.*unpack"),
        ("segments", "a a 0.1 9.0", r"segments:1: segment 0\.1 to 9 s does not lie in the 0\.50 s"),
        ("segments", "a a 0.1", r"segments:1: not `recording start end`"),
        ("text", "b outra", r"text:1: 'b' has no line in segments"),
    ],
)
def test_kaldi_says_what_it_cannot_use(table: str, line: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / "a.wav", CLIPS[0])
    write_text(tmp_path / "wav.scp", "a a.wav")
    write_text(tmp_path / "segments", "a a 0 0.5")
    write_text(tmp_path / "text", "a um")
    write_text(tmp_path / table, line)
    with pytest.raises(CorpusError, match=message):
        read("kaldi", tmp_path)


def test_kaldi_recording_without_text_is_reported(tmp_path: Path) -> None:
    kaldi(tmp_path)
    write_text(tmp_path / "text", f"{CLIPS[0].name} um")
    with pytest.raises(CorpusError, match=r"wav\.scp:2: .* has no line in text"):
        read("kaldi", tmp_path)


def test_ljspeech_with_header_and_speaker(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "a.wav", CLIPS[0])
    write_text(tmp_path / "metadata.csv", "audio|speaker|text", "clips/a.wav|Ana|olá")
    (found,) = read("ljspeech", tmp_path)
    assert (found.id, found.speaker, found.text) == ("a", "Ana", "olá")


def test_common_voice_rows_with_too_few_fields_are_named(tmp_path: Path) -> None:
    common_voice(tmp_path)
    with (tmp_path / "train.tsv").open("a", encoding="utf-8") as file:
        file.write("11\tx.wav\n")
    with pytest.raises(CorpusError, match=r"train\.tsv:4: 2 fields where the header has 7"):
        read("common-voice", tmp_path)


def test_conversion_stops_at_bad_rows_unless_told_to_name_them(tmp_path: Path) -> None:
    victim = common_voice(tmp_path / "corpus")
    victim.write_bytes(b"RIFF")
    out = tmp_path / "pt.jsonl"
    with pytest.raises(CorpusError, match=r"1 of 3 rows cannot be used: .*train\.tsv:3.*--skip-bad"):
        convert_corpus(tmp_path / "corpus", out, lang="pt")
    assert not out.exists()
    made = convert_corpus(tmp_path / "corpus", out, lang="pt", skip_bad=True)
    assert (len(made.utterances), len(made.problems)) == (2, 1)
    (line,) = (tmp_path / "pt.problems.jsonl").read_text("utf-8").splitlines()
    assert "train.tsv:3" in json.loads(line)["where"]


@pytest.mark.parametrize("lang", ["nan-tw", "nan-TW", "nan_tw"])
def test_a_release_of_common_voice_holds_the_language_in_whatever_form(tmp_path: Path, lang: str) -> None:
    for folder in ("nan-tw", "zh-CN", "zh-TW"):
        common_voice(tmp_path / folder)
    read = get_reader("common-voice")(tmp_path, lang=lang, split=None, audio_dir=tmp_path / "audio")
    assert {u.audio.parent.parent.name for u in read} == {"nan-tw"}


def test_sources_named_after_a_split_are_that_split(tmp_path: Path) -> None:
    kaldi(tmp_path / "data" / "dev_clean")
    assert {u.split for u in read("kaldi", tmp_path / "data" / "dev_clean")} == {"dev"}
    assert {u.split for u in read("kaldi", tmp_path / "data" / "dev_clean", split="train")} == {"train"}
    nemo(tmp_path / "nemo")
    assert {u.split for u in read("nemo", tmp_path / "nemo" / "test_manifest.json")} == {"test"}
    ljspeech(tmp_path / "lj")
    (tmp_path / "lj" / "metadata.csv").rename(tmp_path / "lj" / "test.csv")
    assert {u.split for u in read("ljspeech", tmp_path / "lj" / "test.csv")} == {"test"}


def test_the_tables_of_common_voice_say_which_language_is_spoken(tmp_path: Path) -> None:
    assert stated_language(tmp_path) is None and stated_language(tmp_path / "gone") is None
    write_text(tmp_path / "train.tsv", "client_id\tpath\tsentence\tlocale\na\tx.mp3\tbom dia\tpt\n")
    assert stated_language(tmp_path) == "pt"
    write_text(tmp_path / "dev.tsv", "\ufeffclient_id\tlocale\r\nb\tpt\r\n")
    write_text(tmp_path / "clip_durations.tsv", "clip\tduration[ms]\n")
    assert stated_language(tmp_path) == "pt"
    write_text(tmp_path / "test.tsv", "client_id\tlocale\nc\tgl\n")
    assert stated_language(tmp_path) is None


def test_common_voice_without_clips_is_known_and_says_so(tmp_path: Path) -> None:
    common_voice(tmp_path)
    (tmp_path / "clips").rename(tmp_path / "moved")
    assert detect(tmp_path) == "common-voice"
    with pytest.raises(CorpusError, match="no folder clips"):
        read("common-voice", tmp_path)


def test_common_voice_takes_fields_of_any_length(tmp_path: Path) -> None:
    common_voice(tmp_path)
    write(tmp_path / "clips" / "long.wav", CLIPS[0])
    with (tmp_path / "train.tsv").open("a", encoding="utf-8") as file:
        file.write("\t".join(["11", "long.wav", "x", "a " * 100_000, "2", "", "pt"]) + "\n")
    assert [len(u.text) for u in read("common-voice", tmp_path) if u.id == "long"] == [199_999]


@pytest.mark.parametrize(
    "bad",
    [
        {"lang": 5},
        {"lang": "klingonisch"},
        {"speaker": ["a"]},
        {"speaker": True},
        {"text": "meio \ud800"},
        {"lang": "  "},
        {"speaker": "\udfff"},
    ],
)
def test_what_is_converted_can_be_read_again(bad: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path / "a.wav", CLIPS[0])
    row = {"audio_filepath": "a.wav", "text": "um"}
    write_text(tmp_path / "m.json", json.dumps(row), json.dumps({**row, **bad}))
    with pytest.raises(CorpusError, match=next(iter(bad))):
        convert_corpus(tmp_path / "m.json", tmp_path / "pt.jsonl", lang="pt")
    made = convert_corpus(tmp_path / "m.json", tmp_path / "pt.jsonl", lang="pt", skip_bad=True)
    assert (len(read_manifest(tmp_path / "pt.jsonl")), len(made.problems)) == (1, 1)


def test_nemo_values_that_are_null_are_missing(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", CLIPS[0])
    row = {"audio_filepath": "a.wav", "text": "um", "duration": None, "offset": None, "lang": None, "speaker": None}
    (found,) = read("nemo", write_text(tmp_path / "m.json", json.dumps(row)))
    assert (found.lang, found.speaker, found.duration_seconds, found.audio.name) == ("pt", "", 0.5, "a.wav")


def test_of_two_rows_with_one_id_the_first_is_converted(tmp_path: Path) -> None:
    common_voice(tmp_path / "corpus")
    table = tmp_path / "corpus" / "train.tsv"
    table.write_text(table.read_text("utf-8") + table.read_text("utf-8").splitlines()[1] + "\n", "utf-8")
    with pytest.raises(CorpusError, match="an id that occurs before"):
        convert_corpus(tmp_path / "corpus", tmp_path / "pt.jsonl", lang="pt")
    made = convert_corpus(tmp_path / "corpus", tmp_path / "pt.jsonl", lang="pt", skip_bad=True)
    assert (len(made.utterances), len(made.problems)) == (3, 1)
