"""POST /v1/audio/transcriptions: a recording to a transcript in OpenAI's shape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from vizinho.decoding.hotwords import DEFAULT_BOOST
from vizinho.recognition.speakers import speakers_possible
from vizinho.server.admission import Admitted, AdmittedRequest, read_body, unless_gone
from vizinho.server.protocols import openai
from vizinho.server.protocols.forms import Form, read_form
from vizinho.server.security.refusals import DOCUMENTED, Refusal, bad_audio, bad_parameter, too_large
from vizinho.server.workers.messages import FileDone, FileJob

router = APIRouter(tags=["OpenAI"])
_REFUSALS: dict[int | str, dict[str, Any]] = {s: {**r, "model": openai.OpenAIError} for s, r in DOCUMENTED.items()}


def _form_schema() -> dict[str, Any]:
    schema = openai.TranscriptionFields.model_json_schema()
    schema["properties"]["file"] = {"type": "string", "format": "binary"}
    schema["required"] = ["file", "model"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post(
    "/v1/audio/transcriptions",
    response_model=None,
    responses={
        **_REFUSALS,
        200: {
            "description": "The transcript, in the format asked for",
            "model": openai.Transcription | openai.VerboseTranscription | openai.DiarizedTranscription,
            "content": {
                kind: {"schema": {"type": "string"}} for kind in (*openai.MEDIA_TYPES.values(), "text/event-stream")
            },
        },
    },
    openapi_extra=_form_schema(),
)
async def transcriptions(request: Request, admitted: Admitted) -> Response:
    """Transcribe a recording."""
    service, limits = admitted.service, admitted.service.limits
    form = await _form(request, admitted)
    transcription = await asyncio.to_thread(openai.read_fields, form.fields)
    fields = transcription.fields
    diarized = fields.response_format == "diarized_json"
    if diarized and not speakers_possible():
        raise bad_parameter("response_format", "this server has no voices to compare (pip install 'vizinho[speakers]')")
    if form.file is None:
        raise bad_parameter("file", "a file is needed")
    if not form.file:
        raise bad_audio("the file is empty")
    job = FileJob(
        0,
        form.file,
        service.catalog.choose_among(fields.model, fields.possible_languages),
        favoured=tuple((keyword, DEFAULT_BOOST) for keyword in fields.keywords),
        hint=fields.prompt,
        deltas=fields.stream,
        speakers=diarized,
        voices=transcription.voices,
        max_seconds=limits.max_audio_seconds,
        max_channels=limits.max_channels,
    )
    if fields.stream:
        return await _streamed(admitted, job, fields, transcription.headers)
    done = await unless_gone(request, service.pool.transcribe(admitted.client, job))
    service.metrics.transcribed(done.transcripts, done.model.ref)
    content, kind = await asyncio.to_thread(_rendered, fields, done)
    return Response(content, media_type=kind, headers=transcription.headers)


async def _form(request: Request, admitted: AdmittedRequest) -> Form:
    """Read in a function of its own, so that the body is forgotten once its file has been taken out."""
    limits = admitted.service.limits
    body = await read_body(request, admitted, limits.max_body_bytes + limits.max_form_bytes)
    form = await asyncio.to_thread(read_form, request.headers.get("content-type", ""), body)
    if form.file is not None and len(form.file) > limits.max_body_bytes:
        raise too_large(f"the file is larger than {limits.max_body_bytes} bytes")
    return form


def _rendered(fields: openai.TranscriptionFields, done: FileDone) -> tuple[str, str]:
    """The answer and its media type. Takes a while for hours of audio."""
    transcript = done.transcripts[0]
    if fields.response_format in openai.MEDIA_TYPES:
        return openai.plain(fields.response_format, transcript), openai.MEDIA_TYPES[fields.response_format]
    body = openai.body(fields, transcript, done.model.language)
    return body.model_dump_json(exclude_none=True), "application/json"


async def _streamed(
    admitted: AdmittedRequest, job: FileJob, fields: openai.TranscriptionFields, headers: dict[str, str]
) -> Response:
    """Server-sent events. What is refused before the first of them is refused with an HTTP status."""
    events: asyncio.Queue[str | None] = asyncio.Queue()
    work = asyncio.ensure_future(admitted.service.pool.transcribe(admitted.client, job, events.put_nowait))
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
            admitted.service.metrics.transcribed(done.transcripts, done.model.ref)
            yield openai.done_events(fields, done.transcripts[0])
        except Refusal as refusal:
            yield openai.error_event(refusal)
        finally:
            work.cancel()

    return StreamingResponse(rest(), media_type="text/event-stream", headers=headers)
