"""Every kind of source that `vizinho corpus shard` takes, written by its own library where there is one."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vizinho.audio.io import SAMPLE_RATE, decode_audio
from vizinho.corpora.manifest import write_manifest
from vizinho.corpora.shards.index import ShardIndex, read_index, read_rows
from vizinho.corpora.shards.make import make_shards
from vizinho.corpora.shards.tars import TarBytes
from vizinho.corpora.shards.writing import ShardOptions
from vizinho.errors import CorpusError
from vizinho.records import Utterance

TEXTS = ["Bom dia.", "Boa noite, senhora.", "São três horas.", "A casa é azul.", "Até já.", "Obrigado."]
SHORT = ShardOptions(shard_minutes=0.03)


def samples(number: int) -> np.ndarray:
    time = np.arange(int(SAMPLE_RATE * (0.6 + 0.1 * number))) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * (200 + 60 * number) * time)).astype(np.float32)


def flac(number: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples(number), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def manifest(folder: Path) -> str:
    folder.mkdir(parents=True)
    utterances = []
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.flac").write_bytes(flac(number))
        seconds = samples(number).size / SAMPLE_RATE
        utterances.append(Utterance(f"u.{number}", folder / f"{number}.flac", text, "pt", "ana", seconds, "train"))
    write_manifest(folder / "pt.jsonl", utterances)
    return str(folder / "pt.jsonl")


def webdataset(folder: Path) -> str:
    """What webdataset's documentation calls its form, by tarfile; `official` below is by its own writer."""
    folder.mkdir(parents=True)
    for shard in range(2):
        with tarfile.open(folder / f"pt-{shard:04d}.tar", "w") as tar:
            for number in range(3 * shard, 3 * shard + 3):
                values = json.dumps({"text": TEXTS[number], "speaker_id": 7}).encode()
                for name, content in ((f"a/{number:04d}.flac", flac(number)), (f"a/{number:04d}.json", values)):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return str(folder)


def official(folder: Path) -> str:
    wds = pytest.importorskip("webdataset")
    folder.mkdir(parents=True)
    with wds.ShardWriter(str(folder / "pt-%06d.tar"), maxcount=2, verbose=0) as sink:
        for number, text in enumerate(TEXTS):
            sink.write({"__key__": f"sample{number:06d}", "flac": flac(number), "txt": text})
    return str(folder)


def lhotse_shar(folder: Path) -> str:
    lhotse = pytest.importorskip("lhotse")
    (folder / "audio").mkdir(parents=True)
    (folder / "shar").mkdir()
    cuts = []
    for number, text in enumerate(TEXTS):
        path = folder / "audio" / f"{number}.flac"
        path.write_bytes(flac(number))
        recording = lhotse.Recording.from_file(path, recording_id=f"rec.{number}")
        said = lhotse.SupervisionSegment(f"s{number}", recording.id, 0, recording.duration, text=text, speaker="rui")
        cuts.append(lhotse.MonoCut(f"cut.{number}-x", 0, recording.duration, 0, [said], recording=recording))
    lhotse.CutSet.from_cuts(cuts).to_shar(folder / "shar", fields={"recording": "flac"}, shard_size=4)
    return str(folder / "shar")


def huggingface(folder: Path) -> str:
    pytest.importorskip("datasets")
    import pyarrow
    import pyarrow.parquet

    folder.mkdir(parents=True)
    rows = [
        {"audio": {"bytes": flac(n), "path": f"{n}.flac"}, "sentence": text, "client_id": "c"}
        for n, text in enumerate(TEXTS)
    ]
    for part in range(2):
        path = folder / f"train-{part:05d}-of-00002.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows[part::2]), path)
    return str(folder)


def saved(folder: Path) -> str:
    datasets = pytest.importorskip("datasets")
    files = [str(path) for path in sorted(Path(huggingface(folder / "parquet")).glob("*.parquet"))]
    made = datasets.Dataset.from_parquet(files, cache_dir=str(folder / "cache"))
    datasets.DatasetDict({"train": made}).save_to_disk(folder / "saved")
    return str(folder / "saved")


SOURCES: dict[str, tuple[str, Callable[[Path], str]]] = {
    "manifest": ("manifest", manifest),
    "webdataset": ("webdataset", webdataset),
    "official webdataset": ("webdataset", official),
    "lhotse shar": ("lhotse-shar", lhotse_shar),
    "huggingface": ("huggingface", huggingface),
    "saved": ("huggingface", saved),
}


def heard(index: ShardIndex) -> dict[str, tuple[np.ndarray, float]]:
    """Samples and seconds by text."""
    read = TarBytes()
    found = {}
    for shard in index.shards:
        for row in read_rows(index.folder / shard.rows, shard.rows_sha256):
            found[row.text] = (decode_audio(read(index.tar(shard), row), row.id)[0], row.duration)
    return found


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    kind, build = SOURCES[request.param]
    return kind, build(tmp_path / "source")


def test_everything_is_there_with_its_audio_and_seconds(source: tuple[str, str], tmp_path: Path) -> None:
    index = make_shards(source[1], tmp_path / "out", lang="pt", options=SHORT)
    found = heard(index)
    assert sorted(found) == sorted(TEXTS)
    for number, text in enumerate(TEXTS):
        np.testing.assert_allclose(found[text][0], samples(number), atol=1e-4)
        assert found[text][1] == pytest.approx(samples(number).size / SAMPLE_RATE, abs=1e-3)
    rows = [row for s in index.shards for row in read_rows(index.folder / s.rows)]
    assert len({row.id for row in rows}) == len(TEXTS)
    assert (index.lang, index.utterances, index.left_out, len(index.shards) > 1) == ("pt", 6, 0, True)
    assert read_index(tmp_path / "out") == index


def test_the_kind_is_guessed_and_can_be_named(source: tuple[str, str], tmp_path: Path) -> None:
    guessed = make_shards(source[1], tmp_path / "a", lang="pt", options=SHORT)
    named = make_shards(source[1], tmp_path / "b", kind=source[0], lang="pt", options=SHORT)
    assert heard(guessed).keys() == heard(named).keys()


def test_again_finds_what_is_there(source: tuple[str, str], tmp_path: Path) -> None:
    index = make_shards(source[1], tmp_path / "out", lang="pt", options=SHORT)
    written = (tmp_path / "out" / "corpus.json").stat().st_mtime_ns
    assert make_shards(source[1], tmp_path / "out", lang="pt", options=SHORT) == index
    assert (tmp_path / "out" / "corpus.json").stat().st_mtime_ns == written


def test_the_official_reader_reads_our_tars(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    index = make_shards(manifest(tmp_path / "source"), tmp_path / "out", options=SHORT)
    tars = [str(index.tar(shard)) for shard in index.shards]
    read = list(wds.WebDataset(tars, shardshuffle=False))
    assert sorted(json.loads(sample["json"])["text"] for sample in read) == sorted(TEXTS)
    by_text = {json.loads(sample["json"])["text"]: sample["flac"] for sample in read}
    assert by_text == {text: flac(n) for n, text in enumerate(TEXTS)}


def test_webdataset_samples_that_lack_something_are_named(tmp_path: Path) -> None:
    tar_path = tmp_path / "tars" / "x.tar"
    tar_path.parent.mkdir()
    members = {
        "good.flac": flac(0), "good.txt": b"um", "mute.json": b'{"text": "dois"}', "wordless.flac": flac(1),
        "broken.flac": b"fLaC?", "broken.txt": b"x", "odd.flac": flac(2), "odd.json": b"{not json",
    }  # fmt: skip
    with tarfile.open(tar_path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    index = make_shards(str(tar_path), tmp_path / "out", lang="pt")
    assert (index.utterances, index.left_out) == (1, 4)
    named = [json.loads(line) for line in (tmp_path / "out" / "left-out.jsonl").read_text("utf-8").splitlines()]
    reasons = {line["where"].rpartition(": ")[2]: line["what"] for line in named}
    assert reasons["mute"].startswith("no audio")
    assert reasons["wordless"].startswith("no text")
    assert "cannot decode" in reasons["broken"]
    assert "not JSON" in reasons["odd"]


def test_a_tar_that_ends_too_early_gives_what_it_has(tmp_path: Path) -> None:
    folder = Path(webdataset(tmp_path / "tars"))
    whole = folder / "pt-0001.tar"
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    index = make_shards(str(folder), tmp_path / "out", lang="pt")
    assert 3 <= index.utterances < 6
    assert "pt-0001.tar" in (tmp_path / "out" / "left-out.jsonl").read_text("utf-8")


def test_tars_of_many_utterances_become_several_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vizinho.corpora.shards import foreign

    monkeypatch.setattr(foreign, "WINDOW_UTTERANCES", 2)
    index = make_shards(webdataset(tmp_path / "tars"), tmp_path / "out", lang="pt")
    assert [shard.utterances for shard in index.shards] == [2, 1, 2, 1]
    assert sorted(heard(index)) == sorted(TEXTS)


def test_a_stream_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vizinho.corpora.shards import streaming

    source = huggingface(tmp_path / "source")
    whole = make_shards(source, tmp_path / "whole", lang="pt", options=SHORT)
    decoded: list[str] = []
    count = streaming.seconds_of

    def stopping(data: bytes, name: str) -> float:
        decoded.append(name)
        if len(decoded) == 5:
            raise KeyboardInterrupt
        return count(data, name)

    monkeypatch.setattr(streaming, "seconds_of", stopping)
    with pytest.raises(KeyboardInterrupt):
        make_shards(source, tmp_path / "out", lang="pt", options=SHORT)
    made = make_shards(source, tmp_path / "out", lang="pt", options=SHORT)
    assert made.fingerprint == whole.fingerprint
    assert decoded[5] != "train-000000000"


def test_what_must_be_told_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="give --lang"):
        make_shards(webdataset(tmp_path / "tars"), tmp_path / "out")
    with pytest.raises(CorpusError, match="unknown kind of source 'kaldi'"):
        make_shards(str(tmp_path / "tars"), tmp_path / "out", kind="kaldi")
    (tmp_path / "empty").mkdir()
    for missing in ("pt.jsonl", str(tmp_path / "missing"), "./shar"):
        with pytest.raises(CorpusError, match="no such file or folder"):
            make_shards(missing, tmp_path / "out", lang="pt")
    with pytest.raises(CorpusError, match="no tars here"):
        make_shards(str(tmp_path / "empty"), tmp_path / "out", kind="lhotse-shar", lang="pt")
    made = make_shards(str(tmp_path / "tars"), tmp_path / "out", lang="pt")
    assert made.utterances == len(TEXTS), "failed tries before are in nobody's way"


def test_tars_named_after_another_split_are_not_trained_on(tmp_path: Path) -> None:
    source = Path(webdataset(tmp_path / "tars"))
    (source / "pt-0001.tar").rename(source / "test-0001.tar")
    index = make_shards(str(source), tmp_path / "out", lang="pt")
    assert (index.utterances, index.left_out) == (3, 1)
    assert "test-0001.tar" in (tmp_path / "out" / "left-out.jsonl").read_text("utf-8")
    assert make_shards(str(source), tmp_path / "of_test", lang="pt", split="test").utterances == 6
    (source / "pt-0000.tar").unlink()
    with pytest.raises(CorpusError, match=r"no tars of split 'train'.*one of test"):
        make_shards(str(source), tmp_path / "none", lang="pt")


def test_parquet_of_another_split_is_not_streamed(tmp_path: Path) -> None:
    source = Path(huggingface(tmp_path / "parquet"))
    (source / "validation").mkdir()
    (source / "train-00001-of-00002.parquet").rename(source / "validation" / "0000.parquet")
    assert make_shards(str(source), tmp_path / "train", lang="pt").utterances == 3
    assert make_shards(str(source), tmp_path / "dev", lang="pt", split="validation").utterances == 3
    with pytest.raises(CorpusError, match=r"no split 'test'.*dev, train"):
        make_shards(str(source), tmp_path / "none", lang="pt", split="test")
