"""The network side: puts the routes together and says every refusal in the shape that its client reads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from vizinho.errors import VizinhoError
from vizinho.server.admission import Service, service_of
from vizinho.server.drafting import draft_all
from vizinho.server.protocols import deepgram, openai
from vizinho.server.routes import account, correct, listen, listen_live, operations, realtime, transcriptions
from vizinho.server.security.frame import Frame, request_id_of
from vizinho.server.security.refusals import Refusal
from vizinho.version import __version__

log = logging.getLogger("vizinho.server")

_DESCRIPTION = "Speech to text for the clients of Deepgram (/v1/listen, HTTP and WebSocket) and of OpenAI (/v1/audio)."
_HTTP_CODES = {404: ("NOT_FOUND", "no such page"), 405: ("METHOD_NOT_ALLOWED", "not with this method")}


def create_app(service: Service) -> FastAPI:
    """The application of one service; its workers start and end with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.pool.start(service.catalog.current())
        drafting = asyncio.create_task(draft_all(service, service.desk)) if service.desk is not None else None
        async with _wyoming(service):
            yield
        if drafting is not None and service.desk is not None:
            drafting.cancel()
            with contextlib.suppress(VizinhoError):  # the log has everything; the next start writes it again
                service.desk.write()  # here, because uvicorn ends the process with the signal that it was sent
        await service.pool.stop()

    app = FastAPI(
        title="vizinho",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for part in (
        listen,
        listen_live,
        realtime,
        transcriptions,
        account,
        operations,
        *([correct] if service.desk is not None else []),
    ):
        app.include_router(part.router)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    app.add_exception_handler(Refusal, _refused)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(Frame, limits=service.limits, metrics=service.metrics, refused=refusal_response)
    return app


def _wyoming(service: Service) -> AbstractAsyncContextManager[None]:
    """The Wyoming protocol beside the rest, where it is on."""
    if service.wyoming is None:
        return nullcontext()
    from vizinho.server.wyoming import listening

    return listening(service)


def _described(app: FastAPI) -> dict[str, Any]:
    """OpenAPI without the 422 that FastAPI adds to everything: wrong parameters are answered with 400 here."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        for operation in (o for path in schema["paths"].values() for o in path.values()):
            operation["responses"].pop("422", None)
        for unused in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(unused, None)
    assert app.openapi_schema is not None
    return app.openapi_schema


def refusal_response(connection: HTTPConnection, refusal: Refusal) -> JSONResponse:
    """The answer to a refused request, in the shape that its client reads."""
    service_of(connection).metrics.refusals.labels(code=refusal.code).inc()
    headers = {}
    if refusal.retry_after_seconds is not None:
        headers["retry-after"] = str(refusal.retry_after_seconds)
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    if connection.url.path.startswith(("/v1/audio", "/v1/models")):
        body = openai.error(refusal).model_dump()
    else:
        body = deepgram.error(refusal, request_id_of(connection)).model_dump()
    return JSONResponse(body, refusal.status, headers)


async def _refused(connection: HTTPConnection, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    response = refusal_response(connection, refusal)
    if isinstance(connection, WebSocket):
        await connection.send_denial_response(response)
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1]) if first["loc"] else ""
    return await _refused(request, Refusal(400, "BAD_PARAMETER", str(first["msg"])[:200], parameter=name[:100]))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = _HTTP_CODES.get(error.status_code, ("BAD_REQUEST", "the request cannot be understood"))
    response = await _refused(request, Refusal(error.status_code, code, message))
    response.headers.update(error.headers or {})
    return response


async def _unexpected(request: Request, error: Exception) -> Response:
    """A defect of ours: the log has everything, the answer only the id to find it by."""
    request_id = request_id_of(request)
    log.error("request %s failed", request_id, exc_info=error)
    return await _refused(request, Refusal(500, "INTERNAL", f"an unexpected error; the log has it as {request_id}"))
