import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.server.security.refusals import Refusal
from vizinho.server.workers.fair_queue import FairQueue


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_every_item_comes_once_in_its_clients_order_and_no_client_comes_twice_while_another_waits(clients):
    queue = FairQueue(100)
    for number, client in enumerate(clients):
        queue.put(client, (client, number))
    taken = []
    while (item := queue.take()) is not None:
        taken.append(item)
    assert sorted(taken, key=lambda i: i[1]) == list(zip(clients, range(len(clients)), strict=True))
    for client in "abc":
        own = [i for i in taken if i[0] == client]
        assert own == sorted(own, key=lambda i: i[1])
    for at, (client, _) in enumerate(taken[:-1]):
        if taken[at + 1][0] == client:
            assert {c for c, _ in taken[at:]} == {client}


def test_one_clients_hundred_files_do_not_hold_up_anothers_first():
    queue = FairQueue(200)
    for number in range(100):
        queue.put("busy", f"busy {number}")
    queue.put("rare", "rare")
    assert "rare" in [queue.take(), queue.take()]


def test_a_full_queue_says_when_to_come_again_but_takes_back_what_it_had_accepted():
    queue = FairQueue(1)
    queue.put("a", "first")
    with pytest.raises(Refusal) as refused:
        queue.put("b", "second", retry_after_seconds=7)
    assert (refused.value.status, refused.value.retry_after_seconds) == (503, 7)
    queue.put_back("b", "accepted before")
    assert len(queue) == 2


def test_whoever_leaves_is_not_called():
    queue = FairQueue(10)
    queue.put("a", "first")
    queue.put("a", "second")
    assert queue.remove("a", "first") and not queue.remove("a", "first") and not queue.remove("b", "second")
    assert (queue.take(), queue.take()) == ("second", None)


def test_a_few_clients_that_fill_the_queue_do_not_keep_the_next_one_out():
    queue = FairQueue(8)
    for client in "aabbaabb":
        queue.put(client, client)
    for greedy in "ab":
        with pytest.raises(Refusal):
            queue.put(greedy, greedy)
    queue.put("c", "c")
    queue.put("c", "c")
    with pytest.raises(Refusal):
        queue.put("c", "c")
    assert [queue.take() for _ in range(3)] == ["a", "b", "c"]
