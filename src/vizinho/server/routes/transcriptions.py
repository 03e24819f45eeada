"""POST /v1/audio/transcriptions and GET /v1/models: a recording to a transcript in OpenAI's shape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from vizinho.server.catalog import Offered
from vizinho.server.protocols import openai
from vizinho.server.routes.listen import REFUSALS
from vizinho.server.security.admission import Admitted, Client, Visit, place_of, read_body, service_of, unless_gone
from vizinho.server.security.refusals import Refusal, bad_audio, bad_parameter
from vizinho.server.workers.messages import FileDone, FileJob

MAX_FIELDS = 64
MAX_FIELD_BYTES = 65_536

router = APIRouter(tags=["OpenAI"])
_RESPONSES: dict[int | str, dict[str, Any]] = {s: {**said, "model": openai.OpenAIError} for s, said in REFUSALS.items()}


def _form_schema() -> dict[str, Any]:
    schema = openai.TranscriptionFields.model_json_schema()
    schema["properties"]["file"] = {"type": "string", "format": "binary"}
    schema["required"] = ["file", "model"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "/v1/audio/transcriptions",
    response_model=None,
    responses={
        **_RESPONSES,
        200: {
            "description": "The transcript, in the format asked for",
            "content": {
                "application/json": {
                    "schema": {
                        "anyOf": [
                            openai.Transcription.model_json_schema(ref_template="#/components/schemas/{model}"),
                            {"type": "object", "required": ["task", "language", "duration", "text"]},
                        ]
                    }
                },
                **{kind: {"schema": {"type": "string"}} for kind in openai.MEDIA_TYPES.values()},
                "text/event-stream": {"schema": {"type": "string"}},
            },
        },
    },
    openapi_extra=_form_schema(),
)
async def transcriptions(request: Request, visit: Admitted) -> Response:
    """Transcribe a recording."""
    body = await read_body(request, visit)
    asked, audio = await _form(request, body)
    fields = asked.fields
    if not audio:
        raise bad_audio("the file is empty")
    limits = visit.service.limits
    model = visit.service.catalog.choose(fields.model, fields.language)
    job = FileJob(
        0,
        audio,
        place_of(model),
        deltas=fields.stream,
        max_seconds=limits.max_audio_seconds,
        max_channels=limits.max_channels,
    )
    headers = {"vizinho-ignored": ", ".join(asked.ignored)} if asked.ignored else {}
    if fields.stream:
        return await _streamed(visit, job, headers)
    done = await unless_gone(request, visit.service.pool.transcribe(visit.client, job))
    _count(visit, done)
    return _rendered(fields, done, headers)


@router.get("/v1/models", responses={s: r for s, r in _RESPONSES.items() if s in (401, 403)})
async def models(request: Request, _: Client) -> openai.ModelList:
    """Names that can be asked for: bare names first, then every version."""
    return openai.ModelList(data=[_model(name, o) for name, o in service_of(request).catalog.listed()])


@router.get("/v1/models/{name}", responses={s: r for s, r in _RESPONSES.items() if s in (400, 401, 403, 404)})
async def model(request: Request, name: str, _: Client) -> openai.Model:
    """One model by its name."""
    return _model(name, service_of(request).catalog.choose(name, None))


def _model(name: str, offered: Offered) -> openai.Model:
    return openai.Model(id=name, created=offered.created_unix_seconds, language=offered.language)


async def _form(request: Request, body: bytes) -> tuple[openai.Asked, bytes]:
    """Fields and the file of a multipart body. Raises Refusal 400."""

    async def once() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise Refusal(400, "BAD_FORM", "send multipart/form-data with file and model")
    try:
        parser = MultiPartParser(
            request.headers, once(), max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
        form = await parser.parse()
    except (MultiPartException, ValueError, KeyError, UnicodeError):
        raise Refusal(400, "BAD_FORM", "the form cannot be read") from None
    asked = openai.read_fields([(name, value) for name, value in form.multi_items() if isinstance(value, str)])
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise bad_parameter("file", "a file is needed")
    return asked, await file.read()


def _rendered(fields: openai.TranscriptionFields, done: FileDone, headers: dict[str, str]) -> Response:
    transcript = done.transcripts[0]
    if fields.response_format in openai.MEDIA_TYPES:
        kind = openai.MEDIA_TYPES[fields.response_format]
        return Response(openai.plain(fields.response_format, transcript), media_type=kind, headers=headers)
    made = openai.body(fields, transcript, done.model.language)
    return JSONResponse(made.model_dump(exclude_none=True), headers=headers)


async def _streamed(visit: Visit, job: FileJob, headers: dict[str, str]) -> Response:
    """Server-sent events. What is refused before the first of them is refused with an HTTP status."""
    events: asyncio.Queue[str | None] = asyncio.Queue()
    work = asyncio.ensure_future(visit.service.pool.transcribe(visit.client, job, events.put_nowait))
    work.add_done_callback(lambda _: events.put_nowait(None))
    try:
        first = await events.get()
        if first is None:
            await work  # raises what it was refused for
    except BaseException:
        work.cancel()
        raise

    async def rest() -> AsyncIterator[str]:
        try:
            delta = first
            while delta is not None:
                yield openai.delta_event(delta)
                delta = await events.get()
            done = await work
            _count(visit, done)
            yield openai.done_events(done.transcripts[0])
        except Refusal as refusal:
            yield openai.error_event(refusal)
        finally:
            work.cancel()

    return StreamingResponse(rest(), media_type="text/event-stream", headers=headers)


def _count(visit: Visit, done: FileDone) -> None:
    seconds = sum(t.duration_seconds for t in done.transcripts)
    visit.service.metrics.audio_seconds.labels(kind="recording", model=done.model.ref).inc(seconds)
