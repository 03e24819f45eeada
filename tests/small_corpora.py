"""Three recordings in every layout that a reader knows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vizinho.corpora.readers import get_reader
from vizinho.records import Utterance

RATE = 16_000


@dataclass(frozen=True)
class Clip:
    name: str
    text: str
    speaker: str
    split: str
    seconds: float
    pitch_hz: float


CLIPS = (
    Clip("11_22_000001", 'Avó disse: "não.', "11", "train", 0.50, 200),
    Clip("11_22_000002", "O avô comeu pão", "11", "train", 0.75, 300),
    Clip("33_44_000003", "Amanhã, às três", "33", "test", 1.00, 400),
)


def tone(clip: Clip, rate: int = RATE) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * clip.pitch_hz * np.arange(round(clip.seconds * rate)) / rate)


def write(path: Path, clip: Clip, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(clip, rate), rate)
    return path


def write_text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def common_voice(root: Path) -> Path:
    header = "client_id\tpath\tsentence_id\tsentence\tup_votes\taccents\tlocale"
    for split in ("train", "test"):
        rows = [f"{c.speaker}\t{c.name}.wav\tx\t{c.text}\t2\t\tpt" for c in CLIPS if c.split == split]
        write_text(root / f"{split}.tsv", header, *rows)
    for clip in CLIPS:
        write(root / "clips" / f"{clip.name}.wav", clip)
    return root / "clips" / f"{CLIPS[1].name}.wav"


def mls(root: Path) -> Path:
    paths = []
    for clip in CLIPS:
        speaker, book, _ = clip.name.split("_")
        paths.append(write(root / clip.split / "audio" / speaker / book / f"{clip.name}.flac", clip))
    for split in ("train", "test"):
        rows = [f"{c.name}\t{c.text}" for c in CLIPS if c.split == split]
        write_text(root / split / "transcripts.txt", *rows)
    return paths[1]


def fleurs(root: Path) -> Path:
    for split in ("train", "test"):
        rows = [
            f"7\t{c.name}.wav\t{c.text}\t{c.text.lower()}\tx |\t{round(c.seconds * RATE)}\tMALE"
            for c in CLIPS
            if c.split == split
        ]
        write_text(root / f"{split}.tsv", *rows)
    paths = [write(root / "audio" / c.split / f"{c.name}.wav", c) for c in CLIPS]
    return paths[1]


def kaldi(root: Path) -> Path:
    paths = [write(root / "wav" / f"{c.name}.wav", c) for c in CLIPS]
    write_text(root / "wav.scp", *(f"{c.name} wav/{c.name}.wav" for c in CLIPS))
    write_text(root / "text", *(f"{c.name} {c.text}" for c in CLIPS))
    write_text(root / "utt2spk", *(f"{c.name} {c.speaker}" for c in CLIPS))
    return paths[1]


def nemo(root: Path) -> Path:
    paths = [write(root / "wavs" / f"{c.name}.wav", c) for c in CLIPS]
    for split in ("train", "test"):
        rows = [
            {"audio_filepath": f"wavs/{c.name}.wav", "duration": c.seconds, "text": c.text, "speaker": c.speaker}
            for c in CLIPS
            if c.split == split
        ]
        write_text(root / f"{split}_manifest.json", *(json.dumps(row) for row in rows))
    return paths[1]


def ljspeech(root: Path) -> Path:
    paths = [write(root / "wavs" / f"{c.name}.wav", c) for c in CLIPS]
    write_text(root / "metadata.csv", *(f"{c.name}|{c.text}|{c.text}" for c in CLIPS))
    return paths[1]


def piper(root: Path) -> Path:
    paths = [write(root / "wav" / f"{c.name}.wav", c) for c in CLIPS]
    write_text(root / "metadata.csv", *(f"{c.name}|{c.speaker}|{c.text}" for c in CLIPS))
    return paths[1]


def audiofolder(root: Path) -> Path:
    paths = [write(root / c.split / "clips" / f"{c.name}.wav", c) for c in CLIPS]
    for split in ("train", "test"):
        with (root / split / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file_name", "speaker_id", "transcription"])
            table.writerows([f"clips/{c.name}.wav", c.speaker, c.text] for c in CLIPS if c.split == split)
    return paths[1]


def spontaneous(root: Path) -> Path:
    paths = [write(root / "audios" / f"{c.name}.wav", c) for c in CLIPS]
    header = (
        "client_id\taudio_id\taudio_file\tduration_ms\tprompt_id\tprompt\ttranscription\tvotes\tsplit\tquality_tags"
    )
    rows = [f"{c.speaker}\t1\t{c.name}.wav\t500\t2\tOnde?\t[laugh] {c.text}\t2\t{c.split}\t" for c in CLIPS]
    write_text(root / "ss-corpus-pt.tsv", header, *rows)
    return paths[1]


def parquet(root: Path) -> Path:
    import pyarrow
    import pyarrow.parquet

    (root / "data").mkdir(parents=True)
    for split in ("train", "test"):
        rows = []
        for clip in [c for c in CLIPS if c.split == split]:
            buffer = io.BytesIO()
            # Another rate and two channels, as in the wild.
            soundfile.write(buffer, np.stack([tone(clip, 44_100)] * 2, axis=1), 44_100, format="FLAC")
            audio = {"bytes": buffer.getvalue(), "path": f"{clip.name}.flac"}
            rows.append({"audio": audio, "sentence": clip.text, "client_id": clip.speaker})
        table = pyarrow.Table.from_pylist(rows)
        pyarrow.parquet.write_table(table, root / "data" / f"{split}-00000-of-00001.parquet")
    return root


def lhotse_manifests(root: Path) -> Path:
    lhotse = pytest.importorskip("lhotse", reason="lhotse does not import here", exc_type=ImportError)
    paths = []
    for split in ("train", "test"):
        recordings, segments = [], []
        for clip in [c for c in CLIPS if c.split == split]:
            paths.append(write(root / "audio" / f"{clip.name}.wav", clip))
            recordings.append(lhotse.Recording.from_file(paths[-1], recording_id=f"r{clip.name}"))
            segments.append(
                lhotse.SupervisionSegment(
                    clip.name, f"r{clip.name}", 0.0, clip.seconds, text=clip.text, speaker=clip.speaker
                )
            )
        lhotse.RecordingSet.from_recordings(recordings).to_file(root / f"x_recordings_{split}.jsonl.gz")
        lhotse.SupervisionSet.from_segments(segments).to_file(root / f"x_supervisions_{split}.jsonl.gz")
    return paths[1]


def field_files(root: Path, suffix: str, write_one: Callable[[Path, Clip], object]) -> Path:
    """A transcript beside each recording, in folders named after their splits."""
    paths = []
    for clip in CLIPS:
        paths.append(write(root / clip.split / f"{clip.name}.wav", clip))
        write_one(paths[-1].with_suffix(suffix), clip)
    return paths[1]


def eaf(root: Path) -> Path:
    import pympi

    def one(path: Path, clip: Clip) -> None:
        document = pympi.Eaf()
        document.remove_tier("default")
        document.add_linked_file(f"file:///C:/fieldwork/{path.stem}.wav", f"./{path.stem}.wav", "audio/x-wav")
        document.add_tier("speech", part=clip.speaker)
        document.add_annotation("speech", 0, round(clip.seconds * 1000), clip.text)
        document.to_file(path)

    return field_files(root, ".eaf", one)


def textgrid(root: Path) -> Path:
    from praatio.data_classes.interval_tier import IntervalTier
    from praatio.textgrid import Textgrid

    def one(path: Path, clip: Clip) -> None:
        grid = Textgrid()
        grid.addTier(IntervalTier("frase", [(0, clip.seconds, clip.text)], 0, clip.seconds))
        grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)

    return field_files(root, ".TextGrid", one)


def subtitles(suffix: str, voices: bool) -> Callable[[Path], Path]:
    def one(path: Path, clip: Clip) -> None:
        point, head = (",", "1") if suffix == ".srt" else (".", "WEBVTT\n")
        times = f"00:00:00{point}000 --> 00:00:{int(clip.seconds):02d}{point}{round(clip.seconds % 1 * 1000):03d}"
        write_text(path, head, times, f"<v {clip.speaker}>{clip.text}</v>" if voices else clip.text)

    return lambda root: field_files(root, suffix, one)


def audacity(root: Path) -> Path:
    def one(path: Path, clip: Clip) -> None:
        write_text(path, f"0.000000\t{clip.seconds:.6f}\t{clip.text}", "\\\t100.0\t2000.0")

    return field_files(root, ".txt", one)


def label_studio(root: Path) -> Path:
    def one(path: Path, clip: Clip) -> None:
        place = {"start": 0, "end": clip.seconds, "channel": 0}
        region = {"id": "x", "to_name": "audio", "original_length": clip.seconds}
        result = [
            region | {"from_name": "labels", "type": "labels", "value": place | {"labels": [clip.speaker]}},
            region | {"from_name": "transcription", "type": "textarea", "value": place | {"text": [clip.text]}},
        ]
        task = {
            "id": 7,
            "data": {"audio": f"/data/upload/3/0a1b2c3d-{path.stem}.wav"},
            "annotations": [{"result": result}],
        }
        write_text(path, json.dumps([task], indent=1))

    return field_files(root, ".json", one)


def chat(root: Path) -> Path:
    pytest.importorskip("pylangacq")

    def one(path: Path, clip: Clip) -> None:
        header = ("@UTF8", "@Begin", "@Languages:\tpor", f"@Participants:\tCHI {clip.speaker} Target_Child")
        line = f"*CHI:\t{clip.text} \x150_{round(clip.seconds * 1000)}\x15"
        write_text(path, *header, f"@Media:\t{path.stem}, audio", line, "%com:\tnada", "@End")

    return field_files(root, ".cha", one)


def transcriber(root: Path) -> Path:
    def one(path: Path, clip: Clip) -> None:
        write_text(
            path,
            '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE Trans SYSTEM "trans-14.dtd">',
            f'<Trans audio_filename="{path.stem}"><Speakers><Speaker id="spk1" name="{clip.speaker}"/></Speakers>',
            f'<Episode><Section type="report"><Turn speaker="spk1" startTime="0" endTime="{clip.seconds}">',
            f'<Sync time="0"/>\n{clip.text}\n</Turn></Section></Episode></Trans>',
        )
        path.write_bytes(path.read_text("utf-8").encode("latin-1"))

    return field_files(root, ".trs", one)


BUILDERS: dict[str, Callable[[Path], Path]] = {
    "common-voice": common_voice,
    "mls": mls,
    "fleurs": fleurs,
    "kaldi": kaldi,
    "nemo": nemo,
    "ljspeech": ljspeech,
    "huggingface": parquet,
    "lhotse": lhotse_manifests,
    "eaf": eaf,
    "textgrid": textgrid,
    "srt": subtitles(".srt", voices=False),
    "vtt": subtitles(".vtt", voices=True),
    "audacity": audacity,
    "label-studio": label_studio,
    "chat": chat,
    "transcriber": transcriber,
    "piper": piper,
    "audiofolder": audiofolder,
    "common-voice-spontaneous": spontaneous,
}


def read(kind: str, source: Path, split: str | None = None) -> list[Utterance]:
    audio_dir = source.parent / "made"
    found = list(get_reader(kind)(source, lang="pt", split=split, audio_dir=audio_dir))
    return sorted(found, key=lambda u: u.id)
