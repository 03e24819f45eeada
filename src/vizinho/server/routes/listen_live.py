"""WS /v1/listen: a live stream of audio in, Deepgram's messages out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from vizinho.server.protocols import deepgram_live
from vizinho.server.protocols.deepgram import check_extras
from vizinho.server.protocols.deepgram_live import LiveQuery
from vizinho.server.protocols.openai import refused_value
from vizinho.server.routes.listen import raw_format
from vizinho.server.security.admission import Service, authenticate, place_of, request_id_of, service_of
from vizinho.server.security.refusals import Refusal, bad_parameter
from vizinho.server.workers.messages import OpenStream, StreamMessages
from vizinho.server.workers.pool import StreamHandle, stream_lost

MAX_WARNINGS = 20
"""Named in the handshake, whose headers clients read up to a few kilobytes."""
PIECE_BYTES = 16_384
"""A message is given to the worker in pieces of this size (half a second at 16 kHz), so that streams take turns."""

router = APIRouter()


@router.websocket("/v1/listen")
async def listen_live(socket: WebSocket) -> None:
    """Transcribe a stream as it comes. What is refused before it begins is refused with an HTTP status."""
    service = service_of(socket)
    client = authenticate(socket)
    query = read_query(socket.query_params.multi_items())
    service.admission.stream(client)
    service.metrics.streams.inc()
    try:
        await _admitted(socket, service, client, query)
    finally:
        service.metrics.streams.dec()
        service.admission.streams.give_back(client)


def read_query(pairs: Sequence[tuple[str, str]]) -> LiveQuery:
    """Check a stream's parameters. Raises Refusal 400."""
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name, []).append(value)
    lists = ("tag", "extra")
    try:
        query = LiveQuery.model_validate({n: v if n in lists or len(v) > 1 else v[0] for n, v in sent.items()})
    except ValidationError as error:
        raise refused_value(error) from None
    if query.encoding is None:
        raise bad_parameter("encoding", "streams need it: linear16, mulaw, alaw or opus (one packet a message)")
    if query.encoding != "opus":
        raw_format(query.encoding, query.sample_rate, query.channels)
    return query


async def _admitted(socket: WebSocket, service: Service, client: str, query: LiveQuery) -> None:
    """Open a stream that was let in, and serve it."""
    request_id = request_id_of(socket)
    warnings = check_extras(query.model_extra or {})[:MAX_WARNINGS]
    model = service.catalog.choose(query.model, query.language)
    opening = OpenStream(0, request_id, place_of(model), query, service.limits.max_stream_seconds)
    handle = await service.pool.open_stream(opening)
    offered = socket.headers.get("sec-websocket-protocol", "").partition(",")[0].strip()
    said = [(b"vizinho-warnings", json.dumps([w.model_dump() for w in warnings]).encode())] if warnings else []
    try:
        await socket.accept(subprotocol=offered or None, headers=said)
        await _Line(socket, service, handle, request_id, model.ref).serve()
    except (WebSocketDisconnect, TimeoutError, OSError, RuntimeError):
        pass  # the client is gone, or does not take what it is sent
    finally:
        handle.drop()


class _Line:
    """An accepted stream: takes the client's messages one after another until one side ends it."""

    def __init__(
        self, socket: WebSocket, service: Service, handle: StreamHandle, request_id: str, model_ref: str
    ) -> None:
        self._socket, self._service, self._handle = socket, service, handle
        self._request_id = request_id
        self._heard = service.metrics.audio_seconds.labels(kind="stream", model=model_ref)
        self._until = time.monotonic() + service.limits.max_stream_seconds

    async def serve(self) -> None:
        """Serve the stream to its end, and say how it ended."""
        try:
            code = await self._talk()
        except Refusal as refusal:
            self._service.metrics.refusals.labels(code=refusal.code).inc()
            await self._send([deepgram_live.error(refusal, self._request_id).model_dump()])
            code = 1011 if refusal.status >= 500 or refusal.code == "SILENT" else 1008
        await self._socket.close(code)

    async def _talk(self) -> int:
        """Exchange messages; returns the code to close with. Raises Refusal, and WebSocketDisconnect by the client."""
        while True:
            message = await self._next()
            if message is None:
                await self._answer(await self._handle.close())
                return 1012
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1005))
            data, text = message.get("bytes"), message.get("text")
            kind = _kind(text) if text is not None else ("Audio" if data else "CloseStream")
            if kind == "Audio":
                for start in range(0, len(data), PIECE_BYTES):
                    await self._answer(await self._handle.accept(data[start : start + PIECE_BYTES]))
            elif kind == "Finalize":
                await self._answer(await self._handle.finalize())
            elif kind == "CloseStream":
                await self._answer(await self._handle.close())
                return 1000
            elif kind == "Configure":
                await self._send([_not_configurable(self._request_id)])

    async def _next(self) -> Any:
        """The client's next message; None when the server is about to stop.

        Raises Refusal for a silent client and a dead worker.
        """
        receiving = asyncio.ensure_future(self._socket.receive())
        stopping = asyncio.ensure_future(self._service.finish_streams.wait())
        lost = asyncio.ensure_future(self._handle.worker_lost.wait())
        limit = min(self._service.limits.silent_stream_seconds, max(0.0, self._until - time.monotonic()))
        try:
            await asyncio.wait({receiving, stopping, lost}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                raise stream_lost()
            if receiving.done():
                return receiving.result()
            if stopping.done():
                return None
            raise Refusal(408, "SILENT", "neither audio nor KeepAlive came in time")
        finally:
            receiving.cancel()
            stopping.cancel()
            lost.cancel()

    async def _answer(self, answer: StreamMessages) -> None:
        self._heard.inc(answer.audio_seconds)
        await self._send(answer.messages)

    async def _send(self, messages: Sequence[dict[str, Any]]) -> None:
        for message in messages:
            await self._socket.send_text(json.dumps(message, ensure_ascii=False))


def _kind(text: str) -> str:
    """The type of a client's text message. Raises Refusal for what is none."""
    try:
        kind = json.loads(text)["type"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Refusal(400, "BAD_MESSAGE", "a text message must be JSON with a type") from None
    if kind not in ("KeepAlive", "Finalize", "CloseStream", "Configure"):
        raise Refusal(400, "BAD_MESSAGE", "a message is KeepAlive, Finalize or CloseStream")
    return str(kind)


def _not_configurable(request_id: str) -> dict[str, Any]:
    return {
        "type": "ConfigureFailure",
        "request_id": request_id,
        "code": "UNSUPPORTED",
        "description": "a stream keeps the parameters it began with",
    }
