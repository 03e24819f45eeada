"""POST /v1/listen: a recording, or the address of one, to a transcript in Deepgram's shape."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError

from vizinho.server.protocols.deepgram import ListenQuery, ListenResult, check_encoding, check_extras, response
from vizinho.server.protocols.deepgram_wire import DeepgramError, ListenResponse, RemoteAudio
from vizinho.server.security.admission import Admitted, AdmittedRequest, read_body, unless_gone
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
    response_model=ListenResponse,
    responses={status: {**refusal, "model": DeepgramError} for status, refusal in DOCUMENTED.items()},
    openapi_extra=_BODY,
)
async def listen(request: Request, query: Annotated[ListenQuery, Query()], admitted: Admitted) -> Response:
    """Transcribe a recording."""
    service = admitted.service
    warnings = check_extras(query.model_extra or {})
    if query.topics and not service.pool.topics:
        raise bad_parameter("topics", "no classifier is installed")
    query.rewritten((), service.profane)  # refuses what cannot be done before anything is decoded
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
    job = FileJob(
        0,
        audio,
        candidates[0] if candidates else service.catalog.choose(query.model, query.language),
        raw,
        by_channel=query.multichannel,
        candidates=tuple(candidates),
        topics=query.topics,
        favoured=query.favoured,
        max_seconds=service.limits.max_audio_seconds,
        max_channels=service.limits.max_channels,
    )
    done = await unless_gone(request, service.pool.transcribe(admitted.client, job))
    service.metrics.transcribed(done)
    result = ListenResult(
        admitted.request_id, audio, done.model, done.transcripts, done.detected, done.topics, warnings, service.profane
    )
    # Hours of audio have tens of thousands of words: other clients' streams must not wait for their JSON.
    body = await asyncio.to_thread(lambda: response(query, result).model_dump_json(exclude_none=True))
    return Response(body, media_type="application/json")


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
