"""What comes to a stream: in order, bounded, and ended by silence, the server's end or the loss of the worker."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizinho.server.routes.inbox import MOST_MESSAGES, PIECE_BYTES, Inbox, parsed
from vizinho.server.security.refusals import Refusal

CLOSED = {"type": "websocket.disconnect", "code": 1000}


class Client:
    """The receiving side of a WebSocket, as ASGI has it."""

    def __init__(self, messages):
        self.coming, self.read = list(messages), 0

    async def receive(self):
        await asyncio.sleep(0)
        if self.read == len(self.coming):
            await asyncio.Event().wait()  # says nothing more
        message = self.coming[self.read]
        self.read += 1
        if isinstance(message, Exception):
            raise message
        return message


def service(stream_seconds=60.0):
    return SimpleNamespace(limits=SimpleNamespace(max_stream_seconds=stream_seconds), finish_streams=asyncio.Event())


def audio(size):
    return {"type": "websocket.receive", "bytes": bytes(size)}


def text(size):
    return {"type": "websocket.receive", "text": "x" * size}


async def settled():
    for _ in range(4 * MOST_MESSAGES):
        await asyncio.sleep(0)


@given(
    st.lists(
        st.one_of(st.integers(0, 2 * PIECE_BYTES).map(audio), st.integers(1, 4000).map(text)),
        max_size=3 * MOST_MESSAGES,
    )
)
def test_messages_come_in_order_and_what_waits_is_bounded(messages):
    async def run():
        client = Client([*messages, CLOSED])
        taken = []
        with Inbox(client, service(), 60.0) as inbox:
            while True:
                await settled()
                waiting = client.coming[len(taken) : client.read]
                # One message may go beyond the bound: only then is it known how large it is.
                assert len(waiting) <= MOST_MESSAGES
                assert sum(len(m.get("bytes") or m.get("text") or "") for m in waiting[:-1]) < PIECE_BYTES
                message = await inbox.next()
                taken.append(message)
                if message is CLOSED:
                    return taken
                size = len(message.get("bytes") or b"")
                if size:
                    more = inbox.following_audio(size)
                    assert not more or size + len(more) <= PIECE_BYTES
                    while more:
                        following = client.coming[len(taken)]
                        assert more.startswith(following["bytes"])
                        more = more[len(following["bytes"]) :]
                        taken.append(following)

    assert asyncio.run(run()) == [*messages, CLOSED]


@pytest.mark.parametrize(("silent", "whole"), [(0.02, 60.0), (60.0, 0.02)])
def test_silence_and_streams_without_end_are_refused(silent, whole):
    async def run():
        with Inbox(Client([audio(2)]), service(whole), silent) as inbox:
            assert await inbox.next() == audio(2)
            await inbox.next()

    with pytest.raises(Refusal) as refusal:
        asyncio.run(run())
    assert (refusal.value.status, refusal.value.code) == (408, "SILENT")


def test_the_end_of_the_server_comes_after_what_was_sent_before():
    async def run():
        ending = service()
        with Inbox(Client([audio(2), text(3)]), ending, 60.0) as inbox:
            await settled()
            ending.finish_streams.set()
            await settled()
            return [await inbox.next() for _ in range(3)]

    assert asyncio.run(run()) == [audio(2), text(3), None]


def test_a_lost_worker_ends_the_wait_and_nothing_more_is_read():
    async def run():
        handle = SimpleNamespace(worker_lost=asyncio.Event())
        with Inbox(Client([audio(2)]), service(), 60.0) as inbox:
            inbox.watch(handle)
            assert await inbox.next() == audio(2)
            waiting = asyncio.create_task(inbox.next())
            await settled()
            assert not waiting.done()
            handle.worker_lost.set()
            await waiting

    with pytest.raises(Refusal) as refusal:
        asyncio.run(run())
    assert refusal.value.code == "WORKER_DIED"


def test_a_connection_that_breaks_is_told_of_after_what_it_sent():
    async def run():
        with Inbox(Client([audio(2), ConnectionResetError()]), service(), 60.0) as inbox:
            assert await inbox.next() == audio(2)
            await inbox.next()

    with pytest.raises(ConnectionResetError):
        asyncio.run(run())


@pytest.mark.parametrize("text", ['{"type": "\\ud800"}', '["\\udfff\\ud83d"]', '{"\\uDC00": 1}', "{", '{"a": \ud800}'])
def test_what_could_not_be_sent_back_is_no_message(text):
    with pytest.raises(ValueError):
        parsed(text)


def test_pairs_of_surrogates_are_characters():
    assert parsed('{"type": "\\ud83d\\ude00 \\u00e9"}') == {"type": "😀 é"}
