"""Every reader gives the same utterances for the same three recordings, and names the one that is missing."""

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

from vizinho.audio.io import load_audio
from vizinho.corpora.convert import convert_corpus
from vizinho.corpora.manifest import read_manifest
from vizinho.corpora.readers import READERS, detect, get_reader
from vizinho.corpora.readers.field import FieldReader
from vizinho.errors import CorpusError, VizinhoError
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


def read(kind: str, source: Path, split: str | None = None) -> list[Utterance]:
    audio_dir = source.parent / "made"
    found = list(get_reader(kind)(source, lang="pt", split=split, audio_dir=audio_dir))
    return sorted(found, key=lambda u: u.id)


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


def test_broken_bytes_in_parquet_are_named_by_row(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    rows = [{"audio": {"bytes": b"not audio", "path": "a.flac"}, "text": "olá"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    with pytest.raises(VizinhoError, match=r"x\.parquet: row 1: cannot decode"):
        read("huggingface", tmp_path / "x.parquet")


def test_single_parquet_file_becomes_the_split_asked_for(tmp_path: Path) -> None:
    parquet(tmp_path / "corpus")
    found = read("huggingface", tmp_path / "corpus" / "data" / "train-00000-of-00001.parquet", split="dev")
    assert [u.split for u in found] == ["dev", "dev"]


def test_reads_what_datasets_saved(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    parquet(tmp_path / "corpus")
    files = {
        "train": str(tmp_path / "corpus/data/train-00000-of-00001.parquet"),
        "validation": str(tmp_path / "corpus/data/test-00000-of-00001.parquet"),
    }
    made = datasets.DatasetDict(
        {split: datasets.Dataset.from_parquet(path, cache_dir=tmp_path / "cache") for split, path in files.items()}
    ).cast_column("audio", datasets.Audio(decode=False))
    made.save_to_disk(tmp_path / "saved")
    assert detect(tmp_path / "saved") == "huggingface"
    found = read("huggingface", tmp_path / "saved")
    assert [(u.id, u.text, u.split) for u in found] == [
        (c.name, c.text, "dev" if c.split == "test" else c.split) for c in CLIPS
    ]
    made["train"].save_to_disk(tmp_path / "alone")
    assert [u.split for u in read("huggingface", tmp_path / "alone")] == ["train", "train"]


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


def test_a_broken_file_of_several_parquet_files_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    parquet(tmp_path / "corpus")
    (tmp_path / "corpus" / "data" / "train-00001-of-00002.parquet").write_bytes(b"PAR1 nothing")
    problems: list[VizinhoError] = []
    reader = get_reader("huggingface")
    rest = list(
        reader(tmp_path / "corpus", lang="pt", split=None, audio_dir=tmp_path / "a", on_problem=problems.append)
    )
    assert len(rest) == 3
    assert ["train-00001-of-00002.parquet" in p.where for p in problems] == [True]
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").write_text('{"_data_files": [3]}')
    with pytest.raises(CorpusError, match=r"state\.json: does not list files"):
        read("huggingface", tmp_path / "saved")


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


def in_folders(root: Path, name: str = "part-0.parquet") -> Path:
    """Parquet files in folders named after their split, as the hub converts every set."""
    parquet(root)
    for split, folder in (("train", "train"), ("test", "validation")):
        (root / "data" / folder).mkdir()
        (root / "data" / f"{split}-00000-of-00001.parquet").rename(root / "data" / folder / name)
    return root


def test_parquet_in_folders_named_after_their_split(tmp_path: Path) -> None:
    found = read("huggingface", in_folders(tmp_path / "corpus"))
    assert [u.split for u in found] == ["train", "train", "dev"]
    alone = read("huggingface", tmp_path / "corpus" / "data" / "validation")
    assert [u.split for u in alone] == ["dev"]


def test_parquet_that_may_be_of_any_split_is_refused_beside_named_ones(tmp_path: Path) -> None:
    in_folders(tmp_path / "corpus")
    (tmp_path / "corpus" / "data" / "validation").rename(tmp_path / "corpus" / "data" / "held_out")
    with pytest.raises(CorpusError, match=r"part-0\.parquet: others are named after their split"):
        read("huggingface", tmp_path / "corpus")


def test_splits_of_the_hub_keep_their_names(tmp_path: Path) -> None:
    parquet(tmp_path / "corpus")
    data = tmp_path / "corpus" / "data"
    (data / "test-00000-of-00001.parquet").rename(data / "other-00000-of-00001.parquet")
    assert [u.split for u in read("huggingface", tmp_path / "corpus")] == ["train", "train", "other"]


def test_sources_named_after_a_split_are_that_split(tmp_path: Path) -> None:
    kaldi(tmp_path / "data" / "dev_clean")
    assert {u.split for u in read("kaldi", tmp_path / "data" / "dev_clean")} == {"dev"}
    assert {u.split for u in read("kaldi", tmp_path / "data" / "dev_clean", split="train")} == {"train"}
    nemo(tmp_path / "nemo")
    assert {u.split for u in read("nemo", tmp_path / "nemo" / "test_manifest.json")} == {"test"}
    ljspeech(tmp_path / "lj")
    (tmp_path / "lj" / "metadata.csv").rename(tmp_path / "lj" / "test.csv")
    assert {u.split for u in read("ljspeech", tmp_path / "lj" / "test.csv")} == {"test"}


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
