"""WS /v1/listen and /v2/listen: a live stream of audio in, Deepgram's messages out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from vizinho.recognition.numerals import prepare
from vizinho.server.admission import Service, authenticate, hold_place, service_of
from vizinho.server.protocols.deepgram import check_extras, check_speakers
from vizinho.server.protocols.deepgram_live import LiveMessages, LiveQuery, Message, read_query
from vizinho.server.protocols.deepgram_wire import Warning_
from vizinho.server.protocols.flux import FluxMessages, FluxQuery, read_flux_query
from vizinho.server.routes.inbox import PIECE_BYTES, Inbox, parsed
from vizinho.server.security.frame import request_id_of
from vizinho.server.security.refusals import Refusal, close_code
from vizinho.server.served import ServedModel
from vizinho.server.workers.pool import StreamHandle

MAX_WARNINGS = 20  # named in the handshake, whose headers clients read up to a few kilobytes

router = APIRouter()


@router.websocket("/v1/listen")
async def listen_live(socket: WebSocket) -> None:
    """Transcribe a stream as it comes. What is refused before it begins is refused with an HTTP status."""
    client = authenticate(socket)
    query = read_query(socket.query_params.multi_items())
    check_speakers(query)
    with admitted_stream(socket, client):
        profane = service_of(socket).profane
        query.change(profane)  # refuses what cannot be done before the stream begins
        await _admitted(
            socket,
            query,
            query.language,
            lambda request_id, used, warnings: LiveMessages(query, request_id, used, profane, warnings),
        )


@router.websocket("/v2/listen")
async def listen_turns(socket: WebSocket) -> None:
    """Transcribe a conversation turn by turn."""
    client = authenticate(socket)
    query = read_flux_query(socket.query_params.multi_items())
    language = query.language_hint[0] if query.language_hint and not query.model else None
    profane = service_of(socket).profane
    with admitted_stream(socket, client):
        query.change(profane)  # refuses what cannot be done before the stream begins
        await _admitted(
            socket,
            query,
            language,
            lambda request_id, used, _: FluxMessages(query, request_id, used.language, profane),
        )


@contextmanager
def admitted_stream(socket: WebSocket, client: str) -> Iterator[None]:
    """Count a stream while it is open. Raises Refusal where there are too many."""
    service = service_of(socket)
    service.admission.stream(client)
    hold_place(socket)
    service.metrics.streams.inc()
    try:
        yield
    finally:
        service.metrics.streams.dec()
        service.admission.streams.give_back(client)


async def _admitted(
    socket: WebSocket,
    query: LiveQuery | FluxQuery,
    language: str | None,
    messages_of: Callable[[str, ServedModel, Sequence[Warning_]], LiveMessages | FluxMessages],
) -> None:
    """Open a stream that was let in, and serve it."""
    service = service_of(socket)
    warnings = [*check_extras(query.model_extra or {})[:MAX_WARNINGS]]
    model = service.catalog.choose(query.model, language)
    handle, used = await service.pool.open_stream(query.opening(model, service.limits.max_stream_seconds))
    subprotocol = socket.headers.get("sec-websocket-protocol", "").partition(",")[0].strip() or None
    if query.in_digits and not await asyncio.to_thread(prepare, model.language):
        message = f"numbers stay words: those of {model.language!r} are not known"
        warnings.append(Warning_(parameter="numerals", type="partial", message=message))
    in_header = json.dumps([warning.model_dump() for warning in warnings]).encode()
    headers = [(b"vizinho-warnings", in_header)] if warnings else []
    try:
        await socket.accept(subprotocol=subprotocol, headers=headers)
        messages = messages_of(request_id_of(socket), used, warnings)
        with Inbox(socket, service, service.limits.silent_stream_seconds) as inbox:
            inbox.watch(handle)
            await _Stream(socket, service, handle, messages, used, inbox, packets=query.encoding == "opus").serve()
    except (WebSocketDisconnect, TimeoutError, OSError, RuntimeError):
        pass  # the client is gone, or does not take what it is sent
    finally:
        handle.drop()


class _Stream:
    """An accepted stream: takes the client's messages one after another until one side ends it."""

    def __init__(
        self,
        socket: WebSocket,
        service: Service,
        handle: StreamHandle,
        messages: LiveMessages | FluxMessages,
        model: ServedModel,
        inbox: Inbox,
        *,
        packets: bool,
    ) -> None:
        """With `packets` each message of audio is one."""
        self._model, self._inbox, self._packets = model, inbox, packets
        self._socket, self._service, self._handle, self._messages = socket, service, handle, messages
        self._audio_seconds = service.metrics.audio_seconds.labels(kind="stream", model=model.ref)
        self._seconds = 0.0

    async def serve(self) -> None:
        """Serve the stream to its end, and say how it ended."""
        await self._send(self._messages.opened())
        try:
            code = await self._exchange()
        except Refusal as refusal:
            self._service.metrics.refusals.labels(code=refusal.code).inc()
            await self._send([self._messages.error(refusal)])
            code = close_code(refusal)
        await self._socket.close(code)

    async def _exchange(self) -> int:
        """Exchange messages; returns the code to close with. Raises Refusal, and WebSocketDisconnect by the client."""
        while True:
            message = await self._inbox.next()
            if message is None:
                await self._close()
                return 1012
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            data, text = message.get("bytes"), message.get("text")
            order = self._order(text) if text is not None else {"type": "Audio" if data else "CloseStream"}
            kind = order["type"]
            if kind == "Audio":
                # A worker that cannot follow is asked less often, each time for more.
                await self._accept(data if self._packets else data + self._inbox.following_audio(len(data)))
            elif kind in ("Finalize", "ForceEndTurn"):
                await self._send(self._messages.finalized(await self._handle.order("finalize")))
            elif kind == "Configure":
                await self._send([await self._configured(order)])
            elif kind == "CloseStream":
                await self._close()
                return 1000

    async def _accept(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            self._messages.add_audio(piece)
            report = await self._handle.order("audio", piece)
            self._audio_seconds.inc(report.seconds - self._seconds)
            self._seconds = report.seconds
            await self._send(self._messages.results(report))

    async def _configured(self, order: dict[str, Any]) -> Message:
        try:
            configuration = self._messages.configuration(order)
            if self._messages.in_digits:
                await asyncio.to_thread(prepare, self._model.language)  # reading the number words may take a second
            await self._handle.order("configure", configuration=configuration)
        except Refusal as refusal:
            if refusal.status >= 500:
                raise
            return self._messages.configured(refusal)
        return self._messages.configured()

    async def _close(self) -> None:
        await self._send(self._messages.closed(await self._handle.order("close")))

    async def _send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            await self._socket.send_text(json.dumps(message, ensure_ascii=False))

    def _order(self, text: str) -> dict[str, Any]:
        """A client's text message, with its type. Raises Refusal for what is none."""
        try:
            order: dict[str, Any] = parsed(text) if len(text) <= self._service.limits.max_json_bytes else {}
            kind = order["type"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Refusal(400, "BAD_MESSAGE", "a text message must be JSON with a type") from None
        if kind not in self._messages.kinds:
            raise Refusal(400, "BAD_MESSAGE", f"a message is one of {', '.join(self._messages.kinds)}")
        return order
