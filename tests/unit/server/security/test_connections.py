import asyncio
import socket
from functools import partial
from itertools import pairwise

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from vizinho.server.security.connections import Connections, _network
from vizinho.server.security.frame import Frame
from vizinho.server.security.limits import Limits
from vizinho.server.security.metrics import Metrics


class Connection:
    """As much of a connection as is counted."""

    def __init__(self, connections, address):
        self.connections, self.address = connections, address
        self.ended = self.unread = self.new = False

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


def test_a_request_that_waits_to_be_read_gives_way_after_all_that_had_their_turn(connections):
    own, _ = opened(connections, "a", 4)
    own[0].unread = own[2].unread = True
    newest, _ = opened(connections, "a", 2)
    assert [c.ended for c in own] == [False, True, False, True]
    for connection in newest:
        connection.unread = True
    opened(connections, "a", 1)
    assert own[0].ended, "where all wait, the oldest"


def test_one_that_has_hardly_come_does_not_give_way_before_those_that_had_their_turn(connections):
    own, _ = opened(connections, "a", 4)
    own[0].unread = own[1].unread = own[3].new = True
    opened(connections, "a", 1)
    assert [c.ended for c in own] == [False, False, True, False]


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


class Serving:
    """An app behind guards in this process; `passed` is how many bytes the HTTP parser had in each call."""

    def __init__(self, app, limits):
        self.guards, self.passed = [], []
        framed = Frame(app, limits, Metrics(), lambda connection, refusal: PlainTextResponse("", refusal.status))
        config = uvicorn.Config(framed, log_level="critical")
        config.load()
        protocol, state = Connections(limits, Metrics()).protocol(), uvicorn.server.ServerState()

        def guarded():
            guard = protocol(config=config, server_state=state, app_state={})
            self.guards.append(guard)
            parse = guard._protocol.data_received
            guard._protocol.data_received = lambda data: (self.passed.append(len(data)), parse(data))
            return guard

        self._guarded = guarded

    async def __aenter__(self):
        self._server = await asyncio.get_running_loop().create_server(self._guarded, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self._server.close()

    async def open(self, data):
        reader, writer = await asyncio.open_connection(*self._server.sockets[0].getsockname())
        writer.write(data)
        return reader, writer


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


def test_the_body_of_a_refused_request_is_not_parsed():
    async def refuse(scope, receive, send):
        await PlainTextResponse("no", 401)(scope, receive, send)

    async def talk():
        async with Serving(refuse, Limits()) as serving:
            reader, writer = await serving.open(POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 50_000)
            answer = await reader.read()
            before = sum(serving.passed)
            writer.write(b"1\r\na\r\n" * 50_000)
            await writer.drain()  # what is left is read, so that the client need not see a reset before its answer
            writer.close()
            await writer.wait_closed()
            assert answer.startswith(b"HTTP/1.1 401") and answer.endswith(b"no")
            assert sum(serving.passed) == before < 100_000 and max(serving.passed) <= 16_384

    asyncio.run(talk())


def test_a_head_of_many_tiny_headers_is_refused_before_all_of_it_has_come():
    async def talk():
        async with Serving(None, Limits()) as serving:
            reader, _ = await serving.open(POST + b"a:b\r\n" * 19_000)
            assert (await reader.read()).startswith(b"HTTP/1.1 431")
            assert sum(serving.passed) < 50_000

    asyncio.run(talk())


def test_an_answer_that_the_client_takes_slowly_comes_whole():
    """The connection is to end with it, and its body was not read; the transport cannot send it at once."""

    async def answer(scope, receive, send):
        await PlainTextResponse("x" * 20_000_000)(scope, receive, send)

    async def talk():
        async with Serving(answer, Limits()) as serving:
            reader, _ = await serving.open(POST + b"Content-Length: 5\r\n\r\n")
            await asyncio.sleep(3)  # longer than a client that has its answer may linger
            return await reader.read()

    assert asyncio.run(talk()).endswith(b"x" * 20_000_000)


@pytest.mark.parametrize("let_in", [True, False])
def test_only_requests_that_were_let_in_hold_their_places(let_in):
    """Whoever has no key could hold all of them with bodies that never come, or answers that are never read."""
    begun = []

    async def wait(scope, receive, send):
        if len(begun) == 3:
            await PlainTextResponse("welcome")(scope, receive, send)
            return
        begun.append(scope)
        if let_in:
            scope["state"]["connection"].holds_its_place()
        await receive()

    async def talk():
        async with Serving(wait, Limits(max_connections=3)) as serving:
            crowd = [await serving.open(POST + b"Content-Length: 5\r\n\r\n") for _ in range(3)]
            while len(begun) < 3:
                await asyncio.sleep(0.01)
            reader, writer = await serving.open(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            for _, peer in [*crowd, (reader, writer)]:
                peer.close()
            return answer

    assert asyncio.run(talk()).startswith(b"HTTP/1.1 503" if let_in else b"HTTP/1.1 200")
