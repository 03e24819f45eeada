from pathlib import Path

import pytest

from vizinho.errors import AudioError, SpecError
from vizinho.recognition.files import LEDGER, STDIN, Outcome, OutputFolder, collect
from vizinho.records import Transcript


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_folders_are_searched_and_what_is_no_audio_is_counted(tmp_path):
    touch(tmp_path, "b.wav", "a/x.MP3", "a/notes.txt", "a/cover.jpg", "readme", ".hidden.wav", ".git/y.wav")
    found = collect([tmp_path])
    assert [(f.audio.name, str(f.output)) for f in found.files] == [("x.MP3", "a/x"), ("b.wav", "b")]
    assert found.skipped == {".txt": 1, ".jpg": 1, "no suffix": 1}


def test_two_files_of_one_name_keep_their_suffix_and_one_file_is_taken_once(tmp_path):
    touch(tmp_path, "a.wav", "a.mp3")
    found = collect([tmp_path, tmp_path / "a.wav", STDIN])
    assert [str(f.output) for f in found.files] == ["a.mp3", "a.wav", "stdin"]


def test_files_that_would_overwrite_each_other_are_refused(tmp_path):
    touch(tmp_path, "one/a.wav", "two/a.wav")
    with pytest.raises(SpecError, match="2 files would be written to a"):
        collect([tmp_path / "one" / "a.wav", tmp_path / "two" / "a.wav"])
    assert [str(f.output) for f in collect([tmp_path]).files] == ["one/a", "two/a"]


def test_a_missing_place_is_named(tmp_path):
    with pytest.raises(AudioError, match="no such file or folder"):
        collect([tmp_path / "nosuch"])


def heard(audio):
    return Outcome(audio, (Transcript(str(audio), "olá", (), 1.0, 1.0),))


def test_a_folder_knows_what_is_done_by_content_key_and_format(tmp_path):
    touch(tmp_path / "in", "a.wav", "b.wav")
    inputs, out = collect([tmp_path / "in"]).files, tmp_path / "out"
    a, b = tmp_path / "in" / "a.wav", tmp_path / "in" / "b.wav"
    folder = OutputFolder(out, "txt", "model1")
    assert folder.pending(inputs) == [a, b]
    folder.write(heard(a))
    assert OutputFolder(out, "txt", "model1").pending(inputs) == [b]
    assert OutputFolder(out, "txt", "model2").pending(inputs) == [a, b]
    assert OutputFolder(out, "srt", "model1").pending(inputs) == [a, b]
    a.write_text("other content")
    assert OutputFolder(out, "txt", "model1").pending(inputs) == [a, b]
    a.write_text("a.wav")
    (out / "a.txt").unlink()
    assert OutputFolder(out, "txt", "model1").pending(inputs) == [a, b]


def test_a_ledger_cut_off_in_the_middle_of_a_line_loses_only_that_line(tmp_path):
    touch(tmp_path / "in", "a.wav", "b.wav", "c.wav")
    inputs, out = collect([tmp_path / "in"]).files, tmp_path / "out"
    folder = OutputFolder(out, "txt", "k")
    for audio in folder.pending(inputs):
        folder.write(heard(audio))
    whole = (out / LEDGER).read_text()
    (out / LEDGER).write_text(whole[:-20])
    again = OutputFolder(out, "txt", "k")
    assert [p.name for p in again.pending(inputs)] == ["c.wav"]
    again.write(heard(tmp_path / "in" / "c.wav"))
    assert OutputFolder(out, "txt", "k").pending(inputs) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="cannot be written"):
        OutputFolder(tmp_path / "file" / "out", "txt", "k")


def test_standard_input_is_always_pending(tmp_path):
    for _ in range(2):
        folder = OutputFolder(tmp_path, "txt", "k")
        assert folder.pending(collect([STDIN]).files) == [Path("-")]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("eaf", "a.eaf"),
        ("textgrid", "a.TextGrid"),
        ("audacity", "a.labels.txt"),
        ("label-studio", "a.label-studio.json"),
    ],
)
def test_annotations_have_the_suffixes_of_their_programs(tmp_path, kind, name):
    touch(tmp_path / "in", "a.wav")
    inputs, out = collect([tmp_path / "in"]).files, tmp_path / "out"
    folder = OutputFolder(out, kind, "k")
    for audio in folder.pending(inputs):
        folder.write(heard(audio))
    assert sorted(p.name for p in out.iterdir() if p.name != LEDGER) == [name]
    assert OutputFolder(out, kind, "k").pending(inputs) == []
