import multiprocessing
import signal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.audio.io import load_audio, save_audio
from vizinho.corpora.batches import BatchPlan, DecodedAudio, _deaths_named, batch_statistics, stream
from vizinho.errors import CorpusError, ModelError


def epoch_of(plan, number_of_utterances, start=0):
    seen, number = [], start
    while len(seen) < number_of_utterances:
        seen += plan(number)[1]
        number += 1
    return seen, number


@given(st.lists(st.floats(0.3, 20), min_size=1, max_size=60), st.floats(5, 80), st.integers(0, 99))
def test_an_epoch_holds_everything_once_and_batches_fit(durations, batch_seconds, seed):
    plan = BatchPlan(durations, batch_seconds, seed)
    seen, after = epoch_of(plan, len(durations))
    assert sorted(seen) == list(range(len(durations)))
    for number in range(after):
        chosen = plan(number)[1]
        assert len(chosen) == 1 or max(durations[i] for i in chosen) * len(chosen) <= batch_seconds


def test_any_batch_can_be_asked_for_in_any_order():
    durations = np.random.default_rng(1).uniform(1, 9, 50)
    straight = BatchPlan(durations, 30, seed=3)
    expected = [straight(n) for n in range(40)]
    again = BatchPlan(durations, 30, seed=3)
    assert [again(n) for n in reversed(range(40))] == expected[::-1]


def test_epochs_differ_and_seeds_differ():
    durations = np.random.default_rng(1).uniform(1, 9, 50)
    plan = BatchPlan(durations, 30, seed=3)
    first, after = epoch_of(plan, 50)
    second, _ = epoch_of(plan, 50, start=after)
    assert first != second
    assert epoch_of(BatchPlan(durations, 30, seed=4), 50)[0] != first


def test_little_is_padding():
    durations = np.random.default_rng(1).uniform(1, 9, 500)
    plan = BatchPlan(durations, 60, seed=1)
    padded = sum(max(durations[i] for i in plan(n)[1]) * len(plan(n)[1]) for n in range(epoch_of(plan, 500)[1]))
    assert durations.sum() / padded > 0.85
    assert all(a != b for a, b in pairwise([plan(n)[1] for n in range(10)]))


def test_the_first_epoch_is_described():
    assert batch_statistics([2.0] * 12, 8.0, 1) == "3 batches an epoch, of 8.0 s on average, 0% of it padding"
    # Two of three seconds and one of one, in a batch of nine: two seconds of padding.
    assert batch_statistics([3.0, 3.0, 1.0], 9.0, 1) == "1 batch an epoch, of 9.0 s on average, 22% of it padding"


def test_nothing_to_train_on():
    with pytest.raises(CorpusError):
        BatchPlan([], 30, 1)


def test_decoded_audio_is_kept_while_there_is_room_and_is_the_same_beyond_it(tmp_path):
    paths = [tmp_path / f"{n}.wav" for n in range(3)]
    for n, path in enumerate(paths):
        save_audio(path, np.full(1000, 0.1 * (n + 1), dtype=np.float32))
    expected = [load_audio(path) for path in paths]
    decode = DecodedAudio(limit_bytes=2 * expected[0].nbytes)
    first = [decode(path) for path in paths]
    second = [decode(path) for path in paths]
    assert [a is b for a, b in zip(first, second, strict=True)] == [True, True, False]
    for samples, wanted in zip(second, expected, strict=True):
        np.testing.assert_array_equal(samples, wanted)


def test_kept_audio_cannot_be_changed_by_its_user(tmp_path):
    save_audio(tmp_path / "a.wav", np.ones(1000, dtype=np.float32) / 2)
    with pytest.raises(ValueError, match="read-only"):
        DecodedAudio()(tmp_path / "a.wav")[0] = 1.0


def broken_off(error):
    yield 0
    raise error


@pytest.mark.parametrize(
    "said", [ConnectionResetError(104, "reset"), EOFError(), RuntimeError("DataLoader worker (pid 7) is killed")]
)
def test_a_dead_process_is_named_whatever_told_of_it(said):
    with pytest.raises(ModelError, match="a process that prepares batches was killed"):
        list(_deaths_named(broken_off(said)))


@pytest.mark.parametrize("said", [FileNotFoundError(2, "no such file", "a.wav"), RuntimeError("shapes differ")])
def test_other_errors_stay_what_they_are(said):
    with pytest.raises(type(said)):
        list(_deaths_named(broken_off(said)))


def test_a_dead_process_is_told_of_where_the_next_batch_is_asked_for_and_nowhere_else():
    before = signal.getsignal(signal.SIGCHLD)
    others = set(multiprocessing.active_children())
    batches = stream(list(range(1000)), range(1000), 1)
    assert next(batches) == 0
    [worker] = set(multiprocessing.active_children()) - others
    worker.kill()
    worker.join()  # the signal of its death has come
    assert signal.getsignal(signal.SIGCHLD) is before
    with pytest.raises(ModelError, match="a process that prepares batches was killed"):
        list(batches)
