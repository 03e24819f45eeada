import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.server.security.refusals import Refusal
from vizinho.server.workers.turns import Turns


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_every_item_comes_once_in_its_clients_order_and_no_client_comes_twice_while_another_waits(clients):
    turns = Turns(100)
    for number, client in enumerate(clients):
        turns.put(client, (client, number))
    taken = []
    while (item := turns.take()) is not None:
        taken.append(item)
    assert sorted(taken, key=lambda i: i[1]) == list(zip(clients, range(len(clients)), strict=True))
    for client in "abc":
        own = [i for i in taken if i[0] == client]
        assert own == sorted(own, key=lambda i: i[1])
    for at, (client, _) in enumerate(taken[:-1]):
        if taken[at + 1][0] == client:
            assert {c for c, _ in taken[at:]} == {client}


def test_one_clients_hundred_files_do_not_hold_up_anothers_first():
    turns = Turns(200)
    for number in range(100):
        turns.put("busy", f"busy {number}")
    turns.put("rare", "rare")
    assert "rare" in [turns.take(), turns.take()]


def test_a_full_queue_says_when_to_come_again_but_takes_back_what_it_had_accepted():
    turns = Turns(1)
    turns.put("a", "first")
    with pytest.raises(Refusal) as refused:
        turns.put("b", "second", retry_after_seconds=7)
    assert (refused.value.status, refused.value.retry_after_seconds) == (503, 7)
    turns.put_back("b", "accepted before")
    assert len(turns) == 2


def test_whoever_leaves_is_not_called():
    turns = Turns(10)
    turns.put("a", "first")
    turns.put("a", "second")
    assert turns.remove("a", "first") and not turns.remove("a", "first") and not turns.remove("b", "second")
    assert (turns.take(), turns.take()) == ("second", None)
