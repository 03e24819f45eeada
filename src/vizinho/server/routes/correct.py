"""The correction page and what it asks for: the next utterance, its sound, edits to save, the corpus to take away."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ValidationError

from vizinho.audio.blocks import mono, read_blocks
from vizinho.audio.containers import AudioLimits
from vizinho.corpora.corrections.drafts import stamp_of
from vizinho.errors import AudioError, CorpusError, SpecError
from vizinho.server.admission import Admitted, AdmittedRequest, read_body, service_of
from vizinho.server.correct.desk import Desk, EditRequest, Shown, beside
from vizinho.server.correct.export import download
from vizinho.server.correct.scores import scores_of
from vizinho.server.protocols.correction import (
    ClaimMessage,
    EditMessage,
    ExportFormat,
    LeaveMessage,
    NextMessage,
    saved_json,
    version_json,
    word_json,
)
from vizinho.server.security.limits import Limits
from vizinho.server.security.refusals import Refusal, bad_parameter, invalid_value

_PAGE = Path(__file__).parents[1] / "page" / "correct.html"
_NAMED_PROBLEMS = 20
_LONGEST_SECONDS = 600.0
"""Of an utterance that a browser is sent whole; longer ones are recordings to cut (`vizinho corpus align`)."""
_Message = TypeVar("_Message", bound=BaseModel)

router = APIRouter(include_in_schema=False)


@router.get("/correct")
async def page() -> Response:
    """The page; it has no data in itself."""
    return FileResponse(_PAGE)


@router.get("/v1/correct")
async def state(request: Request, _: Admitted) -> Response:
    """The corpus, how much is done, who is here, what is wrong, and the scores of the versions."""
    desk, store = _desk(request), service_of(request).store
    values = await asyncio.to_thread(_state, desk)
    return JSONResponse(values | {"scores": await asyncio.to_thread(scores_of, store, desk.lang)})


@router.post("/v1/correct/next")
async def next_utterance(request: Request, admitted: Admitted) -> Response:
    """The next utterance that nobody has, in the order that is asked for; null where there is none."""
    desk, message = _desk(request), await _read(request, admitted, NextMessage)
    shown = await asyncio.to_thread(desk.next, message.tab, message.who, message.order)
    return JSONResponse({"utterance": None if shown is None else await asyncio.to_thread(_shown, desk, shown)})


@router.post("/v1/correct/claim")
async def claim(request: Request, admitted: Admitted) -> Response:
    """A certain utterance; pages report with this that they still have it."""
    desk, message = _desk(request), await _read(request, admitted, ClaimMessage)
    try:
        shown = await asyncio.to_thread(desk.claim, message.utterance, message.tab, message.who)
    except SpecError as error:
        raise Refusal(404, "NO_SUCH_UTTERANCE", error.what) from error
    if shown is None:
        holder = desk.claims.holder(message.utterance)
        raise Refusal(409, "TAKEN", f"{holder.who if holder else 'somebody else'} works on this utterance")
    return JSONResponse({"utterance": await asyncio.to_thread(_shown, desk, shown)})


@router.post("/v1/correct/leave")
async def leave(request: Request, admitted: Admitted) -> Response:
    """A page is closed; what it had is free."""
    desk, message = _desk(request), await _read(request, admitted, LeaveMessage)
    await asyncio.to_thread(desk.leave, message.tab)
    return JSONResponse({})


@router.post("/v1/correct/edits")
async def save(request: Request, admitted: Admitted) -> Response:
    """Save an edit; answered when it is on disk. One that was sent before is not saved twice."""
    desk, message = _desk(request), await _read(request, admitted, EditMessage)
    edit = EditRequest(**message.model_dump(), client=admitted.client)
    try:
        saved = await asyncio.to_thread(desk.save, edit)
    except SpecError as error:
        raise Refusal(400, "BAD_EDIT", f"{error.what}; {error.fix}" if error.fix else error.what) from error
    except CorpusError as error:
        raise Refusal(507, "NOT_SAVED", error.what, retry_after_seconds=10) from error
    # Said after saving: letters that a model lacks are no mistake, they are why it is trained again.
    letters = await asyncio.to_thread(desk.letters, saved.edit.text)
    return JSONResponse(saved_json(saved) | {"missing": letters.missing, "problem": letters.problem})


@router.get("/v1/correct/recent")
async def recent(request: Request, _: Admitted) -> Response:
    """The utterances that were decided last, to come back to."""
    edits = await asyncio.to_thread(_desk(request).recent)
    return JSONResponse({"recent": [version_json(0, e) | {"utterance": e.utterance} for e in edits]})


@router.get("/v1/correct/audio")
async def audio(request: Request, admitted: Admitted, utterance: Annotated[str, Query(max_length=1000)]) -> Response:
    """The sound of an utterance as 16 kHz linear16, whatever the file is: not every browser plays every container."""
    desk = _desk(request)
    known = desk.utterances.get(utterance)
    if known is None:
        raise Refusal(404, "NO_SUCH_UTTERANCE", "no such utterance")
    try:
        samples = await asyncio.to_thread(_samples, known.audio, admitted.service.limits)
    except (AudioError, OSError) as error:
        what = error.what if isinstance(error, AudioError) else f"no such file: {known.audio.name}"
        # Nobody else gets it before its file has changed.
        desk.note_problem(utterance, what, stamp_of(known.audio))
        raise Refusal(410, "NO_AUDIO", f"the recording cannot be played: {what}") from error
    return Response(samples, media_type="application/octet-stream")


@router.get("/v1/correct/export")
async def export(request: Request, _: Admitted, kind: Annotated[ExportFormat, Query()], rest: bool = False) -> Response:
    """The corrected corpus, with `rest` also the texts that nobody has looked at."""
    try:
        content, name = await asyncio.to_thread(lambda: download(_desk(request), kind, rest=rest))
    except ModuleNotFoundError as error:
        raise bad_parameter("kind", f"the server lacks {error.name}: pip install 'vizinho[field]'") from error
    except (CorpusError, OSError) as error:
        raise Refusal(500, "NOT_EXPORTED", "the export cannot be written beside the corpus") from error
    if not content:
        raise Refusal(404, "NOTHING_CORRECTED", "nothing is corrected yet")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{_quoted(name)}"}
    return Response(content, media_type="application/octet-stream", headers=headers)


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _desk(request: Request) -> Desk:
    desk = service_of(request).desk
    assert desk is not None  # the routes are there only with a desk
    return desk


async def _read(request: Request, admitted: AdmittedRequest, kind: type[_Message]) -> _Message:
    body = await read_body(request, admitted, admitted.service.limits.max_json_bytes)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise invalid_value(error) from None
    except (ValueError, RecursionError):
        raise Refusal(400, "BAD_JSON", "the body is not JSON") from None


def _state(desk: Desk) -> dict[str, Any]:
    problems, problem_count = desk.problems(_NAMED_PROBLEMS)
    return {
        "corpus": desk.name,
        "token": desk.token,
        "lang": desk.lang,
        "model": desk.drafts_by,
        "letters": desk.letters_known,
        "utterances": len(desk.utterances),
        "drafted": len(desk.drafts.all()),
        **{str(status): count for status, count in desk.counts().items()},
        "minutes": round(desk.done_seconds / 60, 2),
        "people": desk.claims.people(),
        "missing": desk.missing_letters(),
        "problems": [{"utterance": id_, "problem": what} for id_, what in problems.items()],
        "problem_count": problem_count,
        "damaged": desk.log.damaged,
        "unknown": desk.unknown,
        "corrected": beside(desk.corpus, "corrected").name,
        "edits": desk.log.path.name,
    }


def _shown(desk: Desk, shown: Shown) -> dict[str, Any]:
    utterance = shown.utterance
    return {
        "id": utterance.id,
        "lang": utterance.lang,
        "speaker": utterance.speaker,
        "split": utterance.split,
        "seconds": utterance.duration_seconds,
        "recording": utterance.place.recording.name if utterance.place else "",
        "start": utterance.place.start_seconds if utterance.place else None,
        "text": shown.text,
        "draft": shown.draft,
        "drafted": shown.drafted,
        "words": [word_json(w) for w in shown.words],
        "confidence": shown.confidence,
        "status": shown.status,
        "versions": [version_json(n, e) for n, e in enumerate(shown.versions, 1)],
        "missing": desk.letters(shown.text).missing,
    }


def _samples(path: Path, limits: Limits) -> bytes:
    """16 kHz, 16 bit, mono. Raises AudioError."""
    allowed = AudioLimits(path.stat().st_size, _LONGEST_SECONDS, limits.max_channels)
    blocks = [mono(block) for block in read_blocks(path, path.name, allowed)]
    samples = np.clip(np.concatenate(blocks), -1.0, 1.0) * 32767
    return samples.astype("<i2").tobytes()
