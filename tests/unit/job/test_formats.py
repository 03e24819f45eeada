"""Corpora of other formats where a manifest could stand: read once, named, and refused with what to do."""

import json
from pathlib import Path

import pytest
from commands import vizinho
from small_corpora import CLIPS, common_voice, write_text

from vizinho.corpora.manifest import is_other_format, read_manifest
from vizinho.errors import CorpusError
from vizinho.job.data import as_manifest


def row(**values: str) -> str:
    return json.dumps(values)


@pytest.mark.parametrize(
    ("name", "content", "other"),
    [
        ("a.jsonl", row(id="1", audio="a.wav", text="olá"), False),
        ("a.jsonl", "\ufeff" + row(id="1", audio="a.wav"), False),
        ("a.jsonl", "", False),
        ("a.jsonl", "{broken", False),
        ("a.jsonl", "[1]", False),
        ("train_manifest.jsonl", row(audio_filepath="a.wav", text="olá"), True),
        ("train_manifest.jsonl", row(id="1", audio="a.wav", text="olá"), False),
        ("metadata.jsonl", row(file_name="a.wav", text="olá"), True),
        ("a.json", "[\n{", True),
        ("a.eaf", "<ANNOTATION_DOCUMENT/>", True),
        ("a.TextGrid", 'File type = "ooTextFile"', True),
    ],
)
def test_a_file_is_a_manifest_or_in_another_format(tmp_path: Path, name: str, content: str, other: bool) -> None:
    (tmp_path / name).write_text(content, "utf-8")
    assert is_other_format(tmp_path / name) is other


def test_a_corpus_is_read_once_for_each_state_of_its_files(tmp_path: Path) -> None:
    common_voice(tmp_path / "cv")
    said: list[str] = []

    def manifest() -> Path:
        return as_manifest(tmp_path / "cv", "pt", tmp_path / "home", said.append)

    first = manifest()
    assert {(u.text, u.speaker, u.split) for u in read_manifest(first)} == {(c.text, c.speaker, c.split) for c in CLIPS}
    assert str(first) in said[0] and "common-voice" in said[0]
    assert manifest() == first and len(said) == 1
    table = tmp_path / "cv" / "train.tsv"
    table.write_text(table.read_text("utf-8").replace(CLIPS[0].text, "outra coisa"), "utf-8")
    second = manifest()
    assert second != first and len(said) == 2
    assert "outra coisa" in {u.text for u in read_manifest(second)}


def test_a_manifest_stays_where_it_is(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.jsonl", row(id="1", audio="a.wav"))
    assert as_manifest(path, "pt", tmp_path / "home") == path
    assert as_manifest(tmp_path / "none.jsonl", "pt", tmp_path / "home") == tmp_path / "none.jsonl"


def test_rows_that_cannot_be_used_are_refused_with_the_command_that_can_skip_them(tmp_path: Path) -> None:
    common_voice(tmp_path / "cv").unlink()
    with pytest.raises(CorpusError) as refusal:
        as_manifest(tmp_path / "cv", "pt", tmp_path / "home")
    assert f"{CLIPS[1].name}.wav" in str(refusal.value)
    assert f"`vizinho corpus convert {tmp_path / 'cv'} pt.jsonl --lang pt`" in refusal.value.fix
    assert not list((tmp_path / "home").rglob("*.jsonl"))


def test_a_folder_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "notes" / "readme.md", "nothing")
    with pytest.raises(CorpusError, match="unknown kind of corpus"):
        as_manifest(tmp_path / "notes", "pt", tmp_path / "home")
    with pytest.raises(CorpusError, match="not a manifest") as refusal:
        read_manifest(tmp_path / "notes")
    assert "vizinho corpus convert" in refusal.value.fix


def test_a_corpus_is_checked_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    common_voice(tmp_path / "cv")
    refused = vizinho("corpus", "check", "cv", home=tmp_path / "home")
    assert refused.returncode == 2 and "a folder, not a manifest" in refused.stderr and "--lang" in refused.stderr
    checked = vizinho("corpus", "check", "cv", "--lang", "pt", home=tmp_path / "home")
    assert checked.returncode == 0, checked.stderr
    assert {u.text for u in read_manifest(Path("cv.clean.jsonl"))} <= {c.text for c in CLIPS}
    assert Path("cv.orthography.toml").is_file()
