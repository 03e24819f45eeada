import asyncio
import socket
from functools import partial
from itertools import pairwise

import pytest
import uvicorn

from vizinho.server.security.connections import Connections, _network
from vizinho.server.security.limits import Limits
from vizinho.server.security.metrics import Metrics


class Connection:
    """As much of a connection as is counted."""

    def __init__(self, connections, address):
        self.connections, self.address, self.ended = connections, address, False

    def give_way(self):
        self.ended = True
        self.connections.remove(self)


def opened(connections, address, count):
    made = [Connection(connections, address) for _ in range(count)]
    return made, [connections.add(connection) for connection in made]


@pytest.fixture
def connections():
    return Connections(Limits(max_connections=10, max_waiting_connections=4), Metrics())


def test_the_oldest_of_one_address_gives_way_to_its_newest_and_to_nobody_elses(connections):
    others, _ = opened(connections, "b", 3)
    own, _ = opened(connections, "a", 6)
    assert [c.ended for c in own] == [True, True, False, False, False, False]
    assert not any(c.ended for c in others)


def test_when_all_places_are_taken_the_address_that_holds_most_gives_way(connections):
    for address, count in (("a", 4), ("b", 3), ("c", 3)):
        opened(connections, address, count)
    crowd = list(connections._waiting["a"])
    (newcomer,), (welcome,) = opened(connections, "d", 1)
    assert welcome and crowd[0].ended and not newcomer.ended


def test_a_connection_on_which_a_request_is_answered_gives_way_to_nobody(connections):
    busy, _ = opened(connections, "a", 4)
    for connection in busy:
        connections.serve(connection)
    opened(connections, "a", 5)
    assert not any(c.ended for c in busy)
    everyone = [*busy]
    for address in "bcdefg":
        (connection,), _ = opened(connections, address, 1)
        connections.serve(connection)
        everyone.append(connection)
    assert len(everyone) == 10 and not any(c.ended for c in everyone)
    assert opened(connections, "h", 1)[1] == [False]
    connections.wait(busy[0])
    assert opened(connections, "h", 1)[1] == [True] and busy[0].ended


def test_a_crowd_of_heads_makes_nobody_wait_but_itself(connections):
    """One is read in a turn of the loop, and work that was begun goes on between them."""
    order = []

    async def read_all():
        def work():
            order.append("work")
            if len(order) < 20:
                asyncio.get_running_loop().call_soon(work)

        asyncio.get_running_loop().call_soon(work)
        for number, address in enumerate("aaaabb"):
            later = partial(order.append, f"{address}{number}")
            if connections.may_read(Connection(connections, address), later):
                later()
        while len(order) < 20:
            await asyncio.sleep(0)
        assert connections.may_read(Connection(connections, "c"), order.clear)

    asyncio.run(read_all())
    heads = [what for what in order if what != "work"]
    assert heads == ["a0", "a1", "b4", "a2", "b5", "a3"]
    places = [order.index(head) for head in heads]
    assert all("work" in order[before:after] for before, after in pairwise(places))


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        (("10.1.2.3", 5), "10.1.2.3"),
        (("::ffff:10.1.2.3", 5, 0, 0), "10.1.2.3"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        (None, ""),
        ("/run/socket", ""),
    ],
)
def test_whom_a_connection_counts_for(peer, network):
    assert _network(peer) == network


def test_time_runs_out_on_a_client_that_has_gone_without_a_word(caplog):
    """The transport reads nothing, so it does not know that the peer has closed."""

    async def serve_one():
        limits = Limits(header_seconds=0.2)
        config = uvicorn.Config(lambda scope, receive, send: None)
        config.load()
        guards = []

        def guarded():
            guards.append(
                Connections(limits, Metrics()).protocol()(
                    config=config, server_state=uvicorn.server.ServerState(), app_state={}
                )
            )
            return guards[-1]

        server = await asyncio.get_running_loop().create_server(guarded, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        client.sendall(b"GET / HT")
        while not guards or not guards[0]._head_bytes:
            await asyncio.sleep(0.01)
        guards[0]._transport.pause_reading()
        client.close()  # the answer is met by a reset, and then there is no connection to end
        await asyncio.sleep(0.5)
        server.close()

    asyncio.run(serve_one())
    assert not caplog.records
