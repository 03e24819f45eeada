from dataclasses import replace

import numpy as np
import pytest
import torch
from tones import tone_corpus

from vizinho.audio.augment import AugmentOptions
from vizinho.corpora.batches import BatchAudio, BatchData, ListedSource, stream
from vizinho.corpora.manifest import read_manifest, write_manifest
from vizinho.corpora.shards.index import read_index
from vizinho.corpora.shards.source import MOST_EMPTY, ShardedExamples, Withheld
from vizinho.corpora.shards.writing import ShardOptions, shard_manifest
from vizinho.errors import CorpusError
from vizinho.job.job import Job
from vizinho.job.start import make_ready
from vizinho.training.options import TrainingOptions

BATCH_SECONDS = 4.0


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A manifest of 24 training utterances, the job over it, and how it prepares utterances."""
    folder = tmp_path_factory.mktemp("source")
    manifest = tone_corpus(folder, count=32, splits=("train", "train", "train", "dev"))
    shard_manifest(manifest, folder / "shards", ShardOptions(shard_minutes=0.08))
    options = TrainingOptions(batch_seconds=BATCH_SECONDS, augment=AugmentOptions(speed_share=1.0))
    listed = make_ready(Job("pt", (manifest,), preset="micro", options=options))
    sharded = make_ready(Job("pt", (folder / "shards",), preset="micro", options=options))
    return folder, listed, sharded


@pytest.fixture
def shards(source, tmp_path):
    """A copy of the shards that a test may break, and its examples."""
    index = shard_manifest(source[0] / "pt.jsonl", tmp_path / "shards", ShardOptions(shard_minutes=0.08))
    return index, replace(source[2].prepared.examples, indexes=(index,))


def epoch(gather):
    number, made = 0, []
    while (found := gather(number)).epoch == 0:
        made.append(found)
        number += 1
    return made


def ids(gathered):
    return [[e.utterance.id for e in g.examples] for g in gathered]


def test_a_job_over_shards_has_the_same_tokens_start_and_counts(source):
    _, listed, sharded = source
    assert sharded.checkpoint.inventory == listed.checkpoint.inventory
    assert all(torch.equal(sharded.start[name], listed.start[name]) for name in listed.start)
    assert sharded.prepared.letters == listed.prepared.letters
    ours, theirs = sharded.target, listed.target
    assert (ours.utterances, ours.speakers) == (theirs.utterances, theirs.speakers)
    assert ours.minutes == pytest.approx(theirs.minutes, abs=1e-4)
    assert [u.id for u in sharded.dataset.dev] == [u.id for u in listed.dataset.dev]
    assert sharded.identity != listed.identity


def test_labels_and_samples_are_those_of_the_manifest(source):
    _, listed, sharded = source
    theirs = {e.utterance.id: e for e in listed.prepared.examples}
    samples = {}
    gather = ListedSource(listed.prepared.examples, BATCH_SECONDS, 1)
    for made in epoch(gather):
        samples |= {e.utterance.id: s for e, s in zip(made.examples, made.samples, strict=True)}
    seen = []
    for made in epoch(sharded.prepared.examples.source(BATCH_SECONDS, 1)):
        for example, audio in zip(made.examples, made.samples, strict=True):
            seen.append(example.utterance.id)
            assert example.labels == theirs[seen[-1]].labels
            np.testing.assert_array_equal(audio, samples[seen[-1]])
    assert sorted(seen) == sorted(theirs)


def test_an_utterance_is_varied_as_it_would_be_from_a_manifest(source):
    """Augmentation follows (seed, epoch, id), so where an utterance is read from changes nothing."""
    _, listed, sharded = source
    front, augment = listed.checkpoint.front, listed.job.options.augment
    example = sharded.prepared.examples.source(BATCH_SECONDS, 1)(0).examples[0]
    twin = next(e for e in listed.prepared.examples if e.utterance.id == example.utterance.id)

    def one(examples_of):
        found = examples_of(0)
        kept = [n for n, e in enumerate(found.examples) if e.utterance.id == example.utterance.id]
        alone = BatchAudio(0, [found.examples[n] for n in kept], [found.samples[n] for n in kept])
        return BatchData(lambda _number: alone, front, augment, 1)[0]

    ours, theirs = one(sharded.prepared.examples.source(BATCH_SECONDS, 1)), one(ListedSource([twin], BATCH_SECONDS, 1))
    assert torch.equal(ours.features, theirs.features)
    assert torch.equal(ours.labels, theirs.labels)


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_give_the_same_batches(source, workers):
    _, listed, sharded = source
    made = {}
    for count in (0, workers):
        gather = sharded.prepared.examples.source(BATCH_SECONDS, 1)
        data = BatchData(gather, listed.checkpoint.front, listed.job.options.augment, 1)
        made[count] = list(stream(data, range(5, 22), count))
    for ours, theirs in zip(made[0], made[workers], strict=True):
        assert ours.ids == theirs.ids
        assert torch.equal(ours.features, theirs.features)


def test_broken_utterances_drop_out_by_name_and_the_rest_goes_on(shards):
    index, examples = shards
    whole = ids(epoch(examples.source(BATCH_SECONDS, 1)))
    victim = whole[2][0]
    shard, row = next((s, r) for s in index.shards for r in rows_of(index, s) if r.id == victim)
    with index.tar(shard).open("r+b") as file:
        file.seek(row.offset)
        file.write(b"\0" * 200)
    made = epoch(examples.source(BATCH_SECONDS, 1))
    assert ids(made)[2] == whole[2][1:]
    assert [b for n, b in enumerate(ids(made)) if n != 2] == [b for n, b in enumerate(whole) if n != 2]
    assert [name for m in made for name, _ in m.broken] == [victim]


def rows_of(index, shard):
    from vizinho.corpora.shards.index import read_rows

    return read_rows(index.folder / shard.rows)


@pytest.mark.parametrize("lost", ["tar", "rows"])
def test_a_lost_shard_is_named_once_a_batch_and_the_rest_goes_on(shards, lost):
    index, examples = shards
    gone = {r.id for r in rows_of(index, index.shards[0])}
    (index.tar(index.shards[0]) if lost == "tar" else index.folder / index.shards[0].rows).unlink()
    made = epoch(examples.source(BATCH_SECONDS, 1))
    seen = {i for batch in ids(made) for i in batch}
    everything = {r.id for s in index.shards[1:] for r in rows_of(index, s)}
    assert seen == everything
    assert not seen & gone
    named = {pair for m in made for pair in m.broken}
    assert len(named) == 1
    ((name, reason),) = named
    assert name.endswith(index.shards[0].rows)
    assert f"its {index.shards[0].utterances} utterances are left out" in reason


def test_a_batch_without_anything_borrows_so_that_no_step_is_empty(shards):
    index, examples = shards
    for shard in index.shards[1:]:
        index.tar(shard).unlink()
    gather = examples.source(BATCH_SECONDS, 1)
    kept = {r.id for r in rows_of(index, index.shards[0])}
    for number in range(20):
        found = {e.utterance.id for e in gather(number).examples}
        assert found and found <= kept


def test_when_nothing_can_be_used_it_is_an_error(shards):
    index, examples = shards
    for shard in index.shards:
        index.tar(shard).unlink()
    with pytest.raises(CorpusError, match=f"of {MOST_EMPTY} batches in a row"):
        examples.source(BATCH_SECONDS, 1)(0)


def test_what_cannot_be_trained_on_is_found_on_the_way(source, tmp_path):
    utterances = list(read_manifest(source[0] / "pt.jsonl"))
    utterances[0] = replace(utterances[0], text=utterances[0].text * 30)
    utterances[1] = replace(utterances[1], text="...")
    utterances[2] = replace(utterances[2], duration_seconds=utterances[2].duration_seconds + 1)
    write_manifest(tmp_path / "bad.jsonl", utterances)
    index = shard_manifest(tmp_path / "bad.jsonl", tmp_path / "shards")
    made = epoch(replace(source[2].prepared.examples, indexes=(index,)).source(BATCH_SECONDS, 1))
    reasons = dict(pair for m in made for pair in m.broken)
    assert set(reasons) == {u.id for u in utterances[:3]}
    assert "labels but only" in reasons[utterances[0].id]
    assert reasons[utterances[1].id] == "no text left after normalising"
    assert "the manifest says" in reasons[utterances[2].id]


def test_recordings_of_dev_and_of_a_pinned_set_are_never_trained_on(source, tmp_path):
    utterances = read_manifest(source[0] / "pt.jsonl")
    dev = next(u for u in utterances if u.split == "dev")
    write_manifest(tmp_path / "leak.jsonl", [*utterances, replace(dev, id="copy", split="train")])
    shard_manifest(tmp_path / "leak.jsonl", tmp_path / "shards")
    pinned = next(u for u in utterances if u.split == "train")
    ready = make_ready(Job("pt", (tmp_path / "shards",), preset="micro"), pinned=[pinned])
    made = epoch(ready.prepared.examples.source(BATCH_SECONDS, 1))
    assert {i for batch in ids(made) for i in batch} == {
        u.id for u in utterances if u.split == "train" and u is not pinned
    }
    assert {name for m in made for name, _ in m.broken} == {"copy", pinned.id}


def test_withheld_recordings_are_known_by_their_bytes(source):
    (utterance, other) = read_manifest(source[0] / "pt.jsonl")[:2]
    withheld = Withheld.of([utterance])
    assert withheld.has(utterance.audio.read_bytes())
    assert not withheld.has(other.audio.read_bytes())
    assert not withheld.has(bytes(len(utterance.audio.read_bytes())))


def test_several_sharded_corpora_are_one(source, tmp_path):
    folder = source[0]
    other = tone_corpus(tmp_path / "more", count=6, lang="pt", seed=9)
    renamed = [replace(u, id=f"more-{u.id}") for u in read_manifest(other)]
    write_manifest(tmp_path / "more.jsonl", renamed)
    shard_manifest(tmp_path / "more.jsonl", tmp_path / "shards")
    ready = make_ready(Job("pt", (folder / "shards", tmp_path / "shards"), preset="micro"))
    assert isinstance(ready.prepared.examples, ShardedExamples)
    seen = {i for batch in ids(epoch(ready.prepared.examples.source(BATCH_SECONDS, 1))) for i in batch}
    assert seen == {u.id for u in renamed} | {u.id for u in read_manifest(folder / "pt.jsonl") if u.split == "train"}


def test_jobs_refuse_what_shards_cannot_do(source, tmp_path):
    folder = source[0]
    with pytest.raises(CorpusError, match="in 'pt', not in 'es'"):
        make_ready(Job("es", (folder / "shards",)))
    with pytest.raises(CorpusError, match="a manifest with a train split next to shards"):
        make_ready(Job("pt", (folder / "shards", tone_corpus(tmp_path, count=3, seed=8))))
    with pytest.raises(Exception, match="these corpora are shards"):
        make_ready(Job("pt", (folder / "shards",), minutes=1.0))
    write_manifest(tmp_path / "train.jsonl", [u for u in read_manifest(folder / "pt.jsonl") if u.split == "train"])
    shard_manifest(tmp_path / "train.jsonl", tmp_path / "alone")
    with pytest.raises(CorpusError, match="no dev split"):
        make_ready(Job("pt", (tmp_path / "alone",)))
    assert read_index(tmp_path / "alone").manifests == {}
