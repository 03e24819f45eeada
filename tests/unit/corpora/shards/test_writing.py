import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from tones import tone_corpus

from vizinho.audio.io import load_audio
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.shards import writing
from vizinho.corpora.shards.index import read_index, read_rows
from vizinho.corpora.shards.tars import TarBytes
from vizinho.corpora.shards.writing import ShardOptions, shard_manifest
from vizinho.errors import CorpusError

SHORT = ShardOptions(shard_minutes=0.1)


@pytest.fixture
def manifest(tmp_path):
    return tone_corpus(tmp_path / "source", count=30, splits=("train", "train", "train", "dev"))


def rows_of(index):
    return [row for shard in index.shards for row in read_rows(index.folder / shard.rows, shard.rows_sha256)]


def test_every_training_utterance_is_in_one_shard_with_its_own_bytes(manifest, tmp_path):
    index = shard_manifest(manifest, tmp_path / "out", SHORT)
    train = {u.id: u for u in read_manifest(manifest) if u.split == "train"}
    assert len(index.shards) > 3
    assert sorted(r.id for r in rows_of(index)) == sorted(train)
    assert index.seconds == pytest.approx(sum(u.duration_seconds for u in train.values()), abs=0.01)
    assert set(index.letters) <= set("abcdefgh")
    assert (index.lang, index.speakers, index.left_out) == ("pt", 1, 0)
    read = TarBytes()
    for shard in index.shards:
        for row in read_rows(index.folder / shard.rows):
            assert read(index.tar(shard), row) == train[row.id].audio.read_bytes()
            assert row.text == train[row.id].text
    assert read_index(tmp_path / "out") == index == read_index(tmp_path / "out" / "corpus.json")


def test_other_programs_can_read_the_tars(manifest, tmp_path):
    index = shard_manifest(manifest, tmp_path / "out", SHORT)
    with tarfile.open(index.tar(index.shards[0])) as tar:
        names = tar.getnames()
        values = json.load(tar.extractfile(names[1]))
    assert names[0].endswith(".wav")
    assert names[1] == names[0].replace(".wav", ".json")
    assert values["lang"] == "pt"
    assert values["id"] == read_rows(index.folder / index.shards[0].rows)[0].id


def test_dev_stays_a_manifest_with_its_audio(manifest, tmp_path):
    index = shard_manifest(manifest, tmp_path / "out", SHORT)
    ours, theirs = read_manifest(index.manifest("dev")), [u for u in read_manifest(manifest) if u.split == "dev"]
    assert [u.id for u in ours] == [u.id for u in theirs]
    assert all(u.audio.is_relative_to(tmp_path / "out") for u in ours)
    np.testing.assert_array_equal(load_audio(ours[0].audio), load_audio(theirs[0].audio))
    assert index.manifest("test") is None


def test_the_same_source_gives_the_same_bytes_and_another_order_others(manifest, tmp_path):
    first, second = (shard_manifest(manifest, tmp_path / name, SHORT) for name in "ab")
    assert first.fingerprint == second.fingerprint
    assert shard_manifest(manifest, tmp_path / "c", replace(SHORT, seed=2)).fingerprint != first.fingerprint


def test_a_stopped_run_goes_on_and_ends_the_same(manifest, tmp_path, monkeypatch):
    whole = shard_manifest(manifest, tmp_path / "whole", SHORT)
    calls = []

    def stopping(path, clips):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(path)
        return write_tar(path, clips)

    write_tar = writing.write_tar
    monkeypatch.setattr(writing, "write_tar", stopping)
    with pytest.raises(KeyboardInterrupt):
        shard_manifest(manifest, tmp_path / "out", SHORT)
    kept = (tmp_path / "out" / "train-000000.tar").stat().st_mtime_ns
    monkeypatch.setattr(writing, "write_tar", write_tar)
    assert shard_manifest(manifest, tmp_path / "out", SHORT).fingerprint == whole.fingerprint
    assert (tmp_path / "out" / "train-000000.tar").stat().st_mtime_ns == kept
    assert not list((tmp_path / "out").glob("making.json"))


def test_again_is_nothing_to_do_and_another_corpus_is_refused(manifest, tmp_path):
    index = shard_manifest(manifest, tmp_path / "out", SHORT)
    assert shard_manifest(manifest, tmp_path / "out", SHORT) == index
    with pytest.raises(CorpusError, match="another corpus is here"):
        shard_manifest(manifest, tmp_path / "out", replace(SHORT, seed=2))
    with pytest.raises(CorpusError, match="another corpus is here"):
        shard_manifest(manifest, tmp_path / "source")


def test_audio_that_is_gone_is_left_out_and_named(manifest, tmp_path):
    utterances = read_manifest(manifest)
    utterances[0].audio.unlink()
    index = shard_manifest(manifest, tmp_path / "out", SHORT)
    assert (index.utterances, index.left_out) == (sum(u.split == "train" for u in utterances) - 1, 1)
    (line,) = (tmp_path / "out" / "left-out.jsonl").read_text().splitlines()
    assert json.loads(line)["where"] == utterances[0].id


def test_what_cannot_be_sharded_is_said(manifest, tmp_path):
    utterances = read_manifest(manifest)
    write_manifest(tmp_path / "two.jsonl", [utterances[0], replace(utterances[1], lang="es")])
    with pytest.raises(CorpusError, match="several languages: es, pt"):
        shard_manifest(tmp_path / "two.jsonl", tmp_path / "out")
    line = manifest.read_text().splitlines()[0]
    (tmp_path / "twice.jsonl").write_text(f"{line}\n{line}\n")
    with pytest.raises(CorpusError, match="an id occurs more than once"):
        shard_manifest(tmp_path / "twice.jsonl", tmp_path / "other")
    with pytest.raises(CorpusError, match=r"no utterances in split 'train'.*only in dev"):
        write_manifest(tmp_path / "dev.jsonl", [u for u in utterances if u.split == "dev"])
        shard_manifest(tmp_path / "dev.jsonl", tmp_path / "none")
    with pytest.raises(CorpusError, match="cannot read the manifest"):
        shard_manifest(tmp_path / "missing.jsonl", tmp_path / "none")


def test_a_folder_that_is_no_sharded_corpus_is_refused(manifest, tmp_path):
    with pytest.raises(CorpusError, match=r"no corpus\.json here"):
        read_index(tmp_path)
    (tmp_path / "corpus.json").write_text("{}")
    with pytest.raises(CorpusError, match="not an index of shards"):
        read_index(tmp_path)
    with pytest.raises(CorpusError, match="not a manifest -> give the manifest that it was made of"):
        read_manifest(tmp_path)


def test_a_folder_of_shards_in_a_manifests_place_names_the_manifests_in_it(manifest, tmp_path):
    shard_manifest(manifest, tmp_path / "out", SHORT)
    with pytest.raises(CorpusError, match=r"a folder of shards, not a manifest -> give .*out/dev\.jsonl: shards"):
        read_manifest(tmp_path / "out")


def test_changed_rows_are_noticed(manifest, tmp_path):
    index = shard_manifest(manifest, tmp_path / "out", SHORT)
    path = index.folder / index.shards[0].rows
    path.write_text(path.read_text().replace("a", "b"))
    with pytest.raises(CorpusError, match="have changed since"):
        read_rows(path, index.shards[0].rows_sha256)
