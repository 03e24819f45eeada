"""Files that the programs themselves wrote (tests/fixtures/foreign), and files of ours that other libraries read."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from fieldwork import Reading, recording

from vizinho.corpora.documents import Document, Media, Span, Tier
from vizinho.corpora.readers import detect
from vizinho.corpora.writers import WRITERS

FOREIGN = Path(__file__).parents[2] / "fixtures" / "foreign"


def beside_a_recording(name, folder):
    recording(folder / "visit.wav")
    return Path(shutil.copy(FOREIGN / name, folder))


def places(read):
    return [(u.place.start_seconds, round(u.place.start_seconds + u.duration_seconds, 3)) for u in read.utterances]


def test_transcribers_own_file(tmp_path):
    path = beside_a_recording("visit.trs", tmp_path)
    assert detect(path) == "transcriber"
    read = Reading("transcriber", path)
    assert read.said == [("Ana", "bom dia a todos"), ("", "até já"), ("João", 'disse "não" & saiu')]
    assert places(read) == [(0.5, 2.0), (2.0, 3.25), (3.25, 4.0)]
    assert read.noted("event") == ["[rire]", "[baixo]"]
    assert read.noted("several speakers") == ["sim não"]
    assert read.faults == []


def test_regions_of_label_studios_kit(tmp_path):
    read = Reading("label-studio", beside_a_recording("tasks.json", tmp_path))
    assert read.said == [("Ana", "bom dia a todos"), ("João", 'disse "não" & saiu')]
    assert places(read) == [(0.5, 2.0), (3.25, 4.0)]
    assert read.faults == []


def test_label_studios_kit_accepts_our_tasks(tmp_path):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    suffix, write = WRITERS["label-studio"]
    tiers = (Tier("speech", (Span(0.5, 2.0, "bom dia", confidence=0.9), Span(3.0, 4.0, "até já", confidence=0.5))),)
    path = tmp_path / f"v{suffix}"
    (task,) = json.loads(write(Document(path, tiers, (Media("v.wav"),), duration_seconds=10.0)))
    controls = (
        '<Labels name="labels" toName="audio"><Label value="Speech"/></Labels>'
        '<TextArea name="transcription" toName="audio" perRegion="true"/>'
    )
    project = interface.LabelInterface(f'<View><Audio name="audio" value="$audio"/>{controls}</View>')
    (prediction,) = task["predictions"]
    assert project.validate_prediction(prediction, return_errors=True) == []
    prediction["result"][0]["value"]["labels"] = ["Nobody"]
    assert project.validate_prediction(prediction, return_errors=True)


SAID = {"train": ['disse "não", e saiu', "duas\nlinhas", "até já"], "test": ["bom dia"]}


def audio_folder(folder):
    datasets = pytest.importorskip("datasets")
    for split, texts in SAID.items():
        rows = [{"file_name": f"{split}{n}.wav", "transcription": text} for n, text in enumerate(texts)]
        for row in rows:
            recording(folder / split / row["file_name"], 1)
        datasets.Dataset.from_list(rows).to_csv(folder / split / "metadata.csv", index=False)
    return folder


def test_an_audio_folder_whose_tables_datasets_writes(tmp_path):
    read = Reading("audiofolder", audio_folder(tmp_path / "folder"))
    assert sorted((u.split, u.text) for u in read.utterances) == sorted(
        (s, t) for s, texts in SAID.items() for t in texts
    )
    assert read.faults == []


def test_an_audio_folder_is_what_datasets_reads(tmp_path):
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("torchcodec", reason="datasets reads audio folders with torchcodec only")
    source = audio_folder(tmp_path / "folder")
    parts = datasets.load_dataset("audiofolder", data_dir=str(source), cache_dir=str(tmp_path / "cache"))
    rows = [
        (split, Path(row["audio"]["path"]).name, row["transcription"])
        for split, part in parts.items()
        for row in part.cast_column("audio", datasets.Audio(decode=False))
    ]
    assert sorted((u.split, u.audio.name, u.text) for u in Reading("audiofolder", source).utterances) == sorted(rows)


def test_json_lines_that_datasets_writes(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = [{"file_name": f"{n}.wav", "text": text, "speaker": "ana"} for n, text in enumerate(("até já", 'um "dois"'))]
    for row in rows:
        recording(tmp_path / row["file_name"], 1)
    datasets.Dataset.from_list(rows).to_json(tmp_path / "metadata.jsonl", force_ascii=True)
    assert Reading("audiofolder", tmp_path).said == [("ana", "até já"), ("ana", 'um "dois"')]


def test_labels_that_crowsetta_writes(tmp_path):
    path = beside_a_recording("visit.labels.txt", tmp_path)
    assert detect(path) == "audacity"
    read = Reading("audacity", path)
    assert read.texts == ['disse "não" & saiu', "até ǃʼo", "مرحبا שלום"]
    assert places(read) == [(0.5, 2.0), (2.5, 4.0), (5.0, 7.0)]
    assert read.faults == []


def test_crowsetta_reads_our_labels(tmp_path):
    crowsetta = pytest.importorskip("crowsetta")
    suffix, write = WRITERS["audacity"]
    path = tmp_path / f"v{suffix}"
    path.write_text(write(Document(path, (Tier("speech", (Span(0.5, 2.0, "bom dia"), Span(3.0, 4.0, "até já"))),))))
    labels = crowsetta.formats.seq.AudSeq.from_file(path)
    assert [*labels.labels] == ["bom dia", "até já"]
    assert [*labels.start_times] == [0.5, 3.0] and [*labels.end_times] == [2.0, 4.0]


PIPER = [("a1", "ana", 'disse "não" e saiu'), ("b2.wav", "ben", "um | dois"), ("c3", "ana", "até já")]


def test_piper_rows_as_its_recording_studio_writes_them(tmp_path):
    with (tmp_path / "metadata.csv").open("w", encoding="utf-8") as file:
        csv.writer(file, delimiter="|").writerows(PIPER)
    for name, *_ in PIPER:
        recording(tmp_path / "wav" / f"{name.removesuffix('.wav')}.wav", 1)
    assert detect(tmp_path) == "piper"
    read = Reading("piper", tmp_path)
    assert read.said == [(who, text) for _, who, text in PIPER]
    assert read.faults == []
