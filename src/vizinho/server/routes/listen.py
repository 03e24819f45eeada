"""POST /v1/listen: a recording, or the address of one, to a transcript in Deepgram's shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from vizinho.server.admission import Admitted, AdmittedRequest, Service, read_body, unless_gone
from vizinho.server.protocols.deepgram import (
    ListenQuery,
    ListenResult,
    check_encoding,
    check_extras,
    check_redaction,
    check_speakers,
    error,
    response,
)
from vizinho.server.protocols.deepgram_wire import Accepted, DeepgramError, ListenResponse, RemoteAudio, Warning_
from vizinho.server.security.callbacks import Callbacks
from vizinho.server.security.refusals import DOCUMENTED, Refusal, bad_audio, bad_parameter, invalid_value
from vizinho.server.workers.messages import FileJob, RawFormat

router = APIRouter(tags=["Deepgram"])

_BODY = {
    "requestBody": {
        "required": True,
        "description": "A recording (wav, flac, ogg, opus, mp3, m4a, webm), raw samples, or JSON that names one",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": RemoteAudio.model_json_schema()},
        },
    }
}


@router.post(
    "/v1/listen",
    response_model=ListenResponse | Accepted,
    responses={status: {**refusal, "model": DeepgramError} for status, refusal in DOCUMENTED.items()},
    openapi_extra=_BODY,
)
async def listen(request: Request, query: Annotated[ListenQuery, Query()], admitted: Admitted) -> Response:
    """Transcribe a recording."""
    service = admitted.service
    warnings = check_extras(query.model_extra or {})
    if query.topics and not service.pool.topics:
        raise bad_parameter("topics", "no classifier is installed")
    check_speakers(query)
    callbacks = _callbacks(service, query) if query.callback is not None else None
    query.change(service.profane)  # refuses what cannot be done before anything is decoded
    raw = None
    if query.encoding is not None:
        rate = check_encoding(query.encoding, query.sample_rate)
        raw = RawFormat(query.encoding, rate, query.channels or 1)
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    if is_json:
        audio = await _fetched(admitted, await read_body(request, admitted, service.limits.max_json_bytes))
    else:
        audio = await read_body(request, admitted)
    if not audio:
        raise bad_audio("the body is empty")
    candidates = service.catalog.candidates(query.among) if query.detects else []
    model = candidates[0] if candidates else service.catalog.choose(query.model, query.language)
    if query.redacts and not candidates:
        await asyncio.to_thread(check_redaction, query, model.language)  # reading the number words may take a second
    job = FileJob(
        0,
        audio,
        model,
        raw,
        by_channel=query.multichannel,
        candidates=tuple(candidates),
        topics=query.topics,
        speakers=query.speakers,
        favoured=query.favoured,
        max_seconds=service.limits.max_audio_seconds,
        max_channels=service.limits.max_channels,
    )
    answering = _answer(service, admitted.client, admitted.request_id, query, job, warnings)
    if query.callback is None:
        return Response(await unless_gone(request, answering), media_type="application/json")
    # The audio is still held when this request has ended: it is counted once more.
    service.admission.body(admitted.client, 0, len(audio))
    assert callbacks is not None
    try:
        callbacks.begin(_called_back(service, admitted.client, admitted.request_id, query, answering, len(audio)))
    except Refusal:
        answering.close()
        service.admission.body_bytes.give_back(admitted.client, len(audio))
        raise
    return Response(Accepted(request_id=admitted.request_id).model_dump_json(), media_type="application/json")


async def _answer(
    service: Service,
    client: str,
    request_id: str,
    query: ListenQuery,
    job: FileJob,
    warnings: Sequence[Warning_],
) -> bytes:
    """The response's JSON. Raises Refusal."""
    done = await service.pool.transcribe(client, job)
    service.metrics.transcribed(done.transcripts, done.model.ref)
    result = ListenResult(
        request_id,
        job.audio,
        done.model,
        done.transcripts,
        done.detected,
        done.topics,
        warnings,
        service.profane,
        service.punctuation.get(done.model.language),
    )
    # Hours of audio have tens of thousands of words: other clients' streams must not wait for their JSON.
    return await asyncio.to_thread(lambda: response(query, result).model_dump_json(exclude_none=True).encode())


def _callbacks(service: Service, query: ListenQuery) -> Callbacks:
    """Where answers are sent from. Raises Refusal 400 where that is off, or not allowed for the address."""
    if service.callbacks is None:
        raise bad_parameter("callback", "this server calls nobody back (--callback-host); leave it out")
    try:
        service.callbacks.sender.check(query.callback or "")
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.code, refusal.message, parameter="callback") from None
    return service.callbacks


async def _called_back(
    service: Service, client: str, request_id: str, query: ListenQuery, answering: Awaitable[bytes], held: int
) -> None:
    """Send the answer, or why there is none, to the address."""
    assert service.callbacks is not None and query.callback is not None
    try:
        body = await answering
    except Refusal as refusal:
        body = error(refusal, request_id).model_dump_json().encode()
    finally:
        service.admission.body_bytes.give_back(client, held)
    await service.callbacks.deliver(
        query.callback, query.callback_method.upper(), body, service.keys.signature(client, body)
    )


async def _fetched(admitted: AdmittedRequest, body: bytes) -> bytes:
    try:
        remote = RemoteAudio.model_validate(json.loads(body))
    except ValidationError as error:
        raise invalid_value(error) from None
    except (ValueError, RecursionError):
        raise Refusal(400, "BAD_JSON", "the body is not JSON") from None
    fetcher = admitted.service.fetcher
    if fetcher is None:
        raise Refusal(400, "REMOTE_NOT_ALLOWED", "this server fetches nothing; send the audio itself", parameter="url")
    return await fetcher.fetch(remote.url, admitted.take_bytes)
