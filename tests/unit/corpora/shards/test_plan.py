import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizinho.corpora.shards.index import Row
from vizinho.corpora.shards.plan import Place, Places, ShardPlan
from vizinho.errors import CorpusError

shards_of = st.lists(st.lists(st.floats(0.3, 20), min_size=1, max_size=12), min_size=1, max_size=8)


def plan_over(shards, batch_seconds=30.0, seed=1, window=10, places=None):
    rows = [[Row(f"{s}-{n}", "", "", d, 0, 0) for n, d in enumerate(durations)] for s, durations in enumerate(shards)]
    return ShardPlan(
        [len(r) for r in rows], rows.__getitem__, batch_seconds, seed, window_utterances=window, places=places
    )


def ids(plan, number):
    epoch, picked = plan(number)
    return epoch, [row.id for _, row in picked]


def epoch_of(plan, epoch):
    """The batches of an epoch as lists of rows, counted from batch 0."""
    number, found = 0, []
    while (made := plan(number))[0] <= epoch:
        if made[0] == epoch:
            found.append([row for _, row in made[1]])
        number += 1
    return found


@settings(max_examples=40)
@given(shards_of, st.floats(5, 80), st.integers(0, 99), st.integers(1, 40), st.integers(0, 2))
def test_an_epoch_holds_everything_once_and_batches_fit(shards, batch_seconds, seed, window, epoch):
    batches = epoch_of(plan_over(shards, batch_seconds, seed, window), epoch)
    seen = sorted(row.id for batch in batches for row in batch)
    assert seen == sorted(f"{s}-{n}" for s, durations in enumerate(shards) for n in range(len(durations)))
    for batch in batches:
        assert len(batch) == 1 or max(row.duration for row in batch) * len(batch) <= batch_seconds


@settings(max_examples=40)
@given(shards_of, st.integers(0, 99), st.integers(1, 40), st.integers(0, 60))
def test_going_on_at_any_batch_gives_the_same_sequence(shards, seed, window, start):
    alone = plan_over(shards, seed=seed, window=window)
    expected = [ids(alone, n) for n in range(start + 12)][start:]
    resumed = plan_over(shards, seed=seed, window=window)
    assert [ids(resumed, n) for n in range(start, start + 12)] == expected


@settings(max_examples=40)
@given(shards_of, st.integers(0, 9), st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_batches_can_be_asked_for_in_any_order(shards, seed, numbers):
    straight = plan_over(shards, seed=seed)
    expected = {n: ids(straight, n) for n in range(51)}
    again = plan_over(shards, seed=seed)
    assert [ids(again, n) for n in numbers] == [expected[n] for n in numbers]


@settings(max_examples=40)
@given(shards_of, st.integers(0, 99), st.integers(1, 40), st.integers(0, 50))
def test_noted_places_change_nothing_but_the_work(tmp_path_factory, shards, seed, window, start):
    path = tmp_path_factory.mktemp("run") / "places.jsonl"
    first = plan_over(shards, seed=seed, window=window, places=Places(path))
    expected = [ids(first, n) for n in range(start + 5)][start:]
    resumed = plan_over(shards, seed=seed, window=window, places=Places(path))
    assert [ids(resumed, n) for n in range(start, start + 5)] == expected


def test_going_on_reads_one_window_and_not_all_before_it(tmp_path):
    shards = [[1.0] * 10 for _ in range(50)]
    noting = plan_over(shards, window=10, places=Places(tmp_path / "places.jsonl"))
    noting(120)
    read = []
    rows = [[Row(f"{s}-{n}", "", "", 1.0, 0, 0) for n in range(10)] for s in range(50)]

    def counted(number):
        read.append(number)
        return rows[number]

    resumed = ShardPlan([10] * 50, counted, 30.0, 1, window_utterances=10, places=Places(tmp_path / "places.jsonl"))
    assert ids(resumed, 120) == ids(noting, 120)
    assert len(read) == 1


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path):
    path = tmp_path / "places.jsonl"
    path.write_text(json.dumps({"first": 7, "epoch": 0, "window": 2}) + '\n{"first": 9, "ep')
    assert Places(path).before(100) == Place(7, 0, 2)
    assert Places(path).before(6) == Place()


def test_epochs_differ_and_seeds_differ():
    shards = [[1.0, 2.0, 3.0]] * 12
    first, second = (epoch_of(plan_over(shards), e) for e in (0, 1))
    assert first != second
    assert epoch_of(plan_over(shards, seed=4), 0) != first


def test_a_window_mixes_the_shards_in_it():
    shards = [[2.0] * 20 for _ in range(4)]
    mixed = [{row.id.split("-")[0] for row in batch} for batch in epoch_of(plan_over(shards, window=80), 0)]
    assert max(len(group) for group in mixed) > 1


def test_lost_shards_leave_the_rest_and_nothing_left_is_an_error():
    rows = [[Row("a", "", "", 1.0, 0, 0)], []]
    plan = ShardPlan([1, 5], rows.__getitem__, 30.0, 1, window_utterances=1)
    assert {ids(plan, n)[1][0] for n in range(4)} == {"a"}
    with pytest.raises(CorpusError, match="no shard can be read"):
        ShardPlan([1, 5], lambda _number: [], 30.0, 1)(0)
    with pytest.raises(CorpusError, match="no utterances"):
        ShardPlan([], lambda _number: [], 30.0, 1)
