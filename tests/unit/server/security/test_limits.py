import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.server.security.limits import Admission, Limits, Rate
from vizinho.server.security.refusals import Refusal


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def refusal(call, *arguments):
    with pytest.raises(Refusal) as refused:
        call(*arguments)
    return refused.value


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_no_minute_has_more_requests_than_the_rate_and_one_burst(pauses):
    clock = Clock()
    rate = Rate(60, clock)
    passed = []
    for pause in pauses:
        clock.now += pause
        try:
            rate.take("a")
            passed.append(clock.now)
        except Refusal:
            continue
    for start in passed:
        assert sum(start <= t < start + 60 for t in passed) <= 60 + rate.burst


def test_retry_after_is_when_a_request_is_let_through_again():
    clock = Clock()
    rate = Rate(6, clock)
    rate.take("a")
    refused = refusal(rate.take, "a")
    assert (refused.status, refused.retry_after_seconds) == (429, 10)
    rate.take("b")
    clock.now += refused.retry_after_seconds
    rate.take("a")


def test_clients_that_were_forgotten_had_their_burst_back():
    clock = Clock()
    rate = Rate(60, clock)
    for number in range(10_001):
        clock.now += 0.01
        rate.take(str(number))
    assert len(rate._buckets) < 200


def test_requests_of_one_client_do_not_use_up_anothers():
    admission = Admission(Limits(max_requests_per_client=2, requests_per_minute=6000), Clock())
    admission.request("a")
    admission.request("a")
    assert refusal(admission.request, "a").status == 429
    admission.request("b")
    admission.requests.give_back("a")
    admission.request("a")


def test_streams_are_limited_for_one_and_for_all():
    admission = Admission(Limits(max_streams=3, max_streams_per_client=2, requests_per_minute=6000), Clock())
    admission.stream("a")
    admission.stream("a")
    assert refusal(admission.stream, "a").status == 429
    admission.stream("b")
    full = refusal(admission.stream, "c")
    assert (full.status, full.retry_after_seconds) == (503, 5)


def test_bodies_are_limited_one_by_one_and_together():
    admission = Admission(Limits(max_body_bytes=10, max_memory_bytes=15), Clock())
    admission.body("a", 0, 10)
    assert refusal(admission.body, "a", 10, 1).status == 413
    assert refusal(admission.body, "b", 0, 6).status == 503
    admission.body_bytes.give_back("a", 10)
    admission.body("b", 0, 6)
    assert admission.body_bytes.total() == 6


def test_a_server_that_stops_takes_nothing_new():
    admission = Admission(Limits(), Clock())
    admission.draining = True
    assert refusal(admission.request, "a").code == refusal(admission.stream, "a").code == "DRAINING"


def bounded(most):
    """Streams, requests and bytes, at most so many of each."""
    return Limits(
        max_streams=most, max_streams_per_client=most, max_waiting=0, max_requests_per_client=most,
        max_memory_bytes=most, requests_per_minute=10**9,
    )  # fmt: skip


TAKEN = {
    "streams": lambda admission, client: admission.stream(client),
    "requests": lambda admission, client: admission.request(client),
    "body_bytes": lambda admission, client: admission.body(client, 0, 1),
}


@pytest.mark.parametrize("kind", TAKEN)
@given(st.integers(2, 6), st.integers(4, 40), st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=200))
def test_every_client_gets_its_share_whatever_the_others_do(kind, clients, most, moves):
    admission = Admission(bounded(most), Clock(), clients=clients)
    used = getattr(admission, kind)
    for number, takes in moves:
        client = str(number % clients)
        if not takes:
            if used[client]:
                used.give_back(client)
            continue
        with contextlib.suppress(Refusal):
            TAKEN[kind](admission, client)
        assert used.total() <= most
    with contextlib.suppress(Refusal):
        while True:
            TAKEN[kind](admission, "0")
    for client in map(str, range(clients)):
        while used[client] < most // (2 * clients):
            TAKEN[kind](admission, client)


def test_a_client_alone_gets_what_is_not_kept_for_the_other():
    admission = Admission(
        Limits(max_streams=8, max_streams_per_client=8, requests_per_minute=10**6), Clock(), clients=2
    )
    for _ in range(6):
        admission.stream("a")
    with pytest.raises(Refusal) as refused:
        admission.stream("a")
    assert refused.value.status == 429
    admission.stream("b")
    admission.stream("b")
