"""Hugging Face's data: Parquet in one file or in folders, and what `datasets` saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_corpora import CLIPS, parquet, read

from vizinho.corpora.readers import detect, get_reader
from vizinho.errors import CorpusError, VizinhoError


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
