"""Every reader gives the same utterances for the same three recordings, and names the one that is missing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_corpora import (
    BUILDERS,
    CLIPS,
    RATE,
    parquet,
    read,
    write,
    write_text,
)

from vizinho.audio.io import load_audio
from vizinho.corpora.convert import convert_corpus
from vizinho.corpora.manifest import read_manifest
from vizinho.corpora.readers import READERS, detect, get_reader
from vizinho.corpora.readers.field import FieldReader
from vizinho.errors import CorpusError, VizinhoError
from vizinho.records import Utterance

FIELD = tuple(name for name, reader in READERS.items() if isinstance(reader, FieldReader))
WITHOUT_SPLITS = ("kaldi", "ljspeech", "piper")
NOBODY = ("", "", "")
SPEAKERS = {
    "fleurs": NOBODY,
    "ljspeech": ("corpus", "corpus", "corpus"),
    "textgrid": NOBODY,
    "srt": NOBODY,
    "audacity": NOBODY,
}


@pytest.fixture(params=sorted(READERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_reader_is_tested() -> None:
    assert BUILDERS.keys() == READERS.keys()


def test_reads_the_same_utterances(kind: str, tmp_path: Path) -> None:
    BUILDERS[kind](tmp_path / "corpus")
    found = read(kind, tmp_path / "corpus")
    assert all(type(u) is Utterance and u.audio.is_absolute() and u.lang == "pt" for u in found)
    part = "task-7-" if kind == "label-studio" else ""
    ids = [f"{c.split}-{c.name}-{part}00000000" if kind in FIELD else c.name for c in CLIPS]
    assert [u.id for u in found] == (sorted(ids) if kind in FIELD else ids)
    found.sort(key=lambda u: u.audio.name.removeprefix("test-").removeprefix("train-"))
    assert [u.text for u in found] == [c.text for c in CLIPS]
    assert tuple(u.speaker for u in found) == SPEAKERS.get(kind, tuple(c.speaker for c in CLIPS))
    splits = ["train"] * 3 if kind in WITHOUT_SPLITS else [c.split for c in CLIPS]
    assert [u.split for u in found] == splits
    for utterance, clip in zip(found, CLIPS, strict=True):
        assert utterance.duration_seconds == pytest.approx(clip.seconds, abs=1e-3)
        samples = load_audio(utterance.audio)
        peak_hz = np.argmax(np.abs(np.fft.rfft(samples))) * RATE / samples.size
        assert peak_hz == pytest.approx(clip.pitch_hz, abs=3), "the audio of another utterance"


def test_reads_one_split(kind: str, tmp_path: Path) -> None:
    BUILDERS[kind](tmp_path / "corpus")
    found = read(kind, tmp_path / "corpus", split="test")
    assert {u.split for u in found} == {"test"}
    assert len(found) == (3 if kind in WITHOUT_SPLITS else 1)


@pytest.mark.parametrize("kind", sorted(READERS.keys() - set(WITHOUT_SPLITS)))
def test_unknown_split_names_those_there(kind: str, tmp_path: Path) -> None:
    BUILDERS[kind](tmp_path / "corpus")
    with pytest.raises(CorpusError, match=r"no split 'nowhere'.*test, train"):
        read(kind, tmp_path / "corpus", split="nowhere")


# Parquet has its audio inside; broken bytes are tested below.
@pytest.mark.parametrize("kind", sorted(READERS.keys() - {"huggingface"}))
def test_missing_audio_stops_or_is_reported(kind: str, tmp_path: Path) -> None:
    victim = BUILDERS[kind](tmp_path / "corpus")
    victim.unlink()
    with pytest.raises(CorpusError, match=CLIPS[1].name):
        read(kind, tmp_path / "corpus")
    problems: list[VizinhoError] = []
    reader = get_reader(kind)
    rest = list(reader(tmp_path / "corpus", lang="pt", split=None, audio_dir=tmp_path, on_problem=problems.append))
    assert sorted(u.text for u in rest) == sorted([CLIPS[0].text, CLIPS[2].text])
    assert len(problems) == 1
    assert str(tmp_path) in problems[0].where


def test_is_detected(kind: str, tmp_path: Path) -> None:
    BUILDERS[kind](tmp_path / "corpus")
    assert detect(tmp_path / "corpus") == kind


def test_empty_folder_is_an_error(kind: str, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    with pytest.raises(CorpusError):
        read(kind, tmp_path / "corpus")


@pytest.mark.parametrize("copy", [False, True])
def test_converts_to_a_manifest(kind: str, copy: bool, tmp_path: Path) -> None:
    BUILDERS[kind](tmp_path / "corpus")
    made = convert_corpus(tmp_path / "corpus", tmp_path / "pt.jsonl", lang="pt", copy=copy)
    back = read_manifest(tmp_path / "pt.jsonl")
    assert (made.format, tuple(back), made.problems) == (kind, made.utterances, ())
    assert sorted(u.text for u in back) == sorted(c.text for c in CLIPS)
    if copy:
        assert all(u.audio.suffix == ".flac" and "pt_audio" in u.audio.parts for u in back)
        assert all(soundfile.info(u.audio).samplerate == RATE for u in back)


@pytest.mark.parametrize("kind", ["common-voice", "mls", "fleurs", "nemo", "ljspeech"])
def test_a_line_that_is_not_utf8_is_named_and_the_others_are_read(kind: str, tmp_path: Path) -> None:
    BUILDERS[kind](tmp_path / "corpus")
    tables = (p for p in sorted((tmp_path / "corpus").rglob("*")) if p.is_file() and p.suffix not in (".wav", ".flac"))
    table = next(t for t in tables if "comeu" in t.read_text("utf-8"))
    table.write_bytes(table.read_bytes().replace("pão".encode(), "pão".encode("latin-1")))
    problems: list[VizinhoError] = []
    reader = get_reader(kind)
    rest = list(reader(tmp_path / "corpus", lang="pt", split=None, audio_dir=tmp_path, on_problem=problems.append))
    if kind == "nemo":  # its JSON has escapes for such letters
        assert len(rest) == 3
    else:
        assert (len(rest), [str(p).partition(" -> ")[0].rpartition(": ")[2] for p in problems]) == (
            2,
            ["the line is not UTF-8"],
        )


@pytest.mark.parametrize("kind", ["nemo", "huggingface"])
@pytest.mark.parametrize(
    ("speaker", "name"), [(None, ""), ("", ""), (12, "12"), (0, "0"), (float("nan"), ""), (12.0, "12")]
)
def test_speakers_that_are_not_known_have_no_name(kind: str, speaker: object, name: str, tmp_path: Path) -> None:
    if kind == "nemo":
        write(tmp_path / "a.wav", CLIPS[0])
        row = {"audio_filepath": "a.wav", "text": "um", "speaker": speaker}
        (found,) = read(kind, write_text(tmp_path / "m.json", json.dumps(row)))
    else:
        import pyarrow
        import pyarrow.parquet

        parquet(tmp_path / "corpus")
        source = tmp_path / "corpus" / "data" / "test-00000-of-00001.parquet"
        rows = pyarrow.parquet.read_table(source).to_pylist()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{**rows[0], "client_id": speaker}]), source)
        (found,) = read(kind, source)
    assert found.speaker == name
