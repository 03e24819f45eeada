"""POST /v1/listen: a recording, or the address of one, to a transcript in Deepgram's shape."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError

from vizinho.server.protocols.deepgram import Answer, Detected, ListenQuery, UsedModel, check_extras, response
from vizinho.server.protocols.deepgram_wire import DeepgramError, ListenResponse, RemoteAudio
from vizinho.server.protocols.openai import refused_value
from vizinho.server.security.admission import Admitted, Service, Visit, place_of, read_body, unless_gone
from vizinho.server.security.refusals import Refusal, bad_audio, bad_parameter
from vizinho.server.workers.messages import FileJob, RawFormat

RAW_ENCODINGS = ("linear16", "mulaw", "alaw")

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
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "A parameter or the audio is wrong"},
    401: {"description": "No key, or a wrong one"},
    403: {"description": "Another site's page uses a server without keys"},
    404: {"description": "No such model"},
    408: {"description": "The body came too slowly"},
    413: {"description": "Too many bytes or seconds"},
    429: {"description": "Too many requests of one client; see Retry-After"},
    503: {"description": "The server is busy or stopping; see Retry-After"},
}


@router.post(
    "/v1/listen",
    response_model_exclude_none=True,
    responses={status: {**said, "model": DeepgramError} for status, said in REFUSALS.items()},
    openapi_extra=_BODY,
)
async def listen(request: Request, query: Annotated[ListenQuery, Query()], visit: Admitted) -> ListenResponse:
    """Transcribe a recording."""
    service = visit.service
    warnings = check_extras(query.model_extra or {})
    if query.topics and not service.pool.topics:
        raise bad_parameter("topics", "no classifier is installed")
    raw = raw_format(query.encoding, query.sample_rate, query.channels or 1)
    audio = await read_body(request, visit)
    if _is_json(request):
        audio = await _fetched(service, visit, audio)
    if not audio:
        raise bad_audio("the body is empty")
    candidates = service.catalog.candidates(query.among) if query.detects else []
    model = candidates[0] if candidates else service.catalog.choose(query.model, query.language)
    job = FileJob(
        0,
        audio,
        place_of(model),
        raw,
        by_channel=query.multichannel,
        candidates=tuple(map(place_of, candidates)),
        topics=query.topics,
        favoured=query.favoured,
        max_seconds=service.limits.max_audio_seconds,
        max_channels=service.limits.max_channels,
    )
    done = await unless_gone(request, service.pool.transcribe(visit.client, job))
    heard_seconds = sum(t.duration_seconds for t in done.transcripts)
    service.metrics.audio_seconds.labels(kind="recording", model=done.model.ref).inc(heard_seconds)
    answer = Answer(
        visit.request_id,
        audio,
        UsedModel(done.model.ref, done.model.name, str(done.model.version)),
        done.transcripts,
        Detected(*done.detected) if done.detected else None,
        done.topics,
        warnings,
    )
    return response(query, answer)


def raw_format(encoding: str | None, sample_rate: int | None, channels: int) -> RawFormat | None:
    """What samples without a container are; None for audio in a container. Raises Refusal 400."""
    if encoding is None:
        return None
    if encoding not in RAW_ENCODINGS:
        raise bad_parameter(
            "encoding", f"use one of {', '.join(RAW_ENCODINGS)}, or leave it out for audio in a container"
        )
    if sample_rate is None:
        raise bad_parameter("sample_rate", f"{encoding} needs it")
    return RawFormat(encoding, sample_rate, channels)


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def _fetched(service: Service, visit: Visit, body: bytes) -> bytes:
    try:
        remote = RemoteAudio.model_validate(json.loads(body))
    except ValidationError as error:
        raise refused_value(error) from None
    except (ValueError, RecursionError):
        raise Refusal(400, "BAD_JSON", "the body is not JSON") from None
    if service.fetcher is None:
        raise Refusal(400, "REMOTE_NOT_ALLOWED", "this server fetches nothing; send the audio itself", parameter="url")
    audio = await asyncio.to_thread(service.fetcher.fetch, remote.url)
    visit.hold(len(audio))
    return audio
