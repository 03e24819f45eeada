"""What comes to an open stream: its client's messages, the end of the server, the loss of its worker."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any

from fastapi import WebSocket

from vizinho.server.admission import Service
from vizinho.server.security.refusals import Refusal
from vizinho.server.workers.pool import StreamHandle, stream_lost

PIECE_BYTES = 16_384  # a worker gets half a second (at 16 kHz) at once, so that streams take turns
MOST_MESSAGES = 64  # that wait; after them, and after a piece's worth of bytes, the client has to


class Inbox:
    """Reads ahead while the stream's worker is busy, for as long as the `with` block lasts."""

    def __init__(self, socket: WebSocket, service: Service, silent_seconds: float) -> None:
        """`silent_seconds` may pass without a message."""
        self._silent_seconds = silent_seconds
        self._until = time.monotonic() + service.limits.max_stream_seconds
        self._messages: deque[Any] = deque()  # as ASGI has them; None once the server is about to stop
        self._bytes = 0  # of what they hold
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._handle: StreamHandle | None = None
        # Tasks that live as long as the stream: two more for each message would cost more than to read it.
        self._tasks = [asyncio.create_task(self._read(socket)), asyncio.create_task(self._stop(service))]

    def watch(self, handle: StreamHandle) -> None:
        """The loss of this stream's worker ends the wait for the client's next message too."""
        self._handle = handle
        self._tasks.append(asyncio.create_task(self._wake(handle)))

    def __enter__(self) -> Inbox:
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()

    async def next(self) -> Any:
        """The client's next message; None when the server is about to stop.

        Raises Refusal for a silent client and a lost worker, and what reading from the socket raises.
        """
        while not self._messages and not self._lost:
            self._arrived.clear()
            limit = min(self._silent_seconds, max(0.0, self._until - time.monotonic()))
            try:
                async with asyncio.timeout(limit):
                    await self._arrived.wait()
            except TimeoutError:
                raise Refusal(408, "SILENT", "neither audio nor a sign of life came in time") from None
        if self._lost:  # before what the client sends: nobody is left to hear it
            raise stream_lost()
        return self._taken()

    def following_audio(self, size: int) -> bytes:
        """Audio that has come in messages right after the last one, as far as it makes a piece with `size` bytes."""
        parts = []
        while self._messages and isinstance(self._messages[0], dict) and (data := self._messages[0].get("bytes")):
            size += len(data)
            if size > PIECE_BYTES:
                break
            parts.append(self._taken()["bytes"])
        return b"".join(parts)

    @property
    def _lost(self) -> bool:
        return self._handle is not None and self._handle.worker_lost.is_set()

    def _taken(self) -> Any:
        message = self._messages.popleft()
        self._bytes -= _size(message)
        self._room.set()
        if isinstance(message, Exception):
            raise message
        return message

    def _add(self, message: Any) -> None:
        self._messages.append(message)
        self._bytes += _size(message)
        self._arrived.set()

    async def _read(self, socket: WebSocket) -> None:
        try:
            while True:
                self._add(message := await socket.receive())
                if message["type"] == "websocket.disconnect":
                    return
                while self._bytes >= PIECE_BYTES or len(self._messages) >= MOST_MESSAGES:
                    self._room.clear()
                    await self._room.wait()
        except Exception as error:  # whoever waits for the message is told
            self._add(error)

    async def _stop(self, service: Service) -> None:
        await service.finish_streams.wait()
        self._add(None)

    async def _wake(self, handle: StreamHandle) -> None:
        await handle.worker_lost.wait()
        self._arrived.set()


def parsed(text: str) -> Any:
    """A client's JSON. Raises ValueError for what is none, or cannot be sent back, and RecursionError."""
    message = json.loads(text)
    if "\\u" in text:  # JSON may have halves of surrogate pairs, which are no characters
        json.dumps(message, ensure_ascii=False).encode()
    return message


def _size(message: Any) -> int:
    """Of what a message holds."""
    return len(message.get("bytes") or message.get("text") or "") if isinstance(message, dict) else 0
