"""WS /v1/realtime?intent=transcription: a session of OpenAI's realtime interface, for transcription alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from vizinho.server.admission import Service, authenticate, service_of
from vizinho.server.protocols.realtime import Event, RealtimeEvents, Settings
from vizinho.server.routes.inbox import PIECE_BYTES, Inbox, parsed
from vizinho.server.routes.listen_live import admitted_stream
from vizinho.server.security.refusals import Refusal, bad_parameter, close_code
from vizinho.server.workers.pool import StreamHandle

router = APIRouter()


@router.websocket("/v1/realtime")
async def realtime(socket: WebSocket) -> None:
    """Transcribe what a session's audio buffer is given."""
    client, service = authenticate(socket), service_of(socket)
    if socket.query_params.get("intent") != "transcription":
        raise bad_parameter("intent", "sessions are for transcription: give intent=transcription")
    model = socket.query_params.get("model")
    settings = Settings().updated({"audio": {"input": {"transcription": {"model": model}}}})
    service.catalog.choose(model, None)
    with admitted_stream(socket, client):
        offered = [p.strip() for p in socket.headers.get("sec-websocket-protocol", "").split(",")]
        await socket.accept(subprotocol="realtime" if "realtime" in offered else None)
        with Inbox(socket, service, service.limits.idle_session_seconds) as inbox:
            session = _Session(socket, service, RealtimeEvents(settings), inbox)
            try:
                await session.serve()
            except (WebSocketDisconnect, TimeoutError, OSError, RuntimeError):
                pass  # the client is gone, or does not take what it is sent
            finally:
                session.drop()


class _Session:
    """An accepted session: takes the client's events one after another until one side ends it."""

    def __init__(self, socket: WebSocket, service: Service, events: RealtimeEvents, inbox: Inbox) -> None:
        self._socket, self._service, self._events, self._inbox = socket, service, events, inbox
        self._handle: StreamHandle | None = None  # opened by the first audio, when the settings are known
        self._audio_seconds: Any = None
        self._seconds = 0.0

    async def serve(self) -> None:
        """Serve the session to its end."""
        await self._send([self._events.created()])
        code = 1000
        while True:
            sent: dict[str, Any] = {}
            try:
                text = await self._next()
                if text is None:
                    code = 1012
                    break
                sent = self._parsed(text)
                await self._send(await self._answers(sent))
            except Refusal as refusal:
                self._service.metrics.refusals.labels(code=refusal.code).inc()
                await self._send([self._events.failed(refusal, sent)])
                if refusal.status >= 500 or refusal.code in ("SILENT", "TOO_LARGE", "BAD_AUDIO"):
                    code = close_code(refusal)
                    break
        await self._socket.close(code)

    def drop(self) -> None:
        """The client is gone."""
        if self._handle is not None:
            self._handle.drop()

    async def _answers(self, sent: dict[str, Any]) -> list[Event]:
        match sent["type"]:
            case "session.update":
                return [await self._update(sent.get("session"))]
            case "input_audio_buffer.append":
                return await self._append(self._events.audio(sent))
            case "input_audio_buffer.commit":
                handle = self._handle
                if handle is None:
                    raise Refusal(400, "INPUT_AUDIO_BUFFER_COMMIT_EMPTY", "there is no audio to commit")
                return self._events.committed(await handle.order("finalize"))
            case "input_audio_buffer.clear":
                if self._handle is not None:
                    await self._handle.order("clear")
                return [self._events.cleared()]
            case kind:
                raise bad_parameter("type", f"{str(kind)[:100]} is no event of a transcription session")

    async def _update(self, changes: Any) -> Event:
        if not isinstance(changes, dict):
            raise bad_parameter("session", "must be an object")
        before, settings = self._events.settings, self._events.settings.updated(changes)
        transcription = settings.audio.input.transcription
        self._service.catalog.choose_among(transcription.model, settings.possible_languages)
        # A worker's decoder and network are chosen when the first audio comes.
        if self._handle is not None:
            fixed = (before.audio.input.format, before.audio.input.transcription.model, before.possible_languages)
            if fixed != (settings.audio.input.format, transcription.model, settings.possible_languages):
                raise bad_parameter("session", "format, model and language are fixed once there is audio")
            await self._handle.order("configure", configuration=settings.configuration())
        return self._events.updated(settings)

    async def _append(self, data: bytes) -> list[Event]:
        if not data:
            return []
        settings = self._events.settings
        if self._handle is None:
            named = settings.audio.input.transcription.model
            model = self._service.catalog.choose_among(named, settings.possible_languages)
            opening = settings.opening(model, self._service.limits.max_stream_seconds)
            self._handle, used = await self._service.pool.open_stream(opening)
            self._inbox.watch(self._handle)
            self._audio_seconds = self._service.metrics.audio_seconds.labels(kind="stream", model=used.ref)
        # In pieces, so that other streams of the worker take turns with a client that sends seconds at once.
        events: list[Event] = []
        for start in range(0, len(data), PIECE_BYTES):
            report = await self._handle.order("audio", data[start : start + PIECE_BYTES])
            self._audio_seconds.inc(report.seconds - self._seconds)
            self._seconds = report.seconds
            events += self._events.results(report)
        return events

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            sent = parsed(text)
            kind = sent["type"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Refusal(400, "BAD_MESSAGE", "an event is JSON with a type") from None
        if kind != "input_audio_buffer.append" and len(text) > self._service.limits.max_json_bytes:
            raise Refusal(
                400, "BAD_MESSAGE", f"an event of this type has at most {self._service.limits.max_json_bytes} bytes"
            )
        return dict(sent)

    async def _next(self) -> str | None:
        """The client's next event; None when the server is about to stop. Raises Refusal and WebSocketDisconnect."""
        message = await self._inbox.next()
        if message is None:
            return None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        if message.get("text") is None:
            raise Refusal(400, "BAD_MESSAGE", "events are text; audio comes in input_audio_buffer.append")
        return str(message["text"])

    async def _send(self, events: Sequence[Event]) -> None:
        for event in events:
            await self._socket.send_text(json.dumps(event, ensure_ascii=False))
